"""Every list of a real server on a real pseudo-terminal of 80 and of 200 columns, and the same lists as CSV and JSON."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import re
import struct
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import pytest

from herder.app import whole_app
from herder.cli.main import run
from herder.cli.output.fitting import width_of
from tests.api.conftest import POOLS, Server
from tests.simulate.small import EXCERPTS

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LONG = "a-rather-long-name-of-a-piece-of-work-that-somebody-gave-to-a-job"
LISTS = [
    "pool list",
    "worker list --ended",
    "batch list",
    "job list",
    "events",
    "plan list",
    "user list",
    "token list",
    "project list",
    "driver list",
    "status",
    "plan",
    "why pool std",
    "why job 1",
    "job get 2",
    "pool get std",
    "config view --origin",
]


class Shell:
    """The command with a server that has had real work, on a terminal or in a pipe."""

    alive: Callable[[], object]
    talk: str

    def __init__(self, server: Server, folder: Path) -> None:
        self.environment = {
            "HERDER_URL": server.running.url,
            "HERDER_TOKEN": server.running.token,
            "HERDER_DATA_DIR": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "TERM": "xterm-256color",
        }

    def on_terminal(self, words: str, columns: int) -> list[str]:
        """What it writes on a terminal, without colours."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        said: list[bytes] = []
        reader = threading.Thread(target=lambda: said.extend(iter(lambda: _piece(ours), b"")))
        reader.start()
        with os.fdopen(theirs, "w", encoding="utf-8") as terminal, pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "__stdout__", terminal)
            self._run(words, terminal)
        reader.join(10)
        os.close(ours)
        return _COLOUR.sub("", b"".join(said).decode()).replace("\r\n", "\n").splitlines()

    def piped(self, words: str) -> str:
        out = io.StringIO()
        self._run(words, out)
        return out.getvalue()

    def _run(self, words: str, out: TextIO) -> None:
        talk = io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith(("HERDER_", "XDG_"))]:
                patch.delenv(name)
            for name in ("COLUMNS", "LINES", "NO_COLOR"):
                patch.delenv(name, raising=False)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", talk)
            assert run(whole_app(), words.split()) == 0, talk.getvalue()
        self.talk = talk.getvalue()


