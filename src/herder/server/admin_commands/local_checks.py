"""What `herder doctor` looks at on the machine of the data folder: the store and its schema, the disk, and who may read the secrets. Changes nothing."""

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from herder.cli.shell.exit_codes import CommandError
from herder.cli.views.doctor import Finding
from herder.client.connection import state_dir
from herder.secrets.key_file import KEY_FILE
from herder.server.admin_commands.store import stored
from herder.server.data.place import SECRET

#: Free space of the data folder, below which writes may soon fail, and below which a person should look.
FREE_LEAST, FREE_LOW = 512 * 1024**2, 5 * 1024**3
_SECRETS = (SECRET, KEY_FILE, "admin.token")


def local_checks(data_dir: Path | None, store: str | None) -> Iterator[Finding]:
    """Nothing of a machine that has neither a data folder nor a store, such as that of a user."""
    from herder.store.opening.database import STORE_FILE

    folder = data_dir or state_dir()
    if store is not None or (folder / STORE_FILE).exists():
        yield _store(data_dir, store)
    elif data_dir is not None:
        yield Finding(
            check="store",
            state="error",
            detail=f"There is no store in {folder}.",
            remedy="Name the data folder of the server with --data-dir, or its database with --store.",
        )
    if folder.is_dir():
        yield _disk(folder)
        yield from _permissions(folder)


def _store(data_dir: Path | None, store: str | None) -> Finding:
    from herder.store.opening.database import schema_behind

    try:
        with stored(data_dir, store) as connection:
            behind = schema_behind(connection)
    except CommandError as error:
        return Finding(check="store", state="error", detail=error.message, remedy=error.hint)
    if not behind:
        return Finding(check="store", state="ok", detail="The store has the schema of this version.")
    return Finding(
        check="store",
        state="warning",
        detail=f"The store has schema {behind} of an earlier version. The next start of a server migrates it.",
        remedy="Take a backup first: `herder admin backup FILE`.",
    )


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    text = f"{free / 1024**3:,.1f} GiB are free for {folder}."
    if free >= FREE_LOW:
        return Finding(check="disk", state="ok", detail=text)
    return Finding(
        check="disk",
        state="error" if free < FREE_LEAST else "warning",
        detail=text,
        remedy="Free space, or shorten `retention` in herder.yaml.",
    )


def _permissions(folder: Path) -> Iterator[Finding]:
    for name in _SECRETS:
        path = folder / name
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Finding(
                check=name, state="unknown", detail=f"{path} cannot be looked at: {error.strerror}."
            )
            continue
        if mode & 0o077:
            yield Finding(
                check=name,
                state="error",
                detail=f"Others than its owner may use {path} (mode {mode:04o}).",
                remedy=f"Run `chmod 600 {path}`. If others have read it, make a new one.",
            )
        else:
            yield Finding(check=name, state="ok", detail=f"Only its owner may use {path}.")
