"""The place of a server: its data folder, the lock on it, its database and its secret. Opened once by `runtime.py`, whether
the server will lead or follow.

Errors are `StartError`s. It must never change what a leader has written: it creates only the tables and the fingerprint of the secret.
"""

import logging
import os
import stat
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from herder.control.kernel.secret_tokens import hash_token, new_token
from herder.model.values.addresses import shown_address
from herder.secrets.key_file import KEY_FILE, KeyFileError, read_keys, read_or_make
from herder.secrets.sealing import KeyRing
from herder.server.options import ServerOptions, StartError
from herder.store.opening.database import (
    FileLock,
    Sockets,
    StoreError,
    migrate,
    open_engine,
    prepare,
    sqlite_file,
    sqlite_url,
    unusable,
)
from herder.store.opening.file import StoreFile
from herder.store.opening.lease import APPLICATION
from herder.store.rows.secrets_table import secrets
from herder.store.rows.tables import meta

log = logging.getLogger(__name__)

SECRET = "secret.key"
#: The key of `meta` under which the secret's fingerprint is kept, on PostgreSQL.
FINGERPRINT = "secret"
#: And under which the id of the current key of secrets is kept.
KEY_ID = "secrets_key"
_FIRST_FINGERPRINT = text("INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO NOTHING")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a server has open as long as it runs, whether it leads or not."""

    database: Engine
    file: StoreFile | None
    """Of a SQLite store, locked."""
    sockets: Sockets | None
    """Of a PostgreSQL store, which other servers may open, too."""
    secret: str
    secret_keys: KeyRing | None
    """What secrets of users and projects are encrypted with; None: this server lacks the key that the others have."""
    instance: str
    """Of this run of the process, as the sessions of the database are named."""


def open_place(options: ServerOptions, stack: ExitStack) -> Place:
    """Raises StartError. What is opened is closed by `stack`."""
    folder, instance = options.data_dir, new_token()[:12]
    _private_folder(folder)
    try:
        stack.enter_context(FileLock(folder))
        database = open_engine(options.store_url or sqlite_url(folder), APPLICATION + instance)
        file = stack.enter_context(sqlite_file(database))
        stack.callback(database.dispose)  # before the file is unlocked
        shared = database.dialect.name == "postgresql"
        sockets = Sockets(database) if shared else None
        if shared:
            prepare(database)
            secret = shared_secret(folder / SECRET, database)
        else:
            migrate(database)
            secret = secret_file(folder / SECRET)
        keys = secret_keys(options.secrets_key_file or folder / KEY_FILE, database, shared=shared)
    except StoreError as error:
        raise StartError(str(error), error.hint) from None
    return Place(
        database=database, file=file, sockets=sockets, secret=secret, secret_keys=keys, instance=instance
    )


def server_identity(folder: Path) -> str:
    """Of the server in this data folder, which it has locked: the same again after a restart of the process, and of no other server,
    also when the folder was copied."""
    found = folder.stat()
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = new_token()
    return hash_token(f"{boot} {found.st_dev} {found.st_ino} {folder.resolve()}")[:12]


def shared_secret(path: Path, database: Engine) -> str:
    """The secret of an installation with several servers: all must have the same, of which the store knows a fingerprint. Raises
    StartError and StoreError."""
    try:
        with database.begin() as connection:
            known = connection.execute(select(meta.c.value).where(meta.c.key == FINGERPRINT)).scalar()
            if known is not None and not path.exists():
                raise StartError(
                    f"This server does not have the secret of the installation in {_named(database)}.",
                    f"Copy {SECRET} of the data folder of another of its servers to {path}, with mode 0600.",
                )
            secret = secret_file(path)
            mine = hash_token(f"{FINGERPRINT}/{secret}")
            connection.execute(_FIRST_FINGERPRINT, {"key": FINGERPRINT, "value": mine})
            known = connection.execute(select(meta.c.value).where(meta.c.key == FINGERPRINT)).scalar()
    except DBAPIError as error:
        raise unusable(database, error) from None
    if known != mine:
        raise StartError(
            f"The secret in {path} is not the one of the installation in {_named(database)}.",
            f"Copy {SECRET} of the data folder of another of its servers to {path}, with mode 0600.",
        )
    return secret


def secret_keys(path: Path, database: Engine, *, shared: bool) -> KeyRing | None:
    """The keys of the secrets of users and projects. Of several servers all need the current one, which the store knows by its id: a
    server that lacks it starts only while there are no secrets, and then keeps none (None). Raises StartError and StoreError."""
    try:
        if not shared:
            return read_or_make(path)
        with database.begin() as connection:
            query = select(meta.c.value).where(meta.c.key == KEY_ID)
            known = connection.execute(query).scalar()
            if known is None:
                connection.execute(
                    _FIRST_FINGERPRINT, {"key": KEY_ID, "value": read_or_make(path).current.id}
                )
                known = str(connection.execute(query).scalar_one())
            ring = read_keys(path) if path.exists() else None
            used = connection.execute(select(secrets.c.name).where(secrets.c.sealed != "").limit(1)).first()
    except KeyFileError as error:
        raise StartError(str(error), error.hint) from None
    except DBAPIError as error:
        raise unusable(database, error) from None
    if ring is not None and ring.has(known):
        return ring
    lacks = _lacks_key(path, database, known)
    if used is not None:
        raise lacks
    log.warning("%s No user can create secrets at this server. %s", lacks, lacks.hint)
    return None


def _lacks_key(path: Path, database: Engine, known: str) -> StartError:
    return StartError(
        f"This server does not have the key {known} of the secrets in {_named(database)}.",
        f"Copy {KEY_FILE} of the data folder of another of its servers to {path}, with mode 0600. If the key is lost, run "
        "`herder admin rotate-secrets-key --drop-unreadable`; the secrets must then be set again.",
    )


def _named(database: Engine) -> str:
    return shown_address(database.url.render_as_string())


def _private_folder(folder: Path) -> None:
    """It contains secrets and the input and output of jobs, so only its owner may read it. Raises StartError."""
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


def secret_file(path: Path, *, fresh: bool = False) -> str:
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
