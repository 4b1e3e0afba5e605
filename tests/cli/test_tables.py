"""Tables on a terminal: what must stay whole stays whole, free text gives way."""

import dataclasses
import io
import json
import re

import pytest

from herder.cli.output.formats import Format
from herder.cli.output.humanize import age, between, style_of, usd
from herder.cli.output.printer import Printer
from herder.cli.output.rows import Column, View
from herder.cli.views import details
from herder.cli.views.fleet.clusters import CHECKS
from herder.cli.views.fleet.offers import OFFERS
from herder.cli.views.tables import WORKERS
from herder.model.values.times import brief
from herder.wire.api.clusters import ClusterCheckView
from herder.wire.api.offers import ListedOffer
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
    assert line.endswith("word…       done"), "between two words"
    assert "…" not in _printed(io.StringIO(), rows)[1], "not in a pipe"


def test_text_is_cut_between_words_and_names_only_when_nothing_else_can_give(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    (line,) = _printed(Terminal(), [("n" * 50, "word " * 40, "done")])[1:]
    assert line == f"{'n' * 50}   word word…   done"
    monkeypatch.setenv("COLUMNS", "40")
    (line,) = _printed(Terminal(), [("n" * 50, "word " * 40, "done")])[1:]
    assert (len(line), line[:27]) == (40, "n" * 8 + "…" + "n" * 17 + " "), "with its end"


def _ranked(number: int, header: str, drop: int, *, wide: bool = False, wrap: bool = False) -> Column:
    return dataclasses.replace(_column(number, header), drop=drop, wide=wide, wrap=wrap)


RANKED = View(
    noun="thing",
    name=lambda row: row[0],
    columns=(
        _ranked(0, "NAME", 0),
        _ranked(1, "SECOND", 2),
        _ranked(2, "FIRST", 1),
        _ranked(3, "TEXT", 0, wrap=True),
    ),
    empty="",
)


@pytest.mark.parametrize(
    ("columns", "headers"),
    [(80, ["NAME", "SECOND", "FIRST", "TEXT"]), (60, ["NAME", "FIRST", "TEXT"]), (45, ["NAME", "TEXT"])],
)
def test_columns_are_left_out_by_their_rank(
    columns: int, headers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = Terminal()
    Printer(format=Format.TABLE, headers=True, pretty=False, out=out, now_s=0).items(
        RANKED, [("name", "s" * 20, "f" * 10, "some words that do not fit on one line of a narrow terminal")]
    )
    head, *lines = out.getvalue().splitlines()
    assert head.split() == headers
    assert max(map(len, (head, *lines))) <= columns
    place = head.index("TEXT")
    assert {line[:place].strip() for line in lines[1:]} == {""}, "the text goes on below itself"
    assert (
        " ".join(line[place:] for line in lines)
        == "some words that do not fit on one line of a narrow terminal"
    )


def test_wide_characters_take_two_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    head, line = _printed(Terminal(), [("日本", "語" * 60, "end")])
    assert head.index("TEXT") - head.index("NAME") == 7
    assert sum(2 if char > "\u3000" else 1 for char in line) == 40


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (119, "119s"), (120, "2m"), (3599, "59m"), (3660, "1h01m"), (10_800, "3h"), (172_800, "2d"),
        (305, "5m05s"), (599, "9m59s"), (600, "10m"), (5 * 3600 + 56 * 60, "5h56m"), (28_799, "7h59m"), (28_800, "8h"),
        (2 * 86_400 + 23 * 3600, "2d23h"), (7 * 86_400 + 7_199, "7d01h"), (8 * 86_400, "8d"),
    ],
)  # fmt: skip
def test_spans(seconds: int, text: str) -> None:
    assert brief(seconds * 1000) == text


