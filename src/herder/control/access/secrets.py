"""Secrets of users and projects: create, list, give a new value, delete. Every change is an event; no event contains a value.

Called by `control/commands.py` and `control/reads/port.py`. A value is encrypted before it is in any change, and it leaves the server to
a worker only (`control/workers/secrets.py`). Functions that change something are synchronous, fill `changes` and answer.
"""

import base64
import binascii
import json
import re

from herder.control.access.access_check import OF_KIND, check, not_known
from herder.control.kernel.bounds.errors import Conflict, Invalid, NotReady, Overloaded, TooLarge
from herder.control.kernel.bounds.limits import SECRET_BYTES, SECRETS_MAX, SECRETS_PER_OWNER
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.model.permissions import Action, Kind, Principal, Thing, Verdict, may
from herder.model.stored.changes import Changes
from herder.model.stored.service_records import SecretRecord
from herder.model.values.times import iso
from herder.secrets.sealing import KeyRing, SealError
from herder.wire.api.resources import Result
from herder.wire.api.secrets import SecretCreate, SecretValue, SecretView

USER, PROJECT = "user", "project"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_HINT = "Use at most 64 letters, digits and . _ -; the first must be a letter or digit."

#: (scope, owner, name)
SecretKey = tuple[str, str, str]


def create(core: Core, who: Principal, body: SecretCreate, changes: Changes, now_ms: int) -> SecretView:
    """A name that was deleted before may come back."""
    check(who, Action.CREATE, OF_KIND[Kind.SECRET])
    if not NAME.fullmatch(body.name):
        raise Invalid(
            f"{body.name[:70]!r} is not a valid name of a secret.",
            field="name",
            hint=NAME_HINT,
        )
    scope, owner = (USER, who.user) if body.project is None else (PROJECT, body.project)
    key = (scope, str(owner), body.name)
    if scope == PROJECT:
        _check_project(core, who, key)
    known = core.directory.secrets
    if key in known:
        raise Conflict(
            f"{_named(key)} already exists.",
            field="name",
            hint=f"To give it a new value, run `herder secret rotate {body.name}`.",
        )
    if sum(each[:2] == key[:2] for each in known) >= SECRETS_PER_OWNER:
        raise Overloaded(
            f"{scope.capitalize()} {owner} has {SECRETS_PER_OWNER} secrets, the maximum.",
            hint="Delete secrets with `herder secret delete NAME`.",
        )
    if len(known) >= SECRETS_MAX:
        raise Overloaded(
            f"The server has {SECRETS_MAX:,} secrets, the maximum.",
            hint="Delete secrets with `herder secret delete NAME`.",
        )
    record = _sealed(core, key, 1, body, who, now_ms, created_at_ms=now_ms)
    _put(core, changes, record)
    _tell(core, changes, now_ms, "created", record, who.actor)
    return view_of(core, record)


def set_value(
    core: Core, who: Principal, key: SecretKey, body: SecretValue, changes: Changes, now_ms: int
) -> SecretView:
    """For the attempts that start from now on."""
    old = found(core, who, key, Action.CHANGE)
    record = _sealed(core, key, old.version + 1, body, who, now_ms, created_at_ms=old.created_at_ms)
    _put(core, changes, record)
    _tell(core, changes, now_ms, "updated", record, who.actor)
    return view_of(core, record)


def delete(
    core: Core, who: Principal, key: SecretKey, changes: Changes, now_ms: int, *, dry_run: bool
) -> Result:
    """Attempts that need it and have not started fail; those that run keep what they have."""
    record = found(core, who, key, Action.REMOVE)
    if not dry_run:
        _remove(core, changes, record, now_ms, who.actor)
    text = f"{_named(key)} {'would be' if dry_run else 'was'} deleted."
    return Result(object=_subject(key), text=text, dry_run=dry_run)


def delete_all_of(core: Core, user: str, changes: Changes, now_ms: int, actor: str) -> None:
    """When a user is deleted: whoever gets the name next gets nothing of theirs."""
    for key, record in list(core.directory.secrets.items()):
        if key[:2] == (USER, user):
            _remove(core, changes, record, now_ms, actor)


def views(core: Core, who: Principal, *, project: str | None, everything: bool) -> list[SecretView]:
    """Those of the caller and of projects in which they are a member; `everything`: all that the caller may know of."""
    check(who, Action.SEE, OF_KIND[Kind.SECRET])
    mine = frozenset(who.projects)
    return [
        view_of(core, record)
        for key, record in sorted(core.directory.secrets.items(), key=lambda each: (each[0][2], each[0]))
        if may(who, Action.SEE, thing_of(key)) is Verdict.ALLOWED
        and (project is None or key[:2] == (PROJECT, project))
        and (everything or project is not None or key[:2] == (USER, who.user) or _of_project(key, mine))
    ]


def view_of(core: Core, record: SecretRecord) -> SecretView:
    ring = core.settings.secret_keys
    return SecretView(
        name=record.name,
        user=record.owner if record.scope == USER else "",
        project=record.owner if record.scope == PROJECT else "",
        version=record.version,
        bytes=record.bytes,
        state="ready" if ring is not None and ring.has(record.key_id) else "unreadable",
        key=record.key_id,
        created_at=iso(record.created_at_ms),
        changed_at=iso(record.changed_at_ms),
        changed_by=record.changed_by,
    )


