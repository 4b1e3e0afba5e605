"""The other sections of herder.yaml: drivers, users, server. Read by `load`, kept by nobody else.

Secrets do not belong in these files: a token or password is named by a file or an environment variable.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from herder.model.resources import Resources
from herder.settings import reading
from herder.settings.reading import Reading
from herder.settings.values import Entry, Table, Value

DEFAULT_PORT = 8765


class Role(StrEnum):
    VIEWER = "viewer"
    USER = "user"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverSettings:
    """`kind` is which driver; `machine` what a local one may use of its machine, None = all of it."""

    name: str
    kind: str
    machine: Resources | None = None
    settings: tuple[tuple[str, str], ...] = ()


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


DRIVER_KEYS = ("name", "kind", "machine", "settings")
USER_KEYS = ("name", "role", "weight", "quota")
SERVER_KEYS = ("listen", "data_dir", "store_url", "public_url")
MACHINE_KEYS = ("cpu", "memory", "disk", "gpu")
_MACHINE_READERS: dict[str, Callable[[Reading, Value], int]] = {
    "cpu": reading.cpu,
    "memory": reading.size,
    "disk": reading.size,
    "gpu": reading.whole,
}


def read_driver(found: Reading, entry: Entry, table: Table) -> DriverSettings:
    given = {each.name: each.value for each in reading.known_only(found, table, DRIVER_KEYS)}
    return DriverSettings(
        name=entry.name,
        kind=reading.name(found, given["kind"]) if "kind" in given else entry.name,
        machine=_machine(found, given["machine"]) if "machine" in given else None,
        settings=reading.pairs(found, given["settings"]) if "settings" in given else (),
    )


def _machine(found: Reading, value: Value) -> Resources:
    rows = reading.known_only(found, reading.table(found, value), MACHINE_KEYS)
    given = {each.name: _MACHINE_READERS[each.name](found, each.value) for each in rows}
    return Resources(*(given.get(key, 0) for key in MACHINE_KEYS))


def read_user(found: Reading, entry: Entry, table: Table) -> UserSettings:
    given = {each.name: each.value for each in reading.known_only(found, table, USER_KEYS)}
    return UserSettings(
        name=entry.name,
        role=reading.choice(found, given["role"], Role, Role.USER) if "role" in given else Role.USER,
        weight=reading.positive(found, given["weight"]) if "weight" in given else 1,
    )


def read_server(found: Reading, value: Value) -> ServerSettings:
    values: dict[str, Any] = {}
    for entry in reading.known_only(found, reading.table(found, value), SERVER_KEYS):
        if entry.name == "listen":
            values["host"], values["port"] = _listen(found, entry.value)
        else:
            values[entry.name] = reading.text(found, entry.value) or None
    return ServerSettings(**values)


def _listen(found: Reading, value: Value) -> tuple[str, int]:
    raw = reading.text(found, value)
    host, _, port = raw.rpartition(":")
    if not port.isdigit() or not 0 <= int(port) <= 65535:
        if raw:
            found.wrong(
                value, f"{raw!r} is no address to listen on", "Write host:port, as in 127.0.0.1:8765."
            )
        return "127.0.0.1", DEFAULT_PORT
    return host.strip("[]") or "127.0.0.1", int(port)
