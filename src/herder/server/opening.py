"""Opens a server's data: folder, lock, secret, database, first user. Errors are `StartError`s; the lock is kept until the data is
closed.
"""

import json
import logging
import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError

from herder.control.access.tokens import Directory
from herder.control.kernel.clock import now_ms
from herder.control.kernel.jobs.usage_ledger import read_ledger
from herder.control.kernel.secret_tokens import hash_token, new_token
from herder.control.pools.sharing import META_KEY
from herder.control.recovery.recover import recover
from herder.control.recovery.resources import resources_record
from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState
from herder.ledger.totals import Totals
from herder.model.ids import UserName
from herder.model.permissions import Role
from herder.model.stored.changes import Changes
from herder.model.stored.records import MetaRecord
from herder.model.values.addresses import shown_address
from herder.model.values.phrases import clause
from herder.model.values.resources import Dimensions
from herder.server.options import ADMIN_TOKEN, ServerOptions, StartError
from herder.server.store_mark import compare
from herder.settings import SettingsError
from herder.settings.sections.server import UserSettings
from herder.store.opening.database import (
    AdvisoryLock,
    FileLock,
    StoreError,
    migrate,
    open_engine,
    sqlite_file,
    sqlite_url,
    unusable,
)
from herder.store.opening.file import StoreFile
from herder.store.opening.leadership import Leader, take_over
from herder.store.rows.tables import meta, pools
from herder.store.rows.versions import UnknownVersion, opened

log = logging.getLogger(__name__)

ADMIN_USER = "admin"
SECRET = "secret.key"
SERVER_FILE = "server.json"


@dataclass(slots=True, kw_only=True)
class Opened:
    """Everything durable of one server. `changes` is what opening itself wants written first."""

    database: Engine
    lock: AdvisoryLock | None
    file: StoreFile | None
    leader: Leader
    state: EngineState
    ledger: Totals
    directory: Directory
    unswept: list[int]
    secret: str
    installation: str
    changes: Changes
    never_had_pools: bool
    sharing: dict[str, Any] | None
    """How the fleet is shared, as `control/pools/sharing.py` wrote it."""


def open_data(options: ServerOptions, stack: ExitStack) -> Opened:
    """Raises StartError. What is opened is closed by `stack`."""
    folder = options.data_dir
    _private_folder(folder)
    try:
        stack.enter_context(FileLock(folder))
        database = open_engine(options.store_url or sqlite_url(folder))
        file = stack.enter_context(sqlite_file(database))
        stack.callback(database.dispose)  # before the file is let go
        lock = stack.enter_context(AdvisoryLock(database)) if database.dialect.name == "postgresql" else None
        migrate(database)
        changes = Changes()
        leader, found, known, never_had_pools = _taken_over(folder, database, options.resources, changes)
    except StoreError as error:
        raise StartError(str(error), error.hint) from None
    state, directory, unswept, ledger = found
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
        file=file,
        leader=leader,
        state=state,
        ledger=ledger,
        directory=directory,
        unswept=unswept,
        secret=_secret_file(folder / SECRET),
        installation=installation,
        changes=changes,
        never_had_pools=never_had_pools,
        sharing=_sharing(known.get(META_KEY)),
    )


def _sharing(text: str | None) -> dict[str, Any] | None:
    """Raises StartError."""
    try:
        return None if text is None else opened("sharing", json.loads(text), "The stored settings of sharing")
    except ValueError as error:
        raise StartError(str(error)) from None


_Recovered = tuple[EngineState, Directory, list[int], Totals]


def _taken_over(
    folder: Path, database: Engine, resources: Dimensions, changes: Changes
) -> tuple[Leader, _Recovered, dict[str, str], bool]:
    """From here on nobody else writes, so what is read is all there is. Raises StoreError."""
    try:
        leader = take_over(database, now_ms())
        with database.connect() as connection:
            found = (*recover(connection, now_ms(), resources, changes), read_ledger(connection))
            known = {row.key: row.value for row in connection.execute(select(meta))}
            compare(folder, known.get("installation"), leader.epoch, connection, found[0], changes, now_ms())
            never_had_pools = connection.execute(select(pools.c.name).limit(1)).first() is None
    except DBAPIError as error:
        raise unusable(database, error) from None
    except (UnknownVersion, SettingsError) as error:
        raise StoreError(str(error)) from None
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"The store at {shown_address(database.url.render_as_string())} has data that cannot be read ({type(error).__name__}: {clause(error)}).",
            "Restore a backup, and please report this as a bug in Herder.",
        ) from None
    return leader, found, known, never_had_pools


