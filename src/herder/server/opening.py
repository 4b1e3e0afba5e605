"""Opening a server's data: folder, lock, secret, database, first user. Errors are `StartError`s; the lock is held until closed."""

import json
import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from herder.control.auth import Directory
from herder.control.clock import hash_token, new_token, now_ms
from herder.control.recover import recover
from herder.control.recover_resources import resources_record
from herder.control.sharing import META_KEY
from herder.engine.events import record_event
from herder.engine.state import EngineState
from herder.model.changes import Changes
from herder.model.ids import UserName
from herder.model.principal import ROLES, Role
from herder.model.records import IdempotencyRecord, MetaRecord, UserRecord
from herder.server.options import ADMIN_TOKEN, ServerOptions, StartError
from herder.store.database import AdvisoryLock, FileLock, StoreError, migrate, open_engine, sqlite_url
from herder.store.tables import idempotency, meta, pools

ADMIN_USER = "admin"
SECRET = "secret.key"
SERVER_FILE = "server.json"


@dataclass(slots=True, kw_only=True)
class Opened:
    """Everything durable of one server. `changes` is what opening itself wants written first."""

    database: Engine
    lock: AdvisoryLock | None
    state: EngineState
    directory: Directory
    unswept: list[int]
    answers: list[IdempotencyRecord]
    secret: str
    installation: str
    changes: Changes
    never_had_pools: bool
    sharing: str | None
    """How the fleet is shared, as `control/sharing.py` wrote it."""


def open_data(options: ServerOptions, stack: ExitStack) -> Opened:
    """Raises StartError. What is opened is closed by `stack`."""
    folder = options.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StartError(
            f"cannot use {folder} as data folder: {error.strerror}", "give another --data-dir"
        ) from None
    try:
        stack.enter_context(FileLock(folder))
        database = open_engine(options.store_url or sqlite_url(folder))
        stack.callback(database.dispose)
        lock = stack.enter_context(AdvisoryLock(database)) if database.dialect.name == "postgresql" else None
        migrate(database)
    except StoreError as error:
        raise StartError(str(error)) from None
    with database.connect() as connection:
        state, directory, unswept = recover(connection, now_ms(), options.resources)
        known = {row.key: row.value for row in connection.execute(select(meta))}
        answers = _answers(connection)
        never_had_pools = connection.execute(select(pools.c.name).limit(1)).first() is None
    changes = Changes()
    kept = resources_record(state.resources)
    if known.get(kept.key, "{}") != kept.value:
        changes.put(kept)
    installation = known.get("installation")
    if installation is None:
        installation = hash_token(new_token())[:12]
        changes.put(MetaRecord("installation", installation))
    return Opened(
        database=database,
        lock=lock,
        state=state,
        directory=directory,
        unswept=unswept,
        answers=answers,
        secret=_secret_file(folder / SECRET),
        installation=installation,
        changes=changes,
        never_had_pools=never_had_pools,
        sharing=known.get(META_KEY),
    )


def _answers(connection: Connection) -> list[IdempotencyRecord]:
    query = select(idempotency).order_by(idempotency.c.at_ms.desc()).limit(50_000)
    return [IdempotencyRecord(*row) for row in connection.execute(query)][::-1]


def ensure_admin(options: ServerOptions, opened: Opened) -> str:
    """The users of the files, and the administrator's token, in a file that only its owner can read.

    A token that no longer works is replaced: whoever can read the data folder is an administrator anyhow. When `admin` was deleted
    and somebody else is an administrator, it stays deleted.
    """
    path, now = options.data_dir / ADMIN_TOKEN, now_ms()
    directory = opened.directory
    if not directory.administrators:
        _put_user(opened, ADMIN_USER, Role.ADMINISTRATOR, 1, now)
    token = path.read_text().strip() if path.exists() else ""
    if UserName(ADMIN_USER) in directory.users and not _works(directory, token, now):
        token = _secret_file(path, fresh=True)
        directory.add_token(
            opened.changes, ADMIN_USER, Role.ADMINISTRATOR, "made at the first start", now, token=token
        )
    for user in options.users:
        known = directory.users.get(UserName(user.name))
        if known is None or (known.role, known.weight) != (user.role.value, user.weight):
            _put_user(opened, user.name, ROLES[user.role.value], user.weight, now)
    if not directory.administrators:
        raise StartError(
            "no administrator would be left: herder.yaml gives every one of them another role",
            "make one of its users administrator",
        )
    directory.declared = frozenset(UserName(user.name) for user in options.users)
    return token


def _works(directory: Directory, token: str, now: int) -> bool:
    record = directory.tokens.get(hash_token(token)) if token else None
    return record is not None and record.revoked_at_ms is None and now < (record.expires_at_ms or 2**62)


def _put_user(opened: Opened, name: str, role: Role, weight: int, now: int) -> UserRecord:
    verb = "updated" if UserName(name) in opened.directory.users else "created"
    user = opened.directory.add_user(opened.changes, name, role, weight, now)
    opened.state.weights[UserName(name)] = weight
    record_event(
        opened.state, opened.changes, now, f"user.{verb}", f"user/{name}",
        f"user {name} {verb} at the server's start as {role.label}",
        data={"role": user.role, "weight": weight}, owner=name,
    )  # fmt: skip
    return user


def write_server_file(options: ServerOptions, url: str) -> None:
    """How the command line on this machine finds the server. No secret in it."""
    content = {"url": url, "token_file": str((options.data_dir / ADMIN_TOKEN).resolve()), "pid": os.getpid()}
    (options.data_dir / SERVER_FILE).write_text(json.dumps(content) + "\n")


def _secret_file(path: Path, *, fresh: bool = False) -> str:
    """Read a secret, or make one, with mode 0600 from the first byte on."""
    if path.exists() and not fresh:
        return path.read_text().strip()
    secret = new_token()
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret + "\n")
    draft.replace(path)
    return secret
