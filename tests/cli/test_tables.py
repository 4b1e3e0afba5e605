"""Tables on a terminal: what must stay whole stays whole, free text gives way."""

import io
import json

import pytest

from herder.cli.output import describe
from herder.cli.output.formats import Format
from herder.cli.output.printer import Printer
from herder.cli.output.view import Column, View
from herder.cli.output.views import WORKERS
from herder.cli.output.words import age, between, style_of, usd
from herder.model.times import brief
from tests.support import wire_samples


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _column(number: int, header: str, *, long: bool = False) -> Column:
    return Column(header=header, show=lambda row, now_s: row[number], raw=lambda row: row[number], long=long)


VIEW = View(
    noun="thing",
    name=lambda row: row[0],
    columns=(_column(0, "NAME"), _column(1, "TEXT", long=True), _column(2, "END")),
    empty="",
)


def _printed(out: io.StringIO, rows: list[tuple[str, str, str]]) -> list[str]:
    Printer(format=Format.TABLE, headers=True, pretty=isinstance(out, Terminal), out=out, now_s=0).items(
        VIEW, rows
    )
    return out.getvalue().splitlines()


def test_free_text_is_shortened_to_the_width_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    rows = [("a-name", "word " * 40, "done")]
    header, line = _printed(Terminal(), rows)
    assert header == "\x1b[1mNAME     TEXT" + " " * 43 + "END\x1b[0m"
    assert len(line) == 60
    assert line.startswith("a-name   word ")
    assert line.endswith("…   done")
    assert "…" not in _printed(io.StringIO(), rows)[1], "not in a pipe"


def test_names_are_never_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    (line,) = _printed(Terminal(), [("n" * 50, "word " * 40, "done")])[1:]
    assert line.startswith("n" * 50)
    assert line.endswith("done")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (119, "119s"), (120, "2m"), (3599, "59m"), (3660, "1h01m"), (10_800, "3h"), (172_800, "2d")],
)
def test_spans(seconds: int, text: str) -> None:
    assert brief(seconds * 1000) == text


def test_ages_look_back_and_forward() -> None:
    at = "1970-01-01T01:00:00Z"
    assert age(at, 3600 + 300) == "5m"
    assert age(at, 0) == "in 1h00m"
    assert age(None, 0) == "-"
    assert between(at, "1970-01-01T01:00:00.250Z", 0) == "0.2s"
    assert between(None, None, 0) == "-"


def test_money_is_shown_with_four_places_and_never_lost() -> None:
    assert usd("0.12") == "$0.1200"
    assert usd("unknown") == "unknown"


def test_a_sick_worker_is_seen_in_every_form() -> None:
    why = "Worker burst-1 takes no work: 3 attempts in a row failed on it. It is tested in 12 s."
    sick = wire_samples.worker("burst-1", health="quarantined", health_reason=why)
    shown = {}
    for form in (Format.TABLE, Format.WIDE, Format.JSON):
        out = io.StringIO()
        Printer(format=form, headers=True, pretty=False, out=out, now_s=0).items(WORKERS, [sick])
        shown[form] = out.getvalue()
    assert "ready    quarantined" in shown[Format.TABLE]
    assert why in shown[Format.WIDE]
    assert json.loads(shown[Format.JSON])["items"][0]["health_reason"] == why
    assert ("Health", why) in describe.worker(sick, 0).rows
    assert style_of("quarantined") == style_of("unhealthy")
