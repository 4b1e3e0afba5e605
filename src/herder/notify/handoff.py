"""Writes a message as a file into a folder, from which a person or another program takes it. Whole or not at all."""

import asyncio
import os
import tempfile
from pathlib import Path

#: A folder on another machine may hang.
TIMEOUT_S = 10.0


async def write_handoff(folder: str, name: str, text: str) -> str:
    """Empty: it is written; a file of that name is replaced. Otherwise why not, as a sentence. The folder is not created."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.to_thread(_write, Path(folder), name, text)
    except TimeoutError:
        return f"The folder {folder} did not answer within {TIMEOUT_S:g} s."
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
