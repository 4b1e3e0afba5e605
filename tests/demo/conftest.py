"""The real command as a process of its own, on a small tree of real and broken Python."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

FILES = {
    "alpha/__init__.py": "",
    "alpha/one.py": "def one() -> int:\n    return 1\n",
    "beta/two.py": "# -*- coding: latin-1 -*-\nname = '\xe9'\n",
    "beta/broken.py": "print 'this is no Python 3'\n",
    "gamma/three.py": "text = f\"{'a'!r:>{10}} {{no}}\" 'x' \\\n  'it\\'s'\n",
    "gamma/data.txt": "not counted",
    "single.py": "x = 0x1F + 1_000.5e-3j  # no newline at the end",
} | {f"more{number}/it.py": "import os\n" * 200 for number in range(16)}
"""Enough packages that the permanent workers cannot take all at once: then burst workers come."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin-1" if "latin-1" in text else "utf-8"))
    return root


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`herder demo …`, whose temporary folders are made in `tmp_path/tmp`. Nothing of it outlives the test."""
    (tmp_path / "tmp").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HERDER_")}
    environment |= {"TMPDIR": str(tmp_path / "tmp"), "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
    started: list[subprocess.Popen[str]] = []

    def run(*words: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "herder.app", "demo", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=40)
    for process in left_in(tmp_path):
        process.kill()


def left_in(folder: Path) -> list[psutil.Process]:
    """Processes that name this folder in their command line or their environment, the demo's own aside."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *(f"{key}={value}" for key, value in process.environ().items())]
            alive = process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or not ours to look at
        marks = (str(folder / "tmp" / "herder-demo"), str(folder / "data"))
        if alive and any(mark in word for mark in marks for word in words):
            found.append(process)
    return found