def test_a_span_hides_little_of_itself() -> None:
    units = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
    for seconds in range(0, 20 * 86_400, 41):
        text = brief(seconds * 1000)
        shown = sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([dhms])", text))
        assert 0 <= seconds - shown <= seconds / 8, text
        assert len(text) <= 6


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
    why = "Worker burst-1 gets no work: 3 attempts in a row failed on it. It gets a test attempt in 12 s."
    sick = wire_samples.worker("burst-1", health="excluded", health_reason=why)
    shown = {}
    for form in (Format.TABLE, Format.WIDE, Format.JSON):
        out = io.StringIO()
        Printer(format=form, headers=True, pretty=False, out=out, now_s=0).items(WORKERS, [sick])
        shown[form] = out.getvalue()
    assert "ready    excluded" in shown[Format.TABLE]
    assert why in shown[Format.WIDE]
    assert json.loads(shown[Format.JSON])["items"][0]["health_reason"] == why
    assert ("Health", why) in details.worker(sick, 0).rows
    assert style_of("excluded") == style_of("unhealthy")


_CHECKS = [
    ClusterCheckView(name="Network/networkInterfaces/read", passed=True, detail="", remedy=""),
    ClusterCheckView(
        name="Compute/virtualMachines/retrieveBootDiagnosticsData/action",
        passed=False,
        detail="The role of the account lacks it.",
        remedy="Add it to the role of the account in resource group herder-workers, then check the driver again.",
    ),
]


def test_text_without_a_legible_width_goes_below_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = Terminal()
    Printer(format=Format.TABLE, headers=True, pretty=False, out=out, now_s=0).items(CHECKS, _CHECKS)
    assert out.getvalue().splitlines() == [
        "CHECK                                                        PASSED",
        "Network/networkInterfaces/read                               yes",
        "Compute/virtualMachines/retrieveBootDiagnosticsData/action   no",
        "   The role of the account lacks it.",
        "   Add it to the role of the account in resource group herder-workers, then",
        "   check the driver again.",
    ]


def test_text_with_a_legible_width_stays_in_its_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    out = Terminal()
    Printer(format=Format.TABLE, headers=True, pretty=False, out=out, now_s=0).items(CHECKS, _CHECKS)
    assert out.getvalue().splitlines()[0].split() == ["CHECK", "PASSED", "DETAIL", "REMEDY"]


def test_ages_of_prices_are_left_out_before_names_of_zones_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = Terminal()
    offer = ListedOffer(
        name="google-2", driver="google", pool="batch", zone="europe-west4-a", spot=True,
        cpu_milli=1_000, memory_mib=512, gpu=0, price_per_hour_usd="0.035", workers_left=500,
        quota_as_of="1970-01-01T00:00:00Z", price_as_of="1970-01-01T00:00:00Z", provider_price_per_hour_usd="0.0349", reason="",
    )  # fmt: skip
    Printer(format=Format.WIDE, headers=True, pretty=False, out=out, now_s=26).items(OFFERS, [offer])
    header, row = out.getvalue().splitlines()
    assert header.split("   ")[-2:] == ["LEFT", "AGE"]
    assert "europe-west4-a" in row


AMOUNTS = View(
    noun="budget",
    name=lambda row: row[0],
    columns=(
        _column(0, "NAME"),
        dataclasses.replace(_column(1, "LIMIT"), right=True),
        dataclasses.replace(_column(2, "LEFT"), right=True),
        _column(3, "FOR"),
        dataclasses.replace(_column(4, "LEASES"), right=True, wide=True),
    ),
    empty="",
)


@pytest.mark.parametrize("form", [Format.TABLE, Format.WIDE])
@pytest.mark.parametrize(
    ("columns", "shown"), [(70, "NAME LIMIT LEFT FOR"), (50, "NAME LIMIT LEFT"), (30, "NAME LIMIT")]
)
def test_an_amount_is_never_cut_while_a_column_can_be_left_out(
    form: Format, columns: int, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out, notes = Terminal(), list[str]()
    printer = Printer(format=form, headers=True, pretty=False, out=out, now_s=0, note=notes.append)
    printer.items(
        AMOUNTS, [("a-long-budget-name", "$12,345,678.00", "-$9,951.99", "project a-long-name", "12")]
    )
    head, line = out.getvalue().splitlines()
    assert head.split() == shown.split()
    assert "$12,345,678.00" in line
    assert max(len(head), len(line)) <= columns
    left_out = [
        each.header
        for each in AMOUNTS.columns
        if each.header not in shown and (form is Format.WIDE or not each.wide)
    ]
    assert bool(notes) == bool(left_out)
    assert all(name in notes[0] for name in left_out)
