"""The other sections of herder.yaml: drivers, users, server. Read by `load`.

Secrets do not belong in these files: a token or password is named by a file or an environment variable.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from herder.model.permissions import Role
from herder.model.values.resources import Resources
from herder.observability.logs import LogFormat, LogLevel
from herder.settings.sections.creations import DRIVER_LIMITS, read_limits
from herder.settings.sections.upkeep import between_durations
from herder.settings.syntax import amounts, validation
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Entry, Table, Value

DEFAULT_PORT = 8765
#: No shorter than a worker lives on without a server, so that a budget is overspent by a quantum at most while no server runs.
QUANTUM_SHORTEST_S, QUANTUM_DEFAULT_S, QUANTUM_LONGEST_S = 600.0, 900.0, 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverSettings:
    """`kind` is which driver; `machine` what a local one may use of its machine, None = all of it."""

    name: str
    kind: str
    machine: Resources | None = None
    settings: tuple[tuple[str, str], ...] = ()
    limits: tuple[tuple[str, Any], ...] = ()
    """What the files say of its creations (`creations.DRIVER_FIELDS`), by attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSettings:
    """`weight` is the user's share against others when work queues."""

    name: str
    role: Role = Role.USER
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """None means: the server's own default (state folder of the system, SQLite in it, the listening address)."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    data_dir: str | None = None
    store_url: str | None = None
    public_url: str | None = None
    queued_jobs_per_user: int | None = None
    queued_mib_per_user: int | None = None
    log_mib_per_attempt: int | None = None
    budget_quantum_s: float = QUANTUM_DEFAULT_S
    """For how long workers reserve their cost at a time."""
    log_format: LogFormat = LogFormat.TEXT
    log_level: LogLevel | None = None
    """None: warning, and of JSON info."""
    max_connections: int | None = None
    """Most open connections at a time."""
    max_connections_per_address: int | None = None
    """From one address, before a valid token was sent on them."""
    max_connections_per_user: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSource:
    """A Prometheus HTTP API. The token is what the file or the variable holds when it is asked."""

    name: str
    url: str
    timeout_s: float = 5.0
    """For a whole answer; well under the pace of the fastest metric."""
    token_file: str | None = None
    token_env: str | None = None


DRIVER_KEYS = ("name", "kind", "machine", "settings", *DRIVER_LIMITS)
USER_KEYS = ("name", "role", "weight", "quota", "queued_jobs")
SOURCE_KEYS = ("name", "url", "timeout", "token_file", "token_env")
CONNECTION_KEYS = ("max_connections", "max_connections_per_address", "max_connections_per_user")
LOG_MIB_MAX = 64
SERVER_KEYS = (
    "listen",
    "data_dir",
    "store_url",
    "public_url",
    "queued_jobs_per_user",
    "queued_bytes_per_user",
    "log_bytes_per_attempt",
    "budget_quantum",
    "log_format",
    "log_level",
    *CONNECTION_KEYS,
)


def read_driver(found: Reading, entry: Entry, table: Table) -> DriverSettings:
    known = [each for each in table.entries if each.name in DRIVER_KEYS]
    for each in table.entries:
        if each not in known:
            remedy = (
                f"Settings of the driver itself are written under `settings`: `settings: {{{each.name}: …}}`."
            )
            found.problem(each.place, each.value.key, "There is no such setting.", remedy)
    given = {each.name: each.value for each in known}
    return DriverSettings(
        name=entry.name,
        kind=validation.name(found, given["kind"]) if "kind" in given else entry.name,
        machine=_machine(found, given["machine"]) if "machine" in given else None,
        settings=validation.pairs(found, given["settings"]) if "settings" in given else (),
        limits=read_limits(found, given),
    )


def _machine(found: Reading, value: Value) -> Resources:
    rows = validation.known_only(found, validation.table(found, value), amounts.amount_keys(found))
    return amounts.read_amounts(found, {each.name: each.value for each in rows})


def read_source(found: Reading, entry: Entry, table: Table) -> MetricSource:
    given = {each.name: each.value for each in validation.known_only(found, table, SOURCE_KEYS)}
    if "url" not in given:
        found.wrong(table, f"Metric source {entry.name!r} has no url.", "Write `url: http://127.0.0.1:9090`.")
    if "token_file" in given and "token_env" in given:
        found.wrong(
            given["token_env"],
            "The token is configured twice, by token_file and by token_env.",
            "Remove one of the two.",
        )
    timeout = validation.duration(found, given["timeout"]) if "timeout" in given else 5.0
    if not 0 < timeout <= 60:
        found.wrong(given["timeout"], "timeout must be 1 s to 60 s.", "Set a value from 1s to 60s.")
    return MetricSource(
        name=entry.name,
        url=http_address(found, given["url"]) if "url" in given else "",
        timeout_s=timeout,
        token_file=validation.text(found, given["token_file"]) or None if "token_file" in given else None,
        token_env=validation.text(found, given["token_env"]) or None if "token_env" in given else None,
    )


def http_address(found: Reading, value: Value) -> str:
    raw = validation.text(found, value)
    try:
        parts = urlsplit(raw)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        secret = parts.username is not None or parts.password is not None
    except ValueError:
        good = secret = False
    if secret:
        found.wrong(
            value,
            "The URL contains a user name or a password.",
            "Remove it, and configure a token with token_file or token_env.",
        )
    elif raw and not good:
        found.wrong(value, f"{raw!r} is not a URL.", "Write for example http://127.0.0.1:9090.")
    return raw


def read_user(found: Reading, entry: Entry, table: Table) -> UserSettings:
    given = {each.name: each.value for each in validation.known_only(found, table, USER_KEYS)}
    return UserSettings(
        name=entry.name,
        role=validation.role(found, given["role"]) if "role" in given else Role.USER,
        weight=validation.positive(found, given["weight"]) if "weight" in given else 1,
    )


def read_server(found: Reading, value: Value) -> ServerSettings:
    values: dict[str, Any] = {}
    for entry in validation.known_only(found, validation.table(found, value), SERVER_KEYS):
        if entry.name == "listen":
            values["host"], values["port"] = _listen(found, entry.value)
        elif entry.name == "queued_jobs_per_user":
            values[entry.name] = validation.positive(found, entry.value)
        elif entry.name == "queued_bytes_per_user":
            values["queued_mib_per_user"] = validation.size(found, entry.value)
        elif entry.name == "log_bytes_per_attempt":
            values["log_mib_per_attempt"] = _log_mib(found, entry.value)
        elif entry.name == "budget_quantum":
            values["budget_quantum_s"] = _quantum(found, entry.value)
        elif entry.name == "log_format":
            values[entry.name] = validation.choice(found, entry.value, LogFormat, LogFormat.TEXT)
        elif entry.name == "log_level":
            values[entry.name] = validation.choice(found, entry.value, LogLevel, LogLevel.WARNING)
        elif entry.name in CONNECTION_KEYS:
            values[entry.name] = validation.positive(found, entry.value)
        else:
            values[entry.name] = validation.text(found, entry.value) or None
    return ServerSettings(**values)


def _log_mib(found: Reading, value: Value) -> int:
    mib = validation.size(found, value)
    if not 1 <= mib <= LOG_MIB_MAX:
        found.wrong(
            value,
            f"The output that is kept of an attempt must be 1Mi to {LOG_MIB_MAX}Mi.",
            f"Write 1Mi to {LOG_MIB_MAX}Mi.",
        )
    return mib


_quantum = between_durations(QUANTUM_SHORTEST_S, QUANTUM_LONGEST_S)


def _listen(found: Reading, value: Value) -> tuple[str, int]:
    raw = validation.text(found, value)
    host, _, port = raw.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) < 6) or int(port) > 65535:
        if raw:
            found.wrong(
                value, f"{raw!r} is not an address to listen on.", "Write host:port, as in 127.0.0.1:8765."
            )
        return "127.0.0.1", DEFAULT_PORT
    return host.strip("[]") or "127.0.0.1", int(port)
