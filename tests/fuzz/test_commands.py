"""Arguments of every command: whatever is written behind `herder`, whatever its streams are, it ends with a known exit code and,
if need be, a sentence. In process against a server on loopback that speaks the API; some as a process of their own.
"""

import errno
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from herder.app import whole_app
from herder.cli.shell.exit_codes import Code
from herder.cli.shell.main import run
from herder.client.http import clock
from tests.fuzz.cases import Hang, cases, no_longer, words
from tests.fuzz.test_files import CSV, ITEMS, JOBS_JSON, JOBS_YAML, SETTINGS, TEMPLATES
from tests.support.fake_api import TOKEN, FakeApi, _problem

HERDER = str(Path(sys.executable).with_name("herder"))
#: These run until they are stopped; they are tried as processes.
RUN_FOR_LONG = frozenset({"up", "server", "agent", "demo", "chaos"})
#: A command that waits is interrupted, as people do, after so many pauses.
PAUSES = 3
FILES = {
    "herder.yaml": SETTINGS,
    "jobs.yaml": JOBS_YAML,
    "jobs.json": JOBS_JSON,
    "items.csv": ITEMS,
    "templates.yaml": TEMPLATES,
    "trace.csv": CSV,
    "deep.json": b"[" * 5000,
    "deep.jsonl": b'{"a":' * 5000,
    "empty": b"",
    "binary": bytes(range(256)),
    "é 日本.yaml": SETTINGS,
}
PATHS = (*FILES, "-", "nowhere", ".", "/dev/null", "/dev/full", "\x7f")
CODES = frozenset(int(code) for code in Code) - {int(Code.FAULT)}


def _walk(command: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, inner in getattr(command, "commands", {}).items():
        yield from _walk(inner, (*names, name))
    if names and not RUN_FOR_LONG.intersection(names):
        yield names, command


APP = whole_app()
WHOLE = get_command(APP)
COMMANDS = sorted(_walk(WHOLE), key=lambda each: each[0])


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


class Gone(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def _narrow() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii")


OUTPUTS = (io.StringIO, io.StringIO, io.StringIO, _narrow, Full, Gone, lambda: None)


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    names, command = draw(st.sampled_from(COMMANDS))
    argv = list(names)
    params = list(command.params)
    chosen = draw(st.lists(st.sampled_from(params), max_size=5)) if params else []
    chosen += [each for each in params if each.param_type_name == "argument" and draw(st.integers(0, 4))]
    values = st.one_of(words, st.sampled_from(PATHS))
    for param in chosen:
        if param.param_type_name == "argument":
            argv.append(draw(st.one_of(st.sampled_from(["burst", "burst-7-1", "17", "3", "9"]), values)))
            continue
        argv.append(draw(st.sampled_from(param.opts)))
        if not param.is_flag:
            argv.append(draw(values))
    if draw(st.integers(0, 9)) == 0:
        argv.insert(draw(st.integers(0, len(argv))), draw(values))
    return argv


class OddApi(FakeApi):
    """What it has no answer for it refuses."""

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        try:
            return super().answer(method, path, query, body)
        except (LookupError, ValueError, TypeError, AttributeError):
            return _problem(422, "it is not understood")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("commands")
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    with OddApi() as api:
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith(("HERDER_", "XDG_"))},
            "HERDER_URL": api.url,
            "HERDER_TOKEN": TOKEN,
            "HERDER_DATA_DIR": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "FOLDER": str(folder),
        }


@pytest.fixture
def alone(world: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("HERDER_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name, value in world.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(world["FOLDER"])


def outcome(argv: list[str], out: Any, stdin: bytes) -> tuple[int, str]:
    """Exit code, and what stood on stderr."""
    pauses = 0

    def pause(seconds: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses > PAUSES:
            raise KeyboardInterrupt

    before = sys.stdin, sys.stdout, sys.stderr
    err = io.StringIO()
    sys.stdin, sys.stdout, sys.stderr = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"), out, err
    try:
        with pytest.MonkeyPatch.context() as patch, no_longer():
            patch.setattr(clock, "sleep_s", pause)
            patch.setattr("herder.cli.shell.main.get_command", lambda app: WHOLE)  # made anew it takes 40 ms
            return run(APP, argv), err.getvalue()
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


@cases(250)
@given(
    argv=lines(),
    out=st.sampled_from(OUTPUTS),
    stdin=st.one_of(st.sampled_from([b"", b"y\n", JOBS_JSON, SETTINGS, b"[" * 5000]), st.binary(max_size=20)),
)
def test_every_command(alone: None, argv: list[str], out: Any, stdin: bytes) -> None:
    code, err = outcome(argv, out(), stdin)
    assert code in CODES, (argv, err)
    assert "Traceback" not in err or "--debug" in argv
    if code not in (Code.OK, Code.INTERRUPTED, Code.CHANGES_PENDING, Code.TIMED_OUT, Code.FAILURE):
        assert err.strip(), (argv, code)


def test_a_hang_is_found(alone: None) -> None:
    """The bound itself works."""
    with no_longer(0.05), pytest.raises(Hang):
        signal.pause()


#: (words, what the shell does with the streams)
PROCESSES = (
    ("pool list -o json", ">&-"),
    ("pool list -o json", ">/dev/full"),
    ("pool list -o yaml", ">/dev/full"),
    ("status", ">/dev/full 2>/dev/full"),
    ("pool list", "2>&- >&- <&-"),
    ("--help", ">&-"),
    ("pool list -o json", "| true"),
    ("batch submit -", "<&-"),
    ("batch submit deep.json", ""),
    ("config lint -f deep.json", ""),
    ("up --host nowhere.invalid --insecure", ""),
    ("up --data-dir /dev/null/x", ""),
    ("up --store nonsense", ""),
    ("up --tls-cert items.csv --tls-key items.csv --host 127.0.0.1", ""),
    ("server -c binary", ""),
    ("agent --server :// --worker w --token-file nowhere", ""),
)


@pytest.mark.parametrize(("line", "streams"), PROCESSES)
def test_as_a_process(world: dict[str, str], line: str, streams: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{HERDER} {line} {streams}"],
        env={**world, "PYTHONIOENCODING": "ascii"},
        cwd=world["FOLDER"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in CODES, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
