"""The section `intakes:` of herder.yaml: queues in Redis or Valkey from which jobs come. Read by `load`.

Secrets do not belong in these files: a password is named by a file or an environment variable.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from herder.settings.sections.fields import DURATION, Field, Schema, same
from herder.settings.syntax import validation
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Entry, Table, Value

SECTION = "intakes"
LEASE_SHORTEST_S, LEASE_LONGEST_S = 5.0, 3600.0
PREFIX_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeSettings:
    name: str
    url: str = ""
    prefix: str = "mimir:jobs:"
    user: str = ""
    project: str = ""
    lease_s: float = 60.0
    password_file: str | None = None
    password_env: str | None = None


def _read_url(found: Reading, value: Value) -> str:
    raw = validation.text(found, value)
    try:
        parts = urlsplit(raw)
        good = parts.scheme in ("redis", "rediss", "unix") and bool(parts.hostname or parts.path)
        secret = parts.password is not None
    except ValueError:
        good = secret = False
    if secret:
        found.wrong(
            value,
            "The URL contains a password.",
            "Remove it, and name it with password_file or password_env.",
        )
    elif raw and not good:
        found.wrong(value, f"{raw!r} is not a URL of Redis.", "Write for example redis://127.0.0.1:6379/0.")
    return raw


def _read_prefix(found: Reading, value: Value) -> str:
    raw = validation.text(found, value)
    if len(raw) > PREFIX_MAX or not raw.isprintable():
        found.wrong(value, "The prefix is not usable.", f"Use at most {PREFIX_MAX} printable characters.")
    return raw


def _read_lease(found: Reading, value: Value) -> float:
    seconds = validation.duration(found, value)
    if not LEASE_SHORTEST_S <= seconds <= LEASE_LONGEST_S:
        low, high = format_duration(LEASE_SHORTEST_S), format_duration(LEASE_LONGEST_S)
        found.wrong(value, f"The lease must be {low} to {high}.", f"Write a duration from {low} to {high}.")
        return LEASE_SHORTEST_S
    return seconds


def _maybe(found: Reading, value: Value) -> str | None:
    return validation.text(found, value) or None


_TEXT: Schema = {"type": "string"}


def _field(key: str, attribute: str, read: Any, doc: str, write: Any = same, schema: Schema = _TEXT) -> Field:
    return Field(key=key, attribute=attribute, read=read, write=write, schema=schema, doc=doc)


INTAKE_FIELDS: tuple[Field, ...] = (
    _field(
        "url",
        "url",
        _read_url,
        "Where Redis or Valkey answers: redis://HOST:PORT/DB, rediss:// or unix://PATH.",
    ),
    _field(
        "prefix",
        "prefix",
        _read_prefix,
        "What all its keys begin with: the sorted set `queue`, and `data:ID` and `status:ID` of each record.",
    ),
    _field("user", "user", validation.text, "The user whose jobs they are; it must exist and may submit."),
    _field(
        "project",
        "project",
        validation.text,
        "The project of all its jobs. Empty: the `project_id` of each record.",
    ),
    _field(
        "lease",
        "lease_s",
        _read_lease,
        "A record that was claimed is claimed again after this time if it has not become a job.",
        format_duration,
        DURATION,
    ),
    _field("password_file", "password_file", _maybe, "A file with the password."),
    _field("password_env", "password_env", _maybe, "The environment variable with the password."),
)


def read_intake(found: Reading, entry: Entry, table: Table) -> IntakeSettings:
    by_key = {each.key: each for each in INTAKE_FIELDS}
    given = {
        by_key[each.name].attribute: by_key[each.name].read(found, each.value)
        for each in validation.known_only(found, table, ("name", *by_key))
        if each.name != "name"
    }
    made = IntakeSettings(name=entry.name, **given)
    for key, example in (("url", "redis://127.0.0.1:6379/0"), ("user", "mimir")):
        if not getattr(made, key):
            found.problem(entry.place, table.key, f"The intake has no {key}.", f"Write `{key}: {example}`.")
    if made.password_file and made.password_env:
        found.problem(
            entry.place,
            f"{table.key}.password_env",
            "The password is configured twice, by password_file and by password_env.",
            "Remove one of the two.",
        )
    return made


def write_intake(settings: IntakeSettings) -> dict[str, Any]:
    return {each.key: each.write(each.of(settings)) for each in INTAKE_FIELDS}


def intake_schema() -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "name": _TEXT,
            **{each.key: {**each.schema, "description": each.doc} for each in INTAKE_FIELDS},
        },
    }