def found(core: Core, who: Principal, key: SecretKey, action: Action) -> SecretRecord:
    """Raises NotKnown, also for one that the caller may not know of, and Forbidden."""
    record = core.directory.secrets.get(key)
    if record is None or may(who, Action.SEE, thing_of(key)) is not Verdict.ALLOWED:
        check(who, action, OF_KIND[Kind.SECRET])
        raise not_known(Kind.SECRET, key[2][:70])
    check(who, action, thing_of(key), f"Secret {key[2]}")
    return record


def key_of(who: Principal, name: str, *, project: str | None, user: str | None) -> SecretKey:
    """Which secret a call means. Raises Invalid."""
    if project is not None and user is not None:
        raise Invalid(
            "A secret belongs to a user or to a project.", field="user", hint="Name one of the two."
        )
    return (PROJECT, project, name) if project is not None else (USER, user or str(who.user), name)


def key_from(subject: str) -> SecretKey:
    """From the object of its events."""
    scope, _, rest = subject.removeprefix("secret/").partition("/")
    owner, _, name = rest.rpartition("/")
    return scope, owner, name


def thing_of(key: SecretKey) -> Thing:
    scope, owner, name = key
    mine, project = (owner, "") if scope == USER else ("", owner)
    return Thing(kind=Kind.SECRET, name=name, owner=mine, project=project)


def place_of(record: SecretRecord) -> str:
    """To which the ciphertext is bound."""
    return json.dumps([record.scope, record.owner, record.name, record.version])


def _of_project(key: SecretKey, projects: frozenset[str]) -> bool:
    return key[0] == PROJECT and key[1] in projects


def _named(key: SecretKey) -> str:
    return f"Secret {key[2]} of {key[0]} {key[1]}"


def _subject(key: SecretKey) -> str:
    return f"secret/{'/'.join(key)}"


def _check_project(core: Core, who: Principal, key: SecretKey) -> None:
    """Raises Invalid and Forbidden. Anybody may submit to a project without members, and would get its secrets."""
    project = next((each for each in core.state.sharing.projects if each.name == key[1]), None)
    if project is None or not project.members:
        raise Invalid(
            f"Project {key[1][:70]} does not exist or names no members, so it cannot have secrets.",
            field="project",
            hint="An administrator adds members under `projects` in herder.yaml and runs `herder apply`.",
        )
    check(who, Action.CREATE, thing_of(key), f"Secret {key[2]}")


def _sealed(
    core: Core,
    key: SecretKey,
    version: int,
    body: SecretValue,
    who: Principal,
    now_ms: int,
    *,
    created_at_ms: int,
) -> SecretRecord:
    """The row. Raises Invalid, TooLarge and NotReady."""
    value = _bytes(body)
    text = b"\0" not in value and _is_utf8(value)
    record = SecretRecord(
        *key, version, "", "", len(value), int(text), created_at_ms, now_ms, str(who.user)
    )  # fmt: skip
    try:
        key_id, sealed = _ring(core).seal(place_of(record), value)
    except SealError as error:
        raise NotReady(f"Secrets cannot be stored: {error}.", hint=error.hint) from None
    return record._replace(key_id=key_id, sealed=sealed)


def _ring(core: Core) -> KeyRing:
    ring = core.settings.secret_keys
    if ring is None:
        raise SealError(
            "this server does not have the key of the other servers",
            "Copy secrets.key of the data folder of another server to this one, and start this server again.",
        )
    return ring


def _bytes(body: SecretValue) -> bytes:
    """Raises Invalid and TooLarge. No message repeats any of it."""
    try:
        value = (
            base64.b64decode(body.value, validate=True) if body.encoding == "base64" else body.value.encode()
        )
    except (binascii.Error, ValueError):
        raise Invalid(
            f"The value is not {'base64' if body.encoding == 'base64' else 'UTF-8'}.",
            field="value",
            hint="Send text, or bytes as base64 with encoding: base64.",
        ) from None
    if not value:
        raise Invalid(
            "The value is empty.", field="value", hint="Send the value on stdin, or name a file that has it."
        )
    if len(value) > SECRET_BYTES:
        raise TooLarge(
            f"The value has {len(value):,} bytes; the maximum is {SECRET_BYTES:,}.",
            field="value",
            hint="Store it where the job can download it, and keep the password of that place as a secret.",
        )
    return value


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _put(core: Core, changes: Changes, record: SecretRecord) -> None:
    core.directory.secrets[record[:3]] = record._replace(sealed="")
    changes.put(record)


def _remove(core: Core, changes: Changes, record: SecretRecord, now_ms: int, actor: str) -> None:
    """The ciphertext goes at once, the row with other old rows."""
    del core.directory.secrets[record[:3]]
    changes.put(record._replace(sealed="", deleted_at_ms=now_ms))
    _tell(core, changes, now_ms, "deleted", record, actor)


def _tell(core: Core, changes: Changes, now_ms: int, verb: str, record: SecretRecord, actor: str) -> None:
    key = record[:3]
    what = {"created": "was created", "updated": f"has a new value, version {record.version}"}
    record_event(
        core.state, changes, now_ms, f"secret.{verb}", _subject(key),
        f"{_named(key)} {what.get(verb, 'was deleted')}.",
        actor=actor,
        data={"version": record.version, "key": record.key_id},
        owner=record.owner if record.scope == USER else record.changed_by,
        project=record.owner if record.scope == PROJECT else "",
    )  # fmt: skip
