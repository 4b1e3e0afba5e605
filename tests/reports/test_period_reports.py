"""Reports of a period: every table of money sums to the total, and what is unknown is not zero."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.ledger.allocation import Allocation, Method, Weights, allocated
from herder.ledger.lines import COST, Kind, Line
from herder.reports.documents import Document, Form
from herder.reports.efficiency import Attempts
from herder.reports.period import Subject, View, report
from herder.reports.render import FORMATS
from herder.reports.statements import Model, statement
from tests.reports.some_lines import ANN, BOB, CY, DAY_MS, NOVEMBER, USD, charge, lines, machine

LINES = [
    machine(Kind.WORKLOAD, 30 * USD, ANN),
    machine(Kind.WORKLOAD, 10 * USD, CY, day=2),
    machine(Kind.IDLE, 8 * USD, day=2),
    machine(Kind.OVERHEAD, 4 * USD),
    machine(Kind.WORKLOAD, -2 * USD, ANN, corrects="2026-10"),
    charge(COST, "tokens.input", 400, USD, CY, product="claude-sonnet-4.5"),
    charge(COST, "tokens.cache_read", 600, USD // 10, CY, product="claude-sonnet-4.5"),
    charge(COST, "tokens.input", 7, None, BOB, product="a-new-model"),
    charge("external", "cpu", 10, 60 * USD, CY),
]
BEFORE = [machine(Kind.WORKLOAD, 20 * USD, ANN), machine(Kind.WORKLOAD, 5 * USD, BOB)]
ATTEMPTS = Attempts(
    ended_jobs=2, work_pico=40 * USD, retried_pico=4 * USD, preempted=3, preempted_pico=3 * USD
)


def subject(found: list[Line], before: list[Line], **more: object) -> Subject:
    how = Allocation(method=Method.PROPORTIONAL)
    shared = [list(allocated(each, Weights.of(each), how)) for each in (found, before)]
    made: dict[str, object] = {
        "first_ms": NOVEMBER, "to_ms": NOVEMBER + 2 * DAY_MS, "lines": shared[0], "before": shared[1], "method": "proportional",
    }  # fmt: skip
    return Subject(**(made | more))  # type: ignore[arg-type]


def cells(made: Document, table: str) -> list[tuple[str, ...]]:
    return made.table(table).text()


def test_days_to_come_are_in_no_average() -> None:
    """A report of two months in the middle of the second is of the days until today."""
    whole = {"to_ms": NOVEMBER + 61 * DAY_MS, "now_ms": NOVEMBER + DAY_MS + 5}
    made = report(View.FULL, subject(LINES, BEFORE, attempts=ATTEMPTS, **whole))
    facts = {each.key: each.text for each in made.facts}
    assert (facts["average_day"], facts["peak_to_average"]) == ("$25.55", "1.30")
    early = report(View.FULL, subject([], [], now_ms=NOVEMBER - DAY_MS))
    assert {each.key: each.text for each in early.facts}["average_day"] == "–"


def test_the_full_report() -> None:
    made = report(View.FULL, subject(LINES, BEFORE, attempts=ATTEMPTS))
    assert {each.key: each.text for each in made.facts} == {
        "view": "full", "first_day": "2026-11-01", "last_day": "2026-11-02", "allocation": "proportional",
        "period_before": "$25.00", "change": "104.4 %", "average_day": "$25.55", "peak_to_average": "1.30", "total": "$51.10",
    }  # fmt: skip
    assert cells(made, "projects") == [
        ("research", "alpha", "$36.84", "72.1 %", "$20.00"),
        ("sales", "gamma", "$14.26", "27.9 %", "$0.00"),
        ("research", "beta", "–", "–", "$5.00"),
    ]
    assert cells(made, "days") == [("2026-11-01", "$33.10"), ("2026-11-02", "$18.00")]
    assert cells(made, "corrections") == [("2026-10", "2026-11", "research", "alpha", "-$2.00")]
    assert cells(made, "unpriced") == [("tokens.input", "a-new-model", "7", "tokens", "internal")]
    assert cells(made, "preemptions") == [
        ("work that was lost", "3", "$3.00"),
        ("boots of spot machines", "–", "$4.00"),
    ]
    assert cells(made, "drivers")[0] == ("research", "alpha", "machine", "$20.00", "$36.84", "$16.84")


def test_the_metrics_of_efficiency() -> None:
    made = report(View.RESOURCES, subject(LINES, BEFORE, attempts=ATTEMPTS))
    assert cells(made, "efficiency") == [
        ("tokens per job", "504", "under 1,000", "on target"),
        ("cache hits", "59.6 %", "over 60 %", "off target"),
        ("retry overhead", "10.0 %", "under 5 %", "off target"),
        ("machine cost requested by jobs", "76.0 %", "60 to 80 %", "on target"),
        ("idle and overhead (waste)", "24.0 %", "under 20 %", "off target"),
        ("peak to average day", "1.30", "under 2", "on target"),
    ]


def test_what_is_unknown_is_not_zero() -> None:
    made = report(View.EXECUTIVE, subject([], []))
    assert {row[1] for row in cells(made, "efficiency")} == {"–"}
    assert {row[3] for row in cells(made, "efficiency")} == {"unknown"}
    assert (made.fact("change"), made.fact("peak_to_average")) == (None, None)


def test_the_view_of_a_division_has_its_own_lines_alone() -> None:
    made = report(View.DIVISION, subject(LINES, BEFORE, division="sales", attempts=ATTEMPTS))
    assert [row[:2] for row in made.table("projects").rows] == [("sales", "gamma")]
    assert cells(made, "efficiency")[2] == ("retry overhead", "–", "under 5 %", "unknown")
    with pytest.raises(ValueError, match="needs its name"):
        report(View.DIVISION, subject(LINES, BEFORE))


def test_who_uses_what() -> None:
    made = report(View.RESOURCES, subject(LINES, BEFORE))
    assert cells(made, "attribution") == [
        ("research", "$36.84", "$0.00", "$36.84"),
        ("sales", "$13.16", "$1.10", "$14.26"),
    ]
    assert made.table("preemptions").empty == "Unknown."


@given(st.lists(lines, max_size=30), st.lists(lines, max_size=10), st.sampled_from(View))
def test_tables_of_cost_sum_to_the_total(found: list[Line], before: list[Line], view: View) -> None:
    made = report(view, subject(found, before, division="abc" if view is View.DIVISION else ""))
    for table in made.tables:
        if table.total is None or table.key in ("drivers", "corrections", "preemptions", "pools"):
            continue
        place = [column.key for column in table.columns].index("cost")
        assert table.columns[place].form is Form.MONEY
        assert (
            sum(int(str(row[place] or 0)) for row in table.rows) == table.total[place] == made.fact("total")
        )


@given(st.lists(lines, max_size=10), st.sampled_from(View), st.sampled_from(sorted(FORMATS)))
def test_every_view_has_every_format(found: list[Line], view: View, name: str) -> None:
    made = report(view, subject(found, [], division="abc" if view is View.DIVISION else ""))
    assert FORMATS[name][1](made, None)


@pytest.mark.parametrize("name", ["=1+2", "+1+2", "-1+2", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_of_a_csv_file_is_a_formula(name: str) -> None:
    paid = [machine(Kind.WORKLOAD, -USD, ANN._replace(project=name))]
    made = report(View.FULL, subject(paid, []))
    (row,) = csv.DictReader(io.StringIO(FORMATS["csv"][1](made, None), newline=""))
    assert (row["project"], row["cost"]) == (f"'{name}", "-1.0")
    assert all(cell[:2] != "'-" for key, cell in row.items() if key != "project")


@pytest.mark.parametrize("model", Model)
def test_a_statement_of_a_period_without_use_has_every_format_and_a_total_of_nothing(model: Model) -> None:
    made = statement(model, [], "2026-11-01 to 2026-11-30", "proportional")
    assert made.fact("total") == 0
    for _, render in FORMATS.values():
        assert render(made, None)
