"""`herder admin rotate-secrets-key`: a new key for the secrets of users and projects, and all of them encrypted with it.

It works on the store of a stopped server. The new key is in the file before anything is encrypted with it, and all rows change in one
transaction, so a command that is cut off at any point can be run again.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.options import Yes
from herder.cli.shell.session import session
from herder.client.connection import state_dir
from herder.model.stored.service_records import SecretRecord
from herder.model.values.phrases import clause, counted
from herder.secrets.key_file import KEY_FILE, KeyFileError, read_or_make, write_keys
from herder.secrets.sealing import KeyRing, SealError, new_key
from herder.server.data.options import DataDir, SecretsKeyFile, Store


class RotationView(msgspec.Struct, kw_only=True):
    key: str
    """The id of the new key."""
    secrets: int
    deleted: list[str]
    """That could not be decrypted."""
    old_keys: list[str]
    """Ids of keys that the file still has."""


def rotate_secrets_key(
    ctx: typer.Context,
    data_dir: DataDir = None,
    store: Store = None,
    key_file: SecretsKeyFile = None,
    forget_old: Annotated[
        bool,
        typer.Option(
            "--forget-old", help="Remove the old keys from the file. Backups from before need them."
        ),
    ] = False,
    drop_unreadable: Annotated[
        bool, typer.Option("--drop-unreadable", help="Delete secrets whose key is lost.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Encrypt all secrets with a new key. The server must be stopped.

    The new key becomes the first of secrets.key in the data folder; with several servers, copy that file to all of them. Old keys stay in
    it, for backups that were taken before.
    """
    say, folder = session(ctx), data_dir or state_dir()
    path = key_file or folder / KEY_FILE
    if store is None and not folder.exists():
        raise CommandError(
            f"There is no store in {folder}.", hint="Name it with --data-dir or --store.", code=Code.NOT_FOUND
        )
    say.confirm(
        f"All secrets of {folder if store is None else 'the store'} would be encrypted with a new key.",
        yes=yes,
        has_dry_run=False,
    )
    done = _rotate(folder, store, path, forget_old=forget_old, drop_unreadable=drop_unreadable)
    gone = f"; {counted(len(done.deleted), 'secret')} without a key deleted" if done.deleted else ""
    say.done(
        f"{counted(done.secrets, 'secret')} encrypted with the new key {done.key}{gone}.", done, done.key
    )
    if done.old_keys:
        say.say(
            f"{path} keeps {counted(len(done.old_keys), 'old key')} for backups; --forget-old removes them."
        )


def _rotate(
    folder: Path, store: str | None, path: Path, *, forget_old: bool, drop_unreadable: bool
) -> RotationView:
    """Raises CommandError."""
    from sqlalchemy.exc import DBAPIError

    from herder.store.opening.database import (
        FileLock,
        StoreError,
        migrate,
        open_engine,
        sqlite_file,
        sqlite_url,
    )
    from herder.store.opening.lease import check_no_leader

    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(folder):
            engine = open_engine(store or sqlite_url(folder))
            try:
                with sqlite_file(engine):
                    migrate(engine)
                    if engine.dialect.name == "postgresql":
                        check_no_leader(engine)
                    return _encrypt_anew(engine, path, forget_old=forget_old, drop_unreadable=drop_unreadable)
            finally:
                engine.dispose()
    except (StoreError, KeyFileError) as error:
        raise CommandError(str(error), hint=error.hint, code=Code.CONFLICT) from None
    except SealError as error:
        raise CommandError(f"Secrets cannot be encrypted: {error}.", hint=error.hint) from None
    except DBAPIError as error:
        raise CommandError(f"The store cannot be used: {clause(error.orig)}.") from None


def _encrypt_anew(engine: Any, path: Path, *, forget_old: bool, drop_unreadable: bool) -> RotationView:
    """Raises CommandError, SealError and KeyFileError."""
    from sqlalchemy import select

    from herder.server.data.place import KEY_ID
    from herder.store.rows.secrets_table import secrets
    from herder.store.rows.tables import meta

    old = read_or_make(path)
    ring = KeyRing((new_key(), *old.keys))
    with engine.begin() as connection:
        rows = [
            SecretRecord(*row) for row in connection.execute(select(secrets).where(secrets.c.sealed != ""))
        ]
        lost = [row for row in rows if not ring.has(row.key_id)]
        if lost and not drop_unreadable:
            raise _key_lost(lost, path)
        write_keys(path, ring)
        for row in rows:
            new = (
                _again(ring, row)
                if row not in lost
                else row._replace(sealed="", deleted_at_ms=row.changed_at_ms)
            )
            c = secrets.c
            change = secrets.update().where(c.scope == row.scope, c.owner == row.owner, c.name == row.name)
            connection.execute(
                change.values(sealed=new.sealed, key_id=new.key_id, deleted_at_ms=new.deleted_at_ms)
            )
        connection.execute(meta.update().where(meta.c.key == KEY_ID).values(value=ring.current.id))
    if forget_old:
        ring = KeyRing(ring.keys[:1])
        write_keys(path, ring)
    return RotationView(
        key=ring.current.id,
        secrets=len(rows) - len(lost),
        deleted=[_named(row) for row in lost],
        old_keys=[key.id for key in ring.keys[1:]],
    )


def _again(ring: KeyRing, row: SecretRecord) -> SecretRecord:
    """Raises SealError."""
    from herder.control.access.secrets import place_of

    place = place_of(row)
    try:
        value = ring.open(row.key_id, place, row.sealed)
    except SealError as error:
        raise SealError(f"{_named(row)}: {error}", error.hint) from None
    key_id, sealed = ring.seal(place, value)
    return row._replace(key_id=key_id, sealed=sealed)


def _key_lost(lost: Sequence[SecretRecord], path: Path) -> CommandError:
    names = ", ".join(_named(row) for row in lost[:10])
    return CommandError(
        f"{counted(len(lost), 'secret')} cannot be decrypted, because the key is not in {path}: {names}.",
        hint="Restore a copy of the file, or delete these secrets with --drop-unreadable.",
        code=Code.CONFLICT,
    )


def _named(row: SecretRecord) -> str:
    return f"{row.name} of {row.scope} {row.owner}"
