"""A small file system that tests fill, free and make read only. Only root can mount one; without root such tests are skipped."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Path]:
    """A file system of its own. Only root may make one."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", folder], check=False)
    if made.returncode:
        pytest.skip("this machine does not let root mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path, leave_bytes: int = 0) -> Path:
    """A file that takes all that is left."""
    path = folder / "filling"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                found = os.statvfs(folder)
                left = found.f_bavail * found.f_frsize - leave_bytes
                if left <= 0:
                    return path
                file.write(b"x" * min(2**20, left))
        except OSError:
            return path


def read_only(folder: Path) -> None:
    """From now on nothing can be written there."""
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