def _piece(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("terminal")
    server = Server(folder / "data").start()
    server.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    for name in ("ann", "a-user-with-a-rather-long-name"):
        server.person(name)
    worker = server.worker()
    command = ["sh", "-c", "echo one two three && exit 3"]
    jobs = [
        {"command": command, "key": LONG},
        {"command": command, "key": "日本語"},
        {"command": ["a"], "key": "c"},
    ]
    server.http.post(
        "/batches", json={"name": f"batch of {LONG}", "jobs": jobs, "commit": True}
    ).raise_for_status()
    for each in worker.take(3):
        message = f"it ended with exit code 3 after {LONG} had written {LONG}" if each.job < 3 else ""
        worker.end(
            each.job,
            state="failed" if message else "succeeded",
            exit_code=3 if message else 0,
            cause="exit_code" if message else "",
            message=message,
        )
    server.http.post("/jobs", json={"command": ["b"], "pool": "big", "cpu": 8}).raise_for_status()
    server.http.post(
        "/pools/big/freeze", json={"message": f"somebody looks at it {LONG} " * 3}
    ).raise_for_status()
    made = Shell(server, folder)
    made.alive = worker.exchange
    yield made
    worker.close()
    server.stop()


@pytest.fixture(autouse=True)
def _alive(shell: Shell) -> None:
    """The worker signs on, so that its state stays what it is."""
    shell.alive()


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize(
    "words", [*LISTS, *(f"{words} -o wide" for words in LISTS if " list" in words or words == "events")]
)
def test_no_row_is_wider_than_the_terminal(shell: Shell, words: str, columns: int) -> None:
    lines = shell.on_terminal(words, columns)
    print("\n".join(["$ " + words, *lines]))  # seen with -s
    assert len(lines) > 1
    assert {line: width_of(line) for line in lines if width_of(line) > columns} == {}


@pytest.mark.parametrize(
    "words", [words for words in LISTS if words.endswith(" list") or words == "worker list --ended"]
)
def test_a_thing_is_one_row_and_words_stay_whole(shell: Shell, words: str) -> None:
    items = json.loads(shell.piped(f"{words} -o json"))["items"]
    lines = shell.on_terminal(words, 80)
    assert len(lines) == 1 + len(items)
    header = lines[0].split("   ")
    assert all(name.strip() == name.strip().upper() for name in header)


def test_a_message_of_an_event_goes_on_below_itself(shell: Shell) -> None:
    lines = shell.on_terminal("events --limit 200", 80)
    place = lines[0].index("TEXT")
    texts: list[str] = []
    for line in lines[1:]:
        if line[:place].strip():
            texts.append(line[place:])
        else:
            texts[-1] += " " + line[place:]
    items = json.loads(shell.piped("events --limit 200 -o json"))["items"]
    told = [" ".join(item["text"].split()) for item in items]
    assert [text.replace(" ", "") for text in texts] == [text.replace(" ", "") for text in told], (
        "nothing is cut"
    )
    assert any(len(text) > 80 for text in told), "one is longer than a line"


def test_rows_in_a_pipe_are_not_padded(shell: Shell) -> None:
    for words in ("plan list", "events", "job list -o wide"):
        assert all(line == line.rstrip() for line in shell.piped(words).splitlines())
    *_, header = (line for line in shell.piped("plan list").splitlines() if "NUMBER" in line)
    assert len(header) < 60


# --- csv and json -------------------------------------------------------------------------------------------------------

TABLES = [words for words in LISTS if not words.startswith(("status", "job get", "pool get", "config"))]


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize("words", [words for words in TABLES if " list" in words or words == "events"])
def test_csv_says_what_json_says_under_the_same_names(shell: Shell, words: str) -> None:
    rows, items = _rows(shell.piped(f"{words} -o csv")), json.loads(shell.piped(f"{words} -o json"))["items"]
    assert len(rows) == len(items) > 0
    for row, item in zip(rows, items, strict=True):
        for name, cell in row.items():
            _same(name, cell, item[name])


#: What has changed by the time of the second look.
MOVING = {"cost_usd", "last_used_at", "last_seen_at"}


def _same(name: str, cell: str, value: Any) -> None:
    if name in MOVING:
        return
    if value is None:
        assert cell == ""
    elif isinstance(value, bool):
        assert cell == str(value).lower()
    elif isinstance(value, int | float):
        assert float(cell) == value
    elif isinstance(value, dict | list):
        assert json.loads(cell) == value
    else:
        assert cell.removeprefix("'") == value


def test_times_and_durations_of_csv_are_what_their_names_say(shell: Shell) -> None:
    rows = _rows(shell.piped("job list -o csv"))
    items = {str(item["id"]): item for item in json.loads(shell.piped("job list -o json"))["items"]}
    ended = [row for row in rows if items[row["id"]]["ended_at"]]
    assert len(ended) == 3
    for row in ended:
        item = items[row["id"]]
        taken = datetime.fromisoformat(item["ended_at"]) - datetime.fromisoformat(item["started_at"])
        assert float(row["took_s"]) == pytest.approx(max(0.0, taken.total_seconds()), abs=0.002)
        assert datetime.fromisoformat(row["created_at"]).tzinfo is not None
    assert [row["took_s"] for row in rows if row not in ended] == [""]
    assert "age" not in rows[0]


@pytest.mark.parametrize("words", ["why pool std", "why job 1", "job explain 1", "plan", "plan get 1"])
def test_explanations_and_plans_are_tables_in_csv(shell: Shell, words: str) -> None:
    rows = _rows(shell.piped(f"{words} -o csv"))
    names = ["kind", "text", "evidence"] if "plan" not in words else ["action", "worker", "pool"]
    assert all(list(row)[: len(names)] == names and None not in row for row in rows)


def test_a_write_is_a_row_in_csv(shell: Shell) -> None:
    (row,) = _rows(shell.piped("pool freeze std -o csv"))
    assert (row["object"], row["dry_run"]) == ("pool/std", "false")
    shell.piped("pool unfreeze std")


@pytest.mark.parametrize(
    ("words", "limit", "said"),
    [
        ("job list", 3, True),
        ("job list", 4, False),
        ("worker list --ended", 50, False),
        ("batch list", 1, False),
        ("events", 2, True),
        ("events --after 0", 2, True),
        ("events", 500, False),
        ("plan list", 50, False),
    ],
)
def test_there_is_more_only_when_there_is(shell: Shell, words: str, limit: int, said: bool) -> None:
    shell.piped(f"{words} --limit {limit}")
    assert ("--limit shows more" in shell.talk) is said


@pytest.mark.parametrize("columns", [80, 200])
def test_the_table_of_policies_fits(shell: Shell, columns: int) -> None:
    words = f"simulate compare --trace {EXCERPTS / 'surf.csv.gz'} --limit 30 --policy first_fit --policy fixed(200)"
    lines = shell.on_terminal(words, columns)
    assert all(width_of(line) <= columns for line in lines)
    assert not any("…" in line for line in lines), "no number is cut"
