"""What others wrote (names, commands, messages) cannot move a terminal's cursor, ring its bell, or run in a spreadsheet."""

import csv
import io
import json
from typing import Any

import msgspec
import pytest

from herder.cli.output.humanize import visible
from tests.cli.conftest import Herder
from tests.support.fake_api import FakeApi
from tests.support.wire_samples import batch, job, pool

#: Clears the screen, sets a title, rings; C1 and DEL; writing from right to left.
EVIL = "a\x1b[2J\x1b]0;x\x07\x9b31m\x7f\u202eb"
RAW = ("\x1b", "\x07", "\x9b", "\x7f", "\u202e")


@pytest.fixture
def evil(api: FakeApi) -> FakeApi:
    api.jobs = {17: job(17, key=EVIL, message=EVIL, payload={"command": ["echo", EVIL]}, result={"a": EVIL})}
    api.batches = {3: batch(3, name=EVIL, attributes={EVIL: EVIL})}
    api.pools = {"burst": pool("burst", settings={"labels": {EVIL: EVIL}, "driver": EVIL})}
    return api


@pytest.mark.parametrize(
    "words",
    [
        ["job", "get", "17"],
        ["job", "list"],
        ["batch", "get", "3"],
        ["batch", "list"],
        ["pool", "get", "burst"],
        ["token", "list"],
        ["pool", "get", EVIL],
    ],
    ids=lambda words: " ".join(words[:2]),
)
@pytest.mark.parametrize("form", ["table", "wide", "csv", "json", "yaml", "name"])
def test_nothing_raw_reaches_the_terminal(herder: Herder, evil: FakeApi, words: list[str], form: str) -> None:
    found = herder(*words, "-o", form)
    for char in RAW:
        assert char not in found.out
        assert char not in found.err


def test_json_still_says_what_was_written(herder: Herder, evil: FakeApi) -> None:
    assert json.loads(herder("job", "get", "17", "-o", "json").out)["key"] == EVIL


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0"])
def test_a_cell_that_a_spreadsheet_would_run_is_quoted(herder: Herder, api: FakeApi, text: str) -> None:
    api.jobs = {17: msgspec.structs.replace(api.jobs[17], key=text, exit_code=-15)}
    rows = list(csv.DictReader(io.StringIO(herder("job", "list", "-o", "csv").out, newline="")))
    assert rows[0]["key"] == f"'{text}"
    assert rows[0]["exit_code"] == "-15", "a number stays one"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 漢字 🐑", "plain ü 漢字 🐑"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\x1bb", "a\\x1bb"),
        ("\u200b", "\\u200b"),
    ],
)
def test_what_is_harmless_is_shown_as_it_is(text: str, shown: Any) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "words",
    [
        ["job", "submit", "--", "echo", "\udcff"],
        ["job", "submit", "--pool", "\udcff", "--", "true"],
        ["job", "list", "--name", "\udcff"],
        ["events", "--object", "\udcff"],
        ["pool", "get", "\udcff"],
        ["pool", "freeze", "burst", "-m", "\udcff"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_bytes_that_are_no_text_are_refused(herder: Herder, api: FakeApi, words: list[str]) -> None:
    found = herder(*words)
    assert found.code == 2
    assert "The argument '\\xff' contains bytes that are not UTF-8." in found.err