def _private_folder(folder: Path) -> None:
    """Secrets, jobs' input and output are in it: nobody else looks into it. Raises StartError."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.stat()
        shared = found.st_mode & 0o077 and not found.st_mode & stat.S_ISVTX
        if shared and found.st_uid == os.geteuid():
            folder.chmod(0o700)
            log.warning("Other users could read the data folder %s; its mode is now 0700.", folder)
    except OSError as error:
        raise StartError(
            f"Cannot use {folder} as the data folder: {error.strerror}.",
            "Name another folder with --data-dir.",
        ) from None


def ensure_admin(options: ServerOptions, opened: Opened) -> str:
    """The users of the files, and the administrator's token, in a file that only its owner can read.

    A token that no longer works is replaced: whoever can read the data folder is an administrator anyhow. When `admin` was deleted
    and somebody else is an administrator, it stays deleted; the file then gets a token of theirs if they have none.
    """
    path, now = options.data_dir / ADMIN_TOKEN, now_ms()
    directory = opened.directory
    if not directory.administrators:
        when = "at the start of the server"
        _put_user(directory, opened.state, opened.changes, ADMIN_USER, Role.ADMINISTRATOR, 1, now, when)
    put_declared(
        options.users, directory, opened.state, opened.changes, now, when="at the start of the server"
    )
    if not directory.administrators:
        raise StartError(
            "There would be no administrator: herder.yaml gives all administrators another role.",
            "Give one of its users the role administrator.",
        )
    try:
        token = path.read_text().strip() if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise StartError(
            f"Cannot read {path}: {why}.",
            "Check its permissions, or delete the file; the server then creates a new one.",
        ) from None
    whose = _without_token(directory, token, now)
    if whose is not None:
        token = _secret_file(path, fresh=True)
        directory.add_token(
            opened.changes, whose, Role.ADMINISTRATOR, "created at the start of the server", now, token=token
        )
    return token


def _without_token(directory: Directory, token: str, now: int) -> str | None:
    """Whose administrator's token is to be made: that of `admin`, or when no administrator can get in, that of the first."""
    keys = {name: directory.keys_of(name, now) for name in directory.administrators}
    if ADMIN_USER in keys:
        shown = hash_token(token)
        return (
            None if any(record.hash == shown for found in keys.values() for record in found) else ADMIN_USER
        )
    return None if any(keys.values()) else min(keys)


def put_declared(
    users: Sequence[UserSettings],
    directory: Directory,
    state: EngineState,
    changes: Changes,
    now: int,
    *,
    when: str,
) -> int:
    """Put the users of the files in force; answers how many were made or changed."""
    changed = 0
    for user in users:
        known = directory.users.get(UserName(user.name))
        if known is None or (known.role, known.weight) != (user.role.label, user.weight):
            _put_user(directory, state, changes, user.name, user.role, user.weight, now, when)
            changed += 1
    directory.declared = frozenset(UserName(user.name) for user in users)
    return changed


def _put_user(
    directory: Directory,
    state: EngineState,
    changes: Changes,
    name: str,
    role: Role,
    weight: int,
    now: int,
    when: str,
) -> None:
    verb = "updated" if UserName(name) in directory.users else "created"
    user = directory.add_user(changes, name, role, weight, now)
    state.weights[UserName(name)] = weight
    record_event(
        state, changes, now, f"user.{verb}", f"user/{name}", f"User {name} was {verb} {when} with the role {role.label}.",
        data={"role": user.role, "weight": weight}, owner=name,
    )  # fmt: skip


def write_server_file(options: ServerOptions, url: str) -> None:
    """How the command line on this machine finds the server. No secret in it."""
    content = {"url": url, "token_file": str((options.data_dir / ADMIN_TOKEN).resolve()), "pid": os.getpid()}
    path = options.data_dir / SERVER_FILE
    try:
        path.write_text(json.dumps(content) + "\n")
    except OSError as error:
        log.warning(
            "Cannot write %s: %s. Commands on this machine need --server %s.", path, error.strerror, url
        )


def _secret_file(path: Path, *, fresh: bool = False) -> str:
    """Read a secret, or make one, with mode 0600 from the first byte on. Raises StartError."""
    try:
        return _made_secret(path) if fresh or not path.exists() else _read_secret(path)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise StartError(
            f"Cannot read or write {path}: {why}.", "Check its permissions and the free space on its disk."
        ) from None


def _read_secret(path: Path) -> str:
    secret = path.read_text().strip()
    if not secret:
        raise StartError(
            f"{path} is empty, but the tokens of all workers are derived from it.",
            "Restore a copy. If there is none, delete the file; running workers are then replaced.",
        )
    return secret


def _made_secret(path: Path) -> str:
    secret = new_token()
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret + "\n")
    draft.replace(path)
    return secret
