"""`herder admin`: check a store, back it up, restore it. These commands open the store themselves.

Added to the command line by `server/commands.py`. A backup may be taken of a running server; a restore is refused while one runs.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from herder.cli.output.formats import Format
from herder.cli.output.progress import progress
from herder.cli.shell.commands import command, noun
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.options import Yes
from herder.cli.shell.session import Session, session
from herder.client.connection import state_dir
from herder.control.kernel.clock import now_ms
from herder.control.kernel.secret_tokens import new_salt
from herder.model.values.phrases import clause, counted
from herder.model.values.times import iso
from herder.secrets.key_file import KEY_FILE
from herder.server.admin_commands.secrets import rotate_secrets_key
from herder.server.admin_commands.sweep import sweep
from herder.server.data.options import DataDir, Store

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from herder.store.backup.restoring import Restored

_BACKUP_EXAMPLE = "herder admin backup herder-backup.db"
_RESTORE_EXAMPLE = "herder admin restore herder-backup.db --data-dir /var/lib/herder"
_MARK_EXAMPLE = "herder admin mark-restored --store postgresql://herder@db/herder"
_SWEEP_EXAMPLE = "herder admin sweep\nherder admin sweep --driver local --adopt --dry-run"
_POSTGRES_BACKUP = (
    "Use `pg_dump --format=custom --file FILE URL`; it needs no stop of the server. After `pg_restore`, run "
    "`herder admin mark-restored --store URL` before the server starts."
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="File of the backup.")]


class BackupView(msgspec.Struct, kw_only=True):
    file: str
    bytes: int
    remembers_until: str
    jobs: int
    unended_jobs: int
    workers: int
    keep_also: list[str]


class RestoreView(msgspec.Struct, kw_only=True):
    store: str
    kept: str | None
    remembers_until: str
    jobs: int
    unended_jobs: int
    workers: int
    next_job: int
    next_plan: int


def build() -> typer.Typer:
    admin = noun("Check, back up and restore the data of a server.", example="herder admin invariants")
    command(admin, "invariants", example="herder admin invariants")(invariants)
    command(admin, "backup", example=_BACKUP_EXAMPLE)(backup)
    command(admin, "restore", example=_RESTORE_EXAMPLE)(restore)
    command(admin, "mark-restored", example=_MARK_EXAMPLE)(mark_restored)
    command(admin, "sweep", example=_SWEEP_EXAMPLE)(sweep)
    command(admin, "rotate-secrets-key", example="herder admin rotate-secrets-key --forget-old")(
        rotate_secrets_key
    )
    return admin


def invariants(ctx: typer.Context, data_dir: DataDir = None, store: Store = None) -> None:
    """Recompute every count and total from the rows, and report differences.

    Reads the store directly; the server may be running or not.
    """
    found = found_violations(data_dir, store)
    say = session(ctx)
    if say.format in (Format.JSON, Format.YAML):
        say.printer.data({"violations": found})
    else:
        for sentence in found or ["All invariants hold."]:
            typer.echo(sentence)
    if found:
        raise CommandError(
            f"{counted(len(found), 'violation')} of invariants.",
            hint="Please report this as a bug in Herder.",
        )


def found_violations(data_dir: Path | None, store: str | None = None) -> list[str]:
    """Raises CommandError for what is no store of Herder."""
    from herder.store.invariants import violations

    with stored(data_dir, store) as connection:
        return violations(connection)


@contextmanager
def stored(data_dir: Path | None, store: str | None) -> "Iterator[Connection]":
    """A store, to be read; a server may be running. Raises CommandError for what is no store of Herder."""
    from sqlalchemy.exc import DBAPIError

    from herder.store.opening.database import StoreError, open_engine, sqlite_url

    folder = data_dir or state_dir()
    url = store or sqlite_url(existing_file(folder).parent)
    try:
        with ExitStack() as stack:
            engine = open_engine(url)
            stack.callback(engine.dispose)
            yield stack.enter_context(engine.connect())
    except StoreError as error:
        raise CommandError(str(error), hint=error.hint, code=Code.FAILURE) from None
    except DBAPIError as error:
        raise CommandError(
            f"Cannot read the store: {clause(error.orig)}.",
            hint="Check that it is a store of this version of Herder.",
        ) from None


def backup(ctx: typer.Context, file: File, data_dir: DataDir = None, store: Store = None) -> None:
    """Write a backup of the store to a new file, also while the server runs.

    The backup is one moment of the store. It is checked before the command ends, only its owner can read it, and an existing file is never
    overwritten. Keep secret.key and secrets.key of the data folder and herder.yaml too: they are not in the backup.
    """
    from herder.server.data.place import SECRET
    from herder.store.backup.taking import take_backup

    say, folder = session(ctx), data_dir or state_dir()
    with _errors():
        _named_file(file)
        path = _sqlite_store(folder, store, must_exist=True)
        with _telling(say, "Backup") as tell:
            found = take_backup(path, file.expanduser(), now_ms(), tell)
    keys = (folder / SECRET, folder / KEY_FILE)
    view = BackupView(
        file=str(file),
        bytes=found.bytes,
        remembers_until=iso(found.remembered_until_ms),
        jobs=found.jobs,
        unended_jobs=found.unended_jobs,
        workers=found.workers,
        keep_also=[str(each) for each in keys if each.exists()],
    )
    jobs = f"{counted(found.jobs, 'job')}, {found.unended_jobs:,} of them not ended, and {counted(found.workers, 'worker')}"
    say.done(f"Backup {file} was written and checked: {found.bytes:,} bytes with {jobs}.", view, str(file))
    say.say(f"Keep {keys[0]} and herder.yaml too, and {keys[1]} apart from them; they are not in the backup.")


def restore(
    ctx: typer.Context,
    file: File,
    data_dir: DataDir = None,
    store: Store = None,
    other_installation: Annotated[
        bool,
        typer.Option(
            "--other-installation",
            help="Also replace the store of another installation. Its machines stay at their providers.",
        ),
    ] = False,
    yes: Yes = False,
) -> None:
    """Replace the store of a stopped server with a backup.

    The present store is kept beside it. New jobs, batches, plans and events get numbers above any that can have been used after the backup.
    Machines that were created after the backup are kept until you decide about them with `herder admin sweep`.
    """
    from herder.server.data.store_mark import read_mark, renew_mark
    from herder.store.backup.restoring import restore as put_in_place
    from herder.store.backup.restoring import seen_of
    from herder.store.backup.taking import check_file

    say, folder = session(ctx), data_dir or state_dir()
    with _errors(), ExitStack() as stack:
        path = _sqlite_store(folder, store, must_exist=False)
        _named_file(file)
        theirs = check_file(file)
        if folder.exists():
            _lock(stack, folder)
        present, mark = seen_of(path), read_mark(folder)
        if store is not None and mark is not None and mark.installation != theirs:
            mark = None  # of a data folder to which that store does not belong
        ours = next((each.installation for each in (present, mark) if each and each.installation), "")
        other = _other(file, path, theirs, ours, wanted=other_installation)
        what = "The present store is kept beside it." if path.exists() else "No store exists there now."
        effect = f"The store {path} is replaced with the backup {file}. {what}{other}"
        say.confirm(effect, yes=yes, has_dry_run=False)
        if not folder.exists():
            folder.mkdir(parents=True, mode=0o700)
            _lock(stack, folder)
        with _telling(say, "Restore") as tell:
            done = put_in_place(file, path, now_ms(), tell, salt=new_salt(), seen=[mark] if mark else [])
        if (restored := seen_of(path)) is not None:
            renew_mark(folder, restored, now_ms(), lies_here=store is None)
    _tell_restored(say, file, folder, done)


def _other(file: Path, path: Path, theirs: str, ours: str, *, wanted: bool) -> str:
    """A sentence when the backup is of another installation, after a space. Raises CommandError when that is not wanted."""
    if not (theirs and ours) or theirs == ours:
        return ""
    if not wanted:
        raise CommandError(
            f"The backup {file} is of installation {theirs}, but {path} belongs to installation {ours}.",
            hint="Restore into another folder with --data-dir, or add --other-installation. The machines of installation "
            f"{ours} then stay at their providers, and no server manages them.",
            code=Code.CONFLICT,
        )
    return f" It is of installation {ours}, and the backup is of installation {theirs}."


def _tell_restored(say: Session, file: Path, folder: Path, done: "Restored") -> None:
    from herder.server.data.place import SECRET

    found = done.backup
    view = RestoreView(
        store=str(done.store),
        kept=None if done.kept is None else str(done.kept),
        remembers_until=iso(done.incarnation.taken_at_ms),
        jobs=found.jobs,
        unended_jobs=found.unended_jobs,
        workers=found.workers,
        next_job=done.incarnation.next.jobs,
        next_plan=done.incarnation.next.plans,
    )
    say.done(
        f"The store {done.store} was restored from {file}. It remembers nothing that happened after {view.remembers_until}; new jobs are numbered "
        f"from {view.next_job:,} on.",
        view,
        str(done.store),
    )
    if done.kept is not None:
        say.say(f"The previous store is kept as {done.kept}.")
    if not (folder / SECRET).exists():
        say.say(
            f"{folder / SECRET} is missing: copy it here before the server starts, or workers that were created after the backup "
            "cannot be adopted."
        )
    if not (folder / KEY_FILE).exists():
        say.say(
            f"{folder / KEY_FILE} is missing: without it, secrets cannot be used until they are set again."
        )
    say.say("Start the server, then run: herder admin sweep")


def mark_restored(
    ctx: typer.Context, data_dir: DataDir = None, store: Store = None, yes: Yes = False
) -> None:
    """Mark a store that was restored without `herder admin restore`.

    Run it once, before the server starts: after pg_restore, after copying an old file of the store, or after going back to a snapshot of a
    disk. New jobs, batches, plans and events then get numbers above any that can have been used since, and machines that were created since
    are kept until you decide about them with `herder admin sweep`.
    """
    from herder.server.data.store_mark import read_mark, renew_mark
    from herder.store.backup.restoring import mark_put_back
    from herder.store.opening.database import FileLock, migrate, open_engine, sqlite_file, sqlite_url
    from herder.store.opening.lease import check_no_leader
    from herder.store.rows.incarnation import installation_in, seen_in

    say, folder = session(ctx), data_dir or state_dir()
    url = store or sqlite_url(existing_file(folder).parent)
    what = "The store is marked as restored, and its numbers skip ahead."
    say.confirm(what, yes=yes, has_dry_run=False)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _errors(), FileLock(folder):
        engine = open_engine(url)
        try:
            with sqlite_file(engine):
                migrate(engine)
                if engine.dialect.name == "postgresql":
                    check_no_leader(engine)
                with engine.connect() as connection:
                    mine = installation_in(connection)
                mark = read_mark(folder)
                seen = [mark] if mark and (store is None or mark.installation == mine) else []
                after = mark_put_back(engine, now_ms(), "The store was restored", salt=new_salt(), seen=seen)
                with engine.connect() as connection:
                    renew_mark(folder, seen_in(connection), now_ms(), lies_here=store is None)
        finally:
            engine.dispose()
    text = f"The store is marked as restored. It remembers nothing that happened after {iso(after.taken_at_ms)}; new jobs are numbered from {after.next.jobs:,} on."
    say.done(text, {"remembers_until": iso(after.taken_at_ms), "next_job": after.next.jobs}, "store")


def _named_file(file: Path) -> None:
    """Raises CommandError."""
    if str(file) == "-":
        raise CommandError(
            "A backup is a file: it cannot be read from stdin or written to stdout.",
            hint="Name a file, and copy it from there.",
            code=Code.USAGE,
        )


def _lock(stack: ExitStack, folder: Path) -> None:
    """Raises StoreError."""
    from herder.store.opening.database import FileLock

    stack.enter_context(FileLock(folder))


def _sqlite_store(folder: Path, store: str | None, *, must_exist: bool) -> Path:
    """Raises CommandError and StoreError."""
    from herder.store.opening.database import STORE_FILE, open_engine
    from herder.store.opening.database_errors import sqlite_path

    if store is None:
        return existing_file(folder) if must_exist else folder / STORE_FILE
    engine = open_engine(store)
    path = sqlite_path(engine.url.database) if engine.dialect.name == "sqlite" else None
    engine.dispose()
    if path is None:
        raise CommandError(
            "The store is a PostgreSQL database, which has its own tools for backups.",
            hint=_POSTGRES_BACKUP,
            code=Code.USAGE,
        )
    if must_exist and not path.exists():
        raise CommandError(f"There is no store {path}.", code=Code.NOT_FOUND)
    return path


def existing_file(folder: Path) -> Path:
    from herder.store.opening.database import STORE_FILE

    path = folder / STORE_FILE
    if not path.exists():
        raise CommandError(
            f"There is no store in {folder}.",
            hint="Name a store with --data-dir or --store.",
            code=Code.NOT_FOUND,
        )
    return path


@contextmanager
def _errors() -> Iterator[None]:
    """A store that cannot be used, as an error of the command: in the way of what was asked for, so a conflict."""
    from sqlalchemy.exc import DBAPIError

    from herder.store.backup.taking import NoSuchFile
    from herder.store.opening.database import StoreError

    try:
        yield
    except NoSuchFile as error:
        raise CommandError(str(error), hint=error.hint, code=Code.NOT_FOUND) from None
    except StoreError as error:
        raise CommandError(str(error), hint=error.hint, code=Code.CONFLICT) from None
    except DBAPIError as error:
        raise CommandError(f"The store cannot be used: {clause(error.orig)}.") from None


@contextmanager
def _telling(say: Session, what: str) -> Iterator[Callable[[int, int], None]]:
    """Progress in percent: the size is known when it begins."""
    with progress(say, f"{what}, percent", 100) as advance:
        yield lambda done, total: advance(100 if total <= 0 else done * 100 // total)
