"""Sentences of the command line: facts without Python in them, lines that fit the terminal, and errors that name what is known."""

import io
from pathlib import Path

import pytest

from herder.cli.output.errors import show_error
from herder.cli.output.fitting import sentences
from herder.cli.output.formats import Format
from herder.cli.output.humanize import exit_cell
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.session import Session
from herder.cli.views import details
from herder.cli.views.fleet.sweeps import UNKNOWN, Row
from herder.cli.views.plans import explanation_lines
from herder.cli.views.tables import JOBS, WORKERS
from herder.model.values.phrases import ended_with
from herder.wire.api.resources import Explanation, ReasonView
from tests.cli.conftest import Herder
from tests.support import wire_samples
from tests.support.fake_api import FakeApi


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_an_explanation_has_no_field_names_in_it() -> None:
    facts = [
        ReasonView(
            kind="eta", text="starts in about 5 s", evidence={"p10_ms": 14, "p50_ms": 5000, "p90_ms": None}
        ),
        ReasonView(
            kind="attempt",
            text="attempt 1 on w-1: failed",
            evidence={"worker": "w-1", "assigned_at": wire_samples.T0, "exit_code": -15},
        ),
        ReasonView(
            kind="attempt", text="attempt 2 on w-2: running", evidence={"worker": "w-2", "exit_code": None}
        ),
    ]
    lines = [*explanation_lines(Explanation(subject="job/7", summary="job 7 is running", facts=facts))]
    assert lines[1:] == [
        "  - starts in about 5 s",
        f"  - attempt 1 on w-1: failed (assigned at {wire_samples.T0}, signal SIGTERM)",
        "  - attempt 2 on w-2: running",
    ]


def test_the_sweep_names_columns_that_do_not_fit_and_keeps_what_was_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    row = Row("pretend", "burst-41-1", "unknown", "running", 12.0, True, "It is kept until you decide.")
    session = Session(output=Format.TABLE, out=Terminal(), err=io.StringIO())
    session.printer.items(UNKNOWN, [row])
    table = session.out.getvalue()  # type: ignore[attr-defined]
    assert all(column in table for column in ("DRIVER", "MACHINE", "FOUND", "ADOPTABLE", "NEXT"))
    assert max(map(len, table.splitlines())) <= 80
    said = session.err.getvalue()  # type: ignore[attr-defined]
    assert said.startswith("Not shown at 80 columns: ")
    assert all(column in said for column in ("PHASE", "FOR") if column not in table)


@pytest.mark.parametrize(
    ("code", "cell", "words"),
    [
        (0, "0", "exit code 0"),
        (3, "3", "exit code 3"),
        (-15, "SIGTERM", "signal SIGTERM"),
        (-99, "-99", "signal 99"),
    ],
)
def test_a_signal_has_its_name(code: int, cell: str, words: str) -> None:
    assert (exit_cell(code), ended_with(code)) == (cell, words)
    assert exit_cell(None) == "-"


def test_a_killed_job_names_the_signal_to_people_and_the_number_to_programs(
    api: FakeApi, herder: Herder
) -> None:
    api.jobs = {17: wire_samples.job(17, state="failed", exit_code=-9)}
    assert " SIGKILL " in herder("job", "list").out
    assert ",-9," in herder("job", "list", "-o", "csv").out
    column = next(each for each in JOBS.columns if each.name == "exit_code")
    assert column.raw(api.jobs[17]) == -9


def test_settings_of_a_pool_are_shown_without_python_in_them() -> None:
    schedules = [{"cron": "0 8 * * *", "min_workers": 2, "max_workers": None, "lead_time": "10m"}]
    view = wire_samples.pool("p", settings={"schedules": schedules, "headroom": {"cpu": 2}, "frozen": False})
    rows = dict(details.pool(view, 0).rows)
    assert rows["Settings"] == (
        "schedules: cron 0 8 * * *, min_workers 2, lead_time 10m\nheadroom: cpu 2\nfrozen: false"
    )


