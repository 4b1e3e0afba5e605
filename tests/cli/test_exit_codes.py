"""The table of exit codes, errors for people and for programs, confirmation, Ctrl-C, pipes, completion."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from herder.cli.output.formats import Format
from herder.cli.output.watch import watch, watch_whole
from herder.cli.shell.session import Session
from herder.cli.views.status import same_as, show_status
from herder.cli.views.tables import WORKERS
from tests.cli.conftest import PROGRAM, Herder
from tests.support.fake_api import FakeApi
from tests.support.wire_samples import batch, job, worker

Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["pool", "list"], 0),
        (["job", "wait", "18"], 1),
        (["pool", "lst"], 2),
        (["pool", "list", "--colour"], 2),
        (["pool", "scale", "burst", "many"], 2),
        (["pool", "scale", "burst", "1", "--template", "huge"], 2),
        (["job", "submit", "--cpu", "much", "--", "x"], 2),
        (["job", "submit", "--env", "A", "--", "x"], 2),
        (["job", "wait", "17", "--timeout", "soon"], 2),
        (["pool", "delete", "burst"], 2),
        (["pool", "get", "bursty"], 3),
        (["job", "get", "999"], 3),
        (["pool", "scale", "burst", "9"], 4),
        (["--server", "http://127.0.0.1:9", "config", "view"], 0),
        (["batch", "wait", "3", "--timeout", "0"], 7),
        (["batch", "wait", "4"], 8),
        (["plan", "--exit-code"], 9),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_exit_codes(api: FakeApi, herder: Herder, words: list[str], code: int) -> None:
    api.jobs[18] = job(18, state="failed")
    api.batches[4] = batch(4, state="failed", counts={"succeeded": 1, "failed": 2})
    assert herder(*words).code == code


def test_not_allowed_is_5(api: FakeApi, herder: Herder, monkeypatch: pytest.MonkeyPatch) -> None:
    api.role_needed = "operator"
    assert herder("pool", "freeze", "burst").code == 5
    monkeypatch.setenv("HERDER_TOKEN", "wrong")
    found = herder("status")
    assert found.code == 5
    assert "HERDER_TOKEN_FILE" in found.err


def test_unreachable_is_6(herder: Herder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("herder.client.http.clock.sleep_s", lambda seconds: None)
    found = herder("--server", "http://127.0.0.1:9", "status")
    assert found.code == 6
    assert found.err.splitlines()[1].startswith(
        "Check that it is running; `herder up` starts a server on this machine"
    )
    monkeypatch.delenv("HERDER_URL")
    assert herder("status").code == 6


def test_errors_are_one_line_what_and_one_line_what_to_do(herder: Herder) -> None:
    found = herder("pool", "get", "bursty")
    assert found.err.splitlines() == ["error: There is no pool 'bursty'.", "Did you mean 'burst'?"]
    found = herder("pool", "lst")
    assert found.err.splitlines() == [
        "error: No such command 'lst'. Did you mean 'list'?",
        "`herder pool --help` shows how it is used.",
    ]


def test_errors_as_json(herder: Herder) -> None:
    row = json.loads(herder("pool", "scale", "burst", "9", "-o", "json").err)
    assert row == {
        "error": {"code": "conflict", "message": "pool burst is at its maximum", "hint": "Raise max_workers."}
    }
    assert json.loads(herder("pool", "lst", "-o", "json").err)["error"]["code"] == "usage"


def test_debug_shows_the_trace(herder: Herder) -> None:
    assert "Traceback" not in herder("pool", "get", "bursty").err
    assert "Traceback" in herder("pool", "get", "bursty", "--debug").err


@pytest.mark.parametrize(
    "words",
    [
        ["pool", "delete", "burst"],
        ["worker", "remove", "burst-7-1"],
        ["job", "cancel", "17"],
        ["batch", "cancel", "3"],
    ],
)
def test_destruction_needs_yes_without_a_terminal(api: FakeApi, herder: Herder, words: list[str]) -> None:
    api.jobs = {17: job(17, state="running")}
    found = herder(*words)
    assert found.code == 2
    assert "--yes" in found.err
    assert all(method == "GET" or query.get("dry_run") == "true" for method, _, query, _ in api.calls)
    assert herder(*words, "--dry-run").code == 0
    assert all(method == "GET" or query.get("dry_run") == "true" for method, _, query, _ in api.calls)


@pytest.mark.parametrize(("answer", "code", "left"), [("n\n", 1, True), ("y\n", 0, False)])
def test_on_a_terminal_the_effect_is_shown_and_asked_for(
    api: FakeApi, environment: dict[str, str], answer: str, code: int, left: bool
) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "pool", "delete", "burst"],
        stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | environment,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    while b"[y/N]" not in seen:
        seen += os.read(ours, 4096)
    assert b"drains 2 workers of burst" in seen
    os.write(ours, answer.encode())
    assert process.wait(20) == code
    os.close(ours)
    assert ("burst" in api.pools) is left


def test_ctrl_c_detaches_from_a_wait_and_says_how_to_come_back(api: FakeApi, spawn: Spawn) -> None:
    process = spawn("batch", "wait", "3")
    _until(lambda: any(path.endswith("/wait") for _, path, _, _ in api.calls))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines() == [
        "error: Stopped waiting; batch 3 continues.",
        "Continue with `herder batch wait 3`.",
    ]


def test_ctrl_c_ends_a_watch(api: FakeApi, spawn: Spawn) -> None:
    process = spawn("worker", "list", "--watch", "-o", "json")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["name"] == "burst-7-1"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130


def test_a_reader_that_goes_away_is_no_error(api: FakeApi, spawn: Spawn) -> None:
    api.workers = {f"w-{n}": worker(f"w-{n}", why_made="x" * 200) for n in range(2000)}
    process = spawn("worker", "list", "-o", "wide")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=20)
    assert err == ""


def test_watch_prints_changes_only(api: FakeApi, herder: Herder, capsys: pytest.CaptureFixture[str]) -> None:
    rounds = iter([[worker("a"), worker("b")], [worker("a"), worker("b", state="draining")], [worker("a")]])
    watch(Session(), WORKERS, lambda: next(rounds), rounds=3)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "a", "b", "b", "b"]
    assert "draining" in lines[3]
    assert lines[4] == "b   no longer listed"


def test_events_follow_as_json_is_one_object_a_line(herder: Herder) -> None:
    lines = herder("events", "--follow", "--limit", "3", "-o", "json").out.splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == [1, 2, 3]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("herder pool get b", ["burst"]),
        ("herder worker drain ", ["burst-7-1", "burst-7-2"]),
        ("herder batch wait ", ["3"]),
        ("herder worker list --pool ", ["burst", "permanent"]),
        ("herder wor", ["worker"]),
    ],
)
def test_completion_knows_names(environment: dict[str, str], line: str, expected: list[str]) -> None:
    assert _complete(environment, line) == expected


def test_completion_is_silent_when_nobody_answers(environment: dict[str, str]) -> None:
    began = time.monotonic()
    assert _complete({**environment, "HERDER_URL": "http://127.0.0.1:9"}, "herder pool get ") == []
    assert _complete({**environment, "HERDER_URL": "nonsense"}, "herder pool get ") == []
    assert time.monotonic() - began < 10


def _complete(environment: dict[str, str], line: str) -> list[str]:
    words = line.split(" ")
    asked = {"_HERDER_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=os.environ | environment | asked, capture_output=True, text=True,
        timeout=20, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not true():
        assert time.monotonic() < deadline, "it did not happen within 15 s"
        time.sleep(0.02)


def test_a_watched_status_is_the_status(
    api: FakeApi,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The whole of it, again when it says something else: not when only the time has gone on."""
    monkeypatch.setattr("herder.client.http.clock.sleep_s", lambda seconds: None)
    looks = 0
    usual = api._status

    def status() -> object:
        nonlocal looks
        looks += 1
        found = usual()
        found.now, found.spend_usd = f"2026-01-01T00:00:0{looks}Z", str(looks)
        if looks >= 3:
            found.recent_failures = ["another"]
        return found

    monkeypatch.setattr(api, "_status", status)
    for form, parts in ((Format.TABLE, 2), (Format.JSON, 2)):
        looks = 0
        say = Session(output=form)
        watch_whole(say, say.client.status, show_status, same_as, rounds=4)
        say.close()
        out = capsys.readouterr().out
        if form is Format.TABLE:
            assert out.count("\nCost\n") == parts, out
            assert out.index("no capacity") < out.index("another")
            assert "$1.0000" in out
        else:
            assert [json.loads(line)["recent_failures"][0][-7:] for line in out.splitlines()][1:] == [
                "another"
            ]
