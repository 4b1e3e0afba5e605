"""The command line against the fake server: in this process (`herder`) or as a process of its own (`spawn`)."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from herder.cli.shell.main import build_app, run
from tests.support.fake_api import TOKEN, FakeApi

#: Whoever runs the tests in the background may have had them ignore SIGINT, and children inherit that.
PROGRAM = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from herder.cli.shell.main import build_app, run; sys.exit(run(build_app()))"


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str


Herder = Callable[..., Result]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        yield fake


@pytest.fixture
def environment(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Only the fake server is known, and nothing of the machine's own settings."""
    for name in [name for name in os.environ if name.startswith(("HERDER_", "NO_COLOR", "XDG_"))]:
        monkeypatch.delenv(name)
    mine = {
        "HERDER_URL": api.url,
        "HERDER_TOKEN": TOKEN,
        "HERDER_DATA_DIR": str(tmp_path / "state"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    for name, value in mine.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return mine


@pytest.fixture
def herder(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Herder:
    def call(*words: str) -> Result:
        code = run(build_app(), words)
        captured = capsys.readouterr()
        return Result(int(code), captured.out, captured.err)

    return call


@pytest.fixture
def spawn(environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command as a process; what is left of it is stopped at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str, **more: object) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            text=True,
            env=os.environ | environment,
            **pipes,
        )  # type: ignore[call-overload]
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(10)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