def test_sentences_on_stderr_fit_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    address = "https://herder.example:8765/" + "a" * 60
    error = CommandError(
        f"the server at {address} does not answer in time", hint="Start it, or " + "word " * 30
    )
    session = Session(err=Terminal())
    session.say("  - " + "a reason " * 20)
    show_error(session, error)
    lines = session.err.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [len(line) <= 60 for line in lines if address not in line] == [True] * (len(lines) - 1)
    assert address in " ".join(lines), "an address can be copied"
    assert lines[1].startswith("    reason"), "the second line begins below the first"
    assert "\x1b[1;31merror:\x1b[0m the server" in session.err.getvalue()  # type: ignore[attr-defined]
    assert sentences("word " * 30, io.StringIO()) == "word " * 30, "in a pipe a sentence is one line"


def test_columns_that_do_not_fit_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    workers = [wire_samples.worker("burst-7-1")]
    session = Session(output=Format.WIDE, out=Terminal(), err=io.StringIO())
    session.printer.items(WORKERS, workers)
    session.printer.items(WORKERS, workers)
    said = session.err.getvalue()  # type: ignore[attr-defined]
    assert said.startswith("Not shown at 80 columns: ")
    assert "HANDLE" in said
    assert said.count("Not shown") == 1
    for quiet in (
        Session(output=Format.TABLE, out=Terminal(), err=io.StringIO()),
        Session(output=Format.WIDE, out=io.StringIO(), err=io.StringIO()),
        Session(output=Format.WIDE, out=Terminal(), err=io.StringIO(), quiet=True),
    ):
        quiet.printer.items(WORKERS, workers)
        assert quiet.err.getvalue() == ""  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "noun", "known"),
    [
        ("job list --pool brst", "pool 'brst'", "Did you mean 'burst'? Known pools: burst, permanent."),
        ("job list --user bob", "user 'bob'", "Known users: alice."),
        ("job cancel --pool nope --yes", "pool 'nope'", "Known pools: burst, permanent."),
        ("batch list --user bob", "user 'bob'", "Known users: alice."),
        ("worker list --pool nope", "pool 'nope'", "Known pools: burst, permanent."),
        ("worker drain --pool nope --yes", "pool 'nope'", "Known pools: burst, permanent."),
        ("worker remove --pool nope --yes", "pool 'nope'", "Known pools: burst, permanent."),
    ],
)
def test_an_unknown_name_in_a_filter_is_an_error(
    api: FakeApi, herder: Herder, words: str, noun: str, known: str
) -> None:
    api.jobs, api.batches, api.workers = {}, {}, {}
    found = herder(*words.split())
    assert (found.code, found.out) == (Code.NOT_FOUND, "")
    assert found.err.splitlines()[0] == f"error: There is no {noun}."
    assert known in found.err


@pytest.mark.parametrize(
    "words", ["job list --pool burst", "job list --pool auto --user alice", "worker list --pool burst"]
)
def test_a_known_name_in_a_filter_that_finds_nothing_is_none(
    api: FakeApi, herder: Herder, words: str
) -> None:
    api.jobs, api.workers = {}, {}
    found = herder(*words.split())
    assert (found.code, found.err[:3]) == (Code.OK, "No ")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("retries: 1.10", "retries: it must be a whole number, not 1.10"),
        ("retries: 1.5", "retries: it must be a whole number, not 1.5"),
        ("gpu: two", "gpu: it must be a number, not two"),
    ],
)
def test_a_wrong_number_in_a_file_is_told_as_it_is_written(
    herder: Herder, tmp_path: Path, written: str, told: str
) -> None:
    (tmp_path / "j.yaml").write_text(f"- command: [a]\n  {written}\n")
    found = herder("batch", "submit", "j.yaml")
    assert (found.code, f"job 0: {told}\n" in found.err) == (Code.USAGE, True), found.err


def test_status_names_what_needs_attention_above_all_else(api: FakeApi, herder: Herder) -> None:
    assert "Needs attention" not in herder("status").out
    api.attention = ["Pool permanent is frozen.", "3 jobs fit in no pool."]
    lines = herder("status").out.splitlines()
    place = lines.index("Needs attention")
    assert lines[place + 1 : place + 4] == ["  Pool permanent is frozen.", "  3 jobs fit in no pool.", ""]
    assert place < lines.index("Jobs") < lines.index("Recent failures")
