"""Writes a message as a file into a folder, from which a person or another program takes it. Whole or not at all."""

import os
import tempfile
from functools import partial
from pathlib import Path

from herder.notify.files import FileError, on_file
from herder.ports.calls import Calls


async def write_handoff(calls: Calls, folder: str, name: str, text: str) -> str:
    """Empty: it is written; a file of that name is replaced. Otherwise why not, as a sentence. The folder is not created."""
    try:
        await on_file(calls, f"folder {folder}", partial(_write, Path(folder), name, text))
    except FileError as error:
        return str(error)
    except OSError as error:
        return f"The file cannot be written into {folder}: {error.strerror or type(error).__name__}."
    return ""


def _write(folder: Path, name: str, text: str) -> None:
    handle, path = tempfile.mkstemp(dir=folder, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(path).chmod(0o644)
        Path(path).rename(folder / name)
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise
