"""Invoices and statements: they add up to the cent and to the pico-dollar, and say what has no price."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.ledger.allocation import Allocation, Method, Weights, allocated
from herder.ledger.cents import PICO_PER_CENT
from herder.ledger.lines import COST, Kind, Line
from herder.reports.basis import Basis
from herder.reports.documents import Document, plain
from herder.reports.focus.rows import Issuer
from herder.reports.invoice import BillTo, Terms, invoice
from herder.reports.render import FORMATS
from herder.reports.statements import Model, statement
from tests.reports.some_lines import ANN, BOB, CY, USD, charge, lines, machine

ACME = Issuer(id="acme", name="ACME")
ALPHA = BillTo(division="research", project="alpha")


def at_cost(found: Sequence[Line]) -> int | None:
    """The internal card is five sixths of the external one, and knows no GPUs."""
    return (
        None
        if any(line.resource == "gpu" for line in found)
        else sum(line.pico or 0 for line in found) * 5 // 6
    )


def of(
    found: list[Line], bill_to: BillTo = ALPHA, card: str = "external", *, closed: bool = True
) -> Document:
    return invoice(found, bill_to, Terms(month="2026-11", card=card, issuer=ACME, closed=closed), at_cost)


CHARGES = [
    charge("external", "cpu", 10 * 3_600_000_000, 750_000_000_000),
    charge("external", "cpu", 20 * 3_600_000_000, 1_500_000_000_000, day=2),
    charge("external", "tokens.input", 1_001, 3_603_600_000, product="claude-sonnet-4.5"),
    charge("external", "cpu", -3_600_000_000, -75_000_000_000, corrects="2026-10"),
    charge("external", "tokens.input", 77, None, product="a-new-model"),
    charge("external", "cpu", 3_600_000_000, 75_000_000_000, BOB),
    charge("internal", "cpu", 3_600_000_000, 50_000_000_000),
]


def test_an_invoice_of_a_project() -> None:
    made = of(CHARGES)
    facts = {each.key: each.value for each in made.facts}
    assert facts == {
        "id": "2026-11-alpha-external", "issuer": "ACME", "bill_to": "alpha", "division": "research",
        "period_start": "2026-11-01", "period_end": "2026-11-30", "card": "external", "currency": "USD",
        "due_date": "2026-12-30", "payment_status": "open",
        "exact_sum": 2_178_603_600_000, "rounding": 1_396_400_000, "total": 218 * PICO_PER_CENT,
    }  # fmt: skip
    assert {row[:2] for row in made.table("lines").text()} == {("alpha", "external")}
    assert [row[2:] for row in made.table("lines").text()] == [
        ("cpu", "", "30", "core-hours", "external-cpu-1", "$2.25", "$2.25"),
        ("tokens.input", "claude-sonnet-4.5", "1,001", "tokens", "external-tokens.input-1", "$0.00", "$0.0036036"),
        ("cpu (correction of 2026-10)", "", "-1", "core-hours", "external-cpu-1", "-$0.07", "-$0.075"),
        ("rounding", "", "–", "", "", "–", "$0.0013964"),
    ]  # fmt: skip
    assert made.table("lines").total_text() == ("", "", "total", "", "–", "", "", "$2.18", "$2.18")
    assert made.table("unpriced").rows == [("tokens.input", "a-new-model", "77", "tokens", "external")]


def test_markup_is_what_the_card_adds() -> None:
    markup = of(CHARGES).table("markup")
    assert markup.rows[0] == ("cpu", "", 1_812_500_000_000, 362_500_000_000, 200, 2_175_000_000_000)
    assert (markup.total or ())[5] == of(CHARGES).fact("exact_sum"), "corrections are in it"
    unknown = of([*CHARGES, charge("external", "gpu", 3_600_000_000, USD)]).table("markup")
    assert unknown.rows[1] == ("gpu", "", None, None, None, USD)
    assert (unknown.total or ())[2:4] == (None, None)


@given(st.lists(lines, max_size=30), st.sampled_from(["internal", "external"]))
def test_lines_and_rounding_are_the_total(found: list[Line], card: str) -> None:
    bill_to = BillTo(project=found[0].payer.project or "alpha") if found else ALPHA
    made = of(found, bill_to, card)
    exact = sum(
        each.pico or 0
        for each in found
        if each.period == "2026-11" and each.card == card and each.payer.project == bill_to.project
    )
    table = plain(made)["tables"]["lines"]
    total = Decimal(table["total"]["exact"])
    assert sum(Decimal(row["exact"]) for row in table["rows"]) == total == Decimal(plain(made)["total"])
    assert abs(Decimal(plain(made)["rounding"])) <= Decimal("0.005")
    assert Decimal(plain(made)["exact_sum"]) == Decimal(exact).scaleb(-12)
    cents = [row[7].replace("$", "").replace(",", "") for row in made.table("lines").text()]
    assert sum(Decimal(each) for each in cents if each != "–") == total


@given(st.lists(lines, max_size=30))
def test_all_invoices_are_what_is_charged_and_their_rounding(found: list[Line]) -> None:
    """Projects partition the lines: nothing is billed twice, and nothing is left."""
    billed = 0
    projects = {each.payer.project for each in found}
    for project in sorted(projects - {""}):
        made = of(found, BillTo(project=project))
        billed += int(str(made.fact("total"))) - int(str(made.fact("rounding")))
    charged = sum(
        each.pico or 0
        for each in found
        if each.period == "2026-11" and each.card == "external" and each.payer.project
    )
    assert billed == charged


def test_an_open_month_is_a_draft_and_showback_is_never_due() -> None:
    assert of(CHARGES, closed=False).fact("payment_status") == "draft"
    made = of(CHARGES, card="internal")
    assert (made.fact("payment_status"), made.fact("due_date")) == ("not due", None)
    assert of([], BillTo(division="research")).notes == ["Nothing is booked in 2026-11 at the external card."]


def test_an_invoice_of_a_division_has_its_projects() -> None:
    assert of(CHARGES, BillTo(division="research")).fact("exact_sum") == 2_178_603_600_000 + 75_000_000_000


TWO_CARDS = [
    charge("external", "cpu", 3_600_000_000, 75_000_000_000, corrects="2026-10"),
    charge("internal", "cpu", 3_600_000_000, 50_000_000_000),
    charge("external", "cpu", 7_200_000_000, 150_000_000_000, BOB),
    charge(COST, "cpu", 3_600_000_000, 50_000_000_000),
]


def both(bill_to: BillTo, card: str = "") -> Document:
    return invoice(TWO_CARDS, bill_to, Terms(month="2026-11", card=card, issuer=ACME, closed=True), at_cost)


def test_lines_of_two_cards_are_sections_of_their_own() -> None:
    """As where a project had another card in the month that is corrected."""
    made = both(ALPHA)
    rows = plain(made)["tables"]["lines"]["rows"]
    assert [(row["card"], row["resource"], row["amount"]) for row in rows] == [
        ("external", "cpu (correction of 2026-10)", "0.08"), ("external", "rounding", None),
        ("internal", "cpu", "0.05"), ("internal", "rounding", None),
    ]  # fmt: skip
    facts = [made.fact(key) for key in ("id", "card", "payment_status", "total", "amount_due")]
    cent = PICO_PER_CENT
    assert facts == ["2026-11-alpha", "external, internal", "open", 13 * cent, 8 * cent]
    assert [row[2:4] for row in made.table("sections").rows] == [
        ("2026-11-alpha-external", "open"), ("2026-11-alpha-internal", "not due")
    ]  # fmt: skip
    assert both(ALPHA, "internal").fact("id") == "2026-11-alpha-internal"


def test_an_invoice_of_a_division_has_a_section_for_each_project_and_card() -> None:
    made = both(BillTo(division="research"))
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"][1](made, None))))
    assert [(row["project"], row["card"]) for row in rows if row["resource"] != "rounding"] == [
        ("alpha", "external"), ("alpha", "internal"), ("beta", "external")
    ]  # fmt: skip
    assert "PROJECT" in FORMATS["text"][1](made, "lines")
    assert made.fact("total") == sum(both(BillTo(project=name)).fact("total") for name in ("alpha", "beta"))  # type: ignore[misc]


def test_the_remedy_begins_on_the_first_day_without_a_price() -> None:
    days = [charge("external", "gpu", 2, None, day=day, product="a b") for day in (9, 5, 7)]
    taken = charge("external", "gpu", -2, None, day=5, product="a b")
    assert "--product 'a b' --price USD --from 2026-11-05`" in of(days).notes[0]
    assert "--from 2026-11-07`" in of([*days, taken]).notes[0]


def test_a_december_ends_in_january() -> None:
    terms = Terms(month="2026-12", card="external", issuer=ACME, closed=True, due_days=14)
    made = invoice([], ALPHA, terms, at_cost)
    assert (made.fact("period_end"), made.fact("due_date")) == ("2026-12-31", "2027-01-14")


COSTS = [
    machine(Kind.WORKLOAD, 30 * USD, ANN),
    machine(Kind.WORKLOAD, 10 * USD, CY),
    machine(Kind.IDLE, 8 * USD),
    machine(Kind.OVERHEAD, 4 * USD),
    charge(COST, "tokens.input", 10, USD, CY),
    charge("external", "cpu", 10, 60 * USD, CY),
    charge("internal", "cpu", 10, 33 * USD, ANN),
]


def shared(found: list[Line]) -> list[Line]:
    return list(allocated(found, Weights.of(found), Allocation(method=Method.PROPORTIONAL)))


@pytest.mark.parametrize(
    ("model", "rows", "total"),
    [
        (Model.SHOWBACK, [("research", "alpha", 30, 0, 6, 3, 39), ("sales", "gamma", 10, 1, 2, 1, 14)], 53),
        (
            Model.CHARGEBACK,
            [("research", "alpha", "internal", 39, 33, 33), ("sales", "gamma", "external", 14, 60, 60)],
            93,
        ),
        (
            Model.HYBRID,
            [("research", "alpha", "showback", 39, 39), ("sales", "gamma", "chargeback", 14, 60)],
            99,
        ),
    ],
)
def test_statements(model: Model, rows: list[tuple[object, ...]], total: int) -> None:
    made = statement(model, shared(COSTS), "2026-11", "proportional")
    table = made.tables[0]
    whole = [tuple(each // USD if isinstance(each, int) else each for each in row) for row in table.rows]
    assert whole == rows
    assert made.fact("total") == total * USD


def test_each_amount_is_rounded_once() -> None:
    """Two projects of half a cent each: the statement and the invoices say the same of each and of both."""
    half = [charge("external", "cpu", 1, 1_005 * PICO_PER_CENT // 10, who) for who in (ANN, BOB, CY)]
    found = [each._replace(payer=each.payer._replace(division="research")) for each in half]
    charges = statement(Model.CHARGEBACK, found, "2026-11", "proportional", Basis.BOOKED)
    each = [of(found, BillTo(project=name)).fact("total") for name in ("alpha", "beta", "gamma")]
    assert [row[-1] for row in charges.tables[0].rows] == each == [100 * PICO_PER_CENT] * 3
    assert (
        charges.fact("total")
        == of(found, BillTo(division="research")).fact("total")
        == sum(map(int, map(str, each)))
    )
    rows = plain(of(found, BillTo(division="research")))["tables"]["lines"]["rows"]
    assert [(row["project"], row["amount"]) for row in rows] == [
        (name, amount) for name in ("alpha", "beta", "gamma") for amount in ("1.00", None)
    ]
    assert sum(Decimal(row["exact"]) for row in rows) == 3


@given(st.lists(lines, max_size=20))
def test_a_statement_of_what_is_booked_has_the_totals_of_the_invoices(found: list[Line]) -> None:
    booked = [each for each in found if each.period == "2026-11" and each.payer.project]
    made = statement(Model.CHARGEBACK, booked, "2026-11", "proportional", Basis.BOOKED)
    cards = {each.card for each in booked} - {COST}
    totals = {
        project: sum(int(str(of(booked, BillTo(project=project), card).fact("total"))) for card in cards)
        for project in {each.payer.project for each in booked}
    }
    assert (made.fact("total") or 0) == sum(totals.values())


LATER = [
    charge("external", "gpu", -7, None, corrects="2026-10"),
    charge("external", "gpu", 7, 4 * USD, corrects="2026-10"),
    charge("external", "gpu", 2, None),
]


def test_what_is_priced_later_is_no_negative_use() -> None:
    made = of(LATER)
    assert [(row[2], row[7]) for row in made.table("lines").rows[:-1]] == [
        ("gpu (2026-10, priced later)", 4 * USD)
    ]
    ((resource, _, quantity, *_),) = made.table("unpriced").rows
    assert (resource, str(quantity).startswith("-")) == ("gpu", False)
    assert "herder rate add --card external --resource gpu --price USD --from 2026-11-01`" in made.notes[0]
    before = charge("external", "gpu", 7, None)._replace(period="2026-10", day_ms=LATER[0].day_ms)
    assert statement(Model.CHARGEBACK, [before, *LATER[:2]], "x", "equal").table("unpriced").rows == []


def test_corrections_are_rows_of_their_own_of_what_is_booked() -> None:
    made = statement(Model.CHARGEBACK, CHARGES, "2026-11", "proportional", Basis.BOOKED)
    rows = [(row[1], row[-1]) for row in made.table("projects").text()]
    assert [name for name, _ in rows] == ["alpha", "alpha (correction of 2026-10)", "beta"]
    assert dict(rows)["alpha (correction of 2026-10)"].startswith("-$0.0")
    alpha = sum(int(str(row[-1])) for row in made.table("projects").rows if str(row[1]).startswith("alpha"))
    assert alpha == sum(int(str(of(CHARGES, ALPHA, card).fact("total"))) for card in ("external", "internal"))


def test_what_nobody_used_is_a_row_of_its_own() -> None:
    idle = [machine(Kind.IDLE, 8 * USD)]
    assert statement(Model.SHOWBACK, shared(idle), "2026-11", "proportional").tables[0].text() == [
        ("(unallocated)", "", "$0.00", "$0.00", "$8.00", "$0.00", "$8.00")
    ]
    assert statement(Model.CHARGEBACK, shared(idle), "2026-11", "proportional").tables[0].rows == [
        ("(unallocated)", "", "none", 8 * USD, 0, 0)
    ]


@given(st.lists(lines, max_size=30), st.sampled_from(Model))
def test_statements_lose_no_cost(found: list[Line], model: Model) -> None:
    table = statement(model, shared(found), "2026-11", "proportional").tables[0]
    place = next(at for at, column in enumerate(table.columns) if column.key == "cost")
    assert sum(int(str(row[place])) for row in table.rows) == sum(
        each.pico or 0 for each in found if each.card == COST
    )


def test_formats() -> None:
    made = of([*CHARGES, charge("external", "gpu", 1, USD, product='<b>"odd"</b>')])
    page = FORMATS["html"][1](made, None)
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert page.count("<table>") == 3
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"][1](made, None))))
    assert sum(Decimal(row["exact"]) for row in rows) == Decimal("3.18")
    assert json.loads(FORMATS["json"][1](made, "unpriced"))["tables"].keys() == {"unpriced"}
    assert (
        FORMATS["csv"][1](made, "unpriced").splitlines()[1] == "tokens.input,a-new-model,77,tokens,external"
    )
    with pytest.raises(ValueError, match="name one of lines, markup, unpriced"):
        FORMATS["csv"][1](made, "line")


def test_reported_use_at_the_internal_card_is_unpriced_once() -> None:
    """It is a line of what it cost and one of what its project is charged. What only an external card lacks is a row of its own."""
    found = [
        charge(card, "tokens.input", 7, None, whose, product="new")._replace(kind=Kind.METERED)
        for card, whose in ((COST, ANN), ("internal", ANN), (COST, BOB), ("external", BOB))
    ]
    rows = statement(Model.SHOWBACK, found, "x", "equal").table("unpriced").rows
    assert sorted(rows, key=str) == [
        ("tokens.input", "new", "14", "tokens", "internal"),
        ("tokens.input", "new", "7", "tokens", "external"),
    ]
