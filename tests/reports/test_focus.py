"""FOCUS 1.2: an export keeps the rules of the public validator, and its lines come back to the pico-dollar."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.ledger.lines import Kind, Line
from herder.reports.focus.columns import COLUMNS, COSTS, amount, money
from herder.reports.focus.files import FocusError, line_of, read_rows, text_of
from herder.reports.focus.rows import Issuer
from herder.reports.focus.rules import Rules, model
from tests.reports.some_lines import ANN, USD, charge, lines, machine

ACME = Issuer(id="acme", name="ACME")
Row = dict[str, str | None]


def rows_of(found: list[Line]) -> list[Row]:
    return list(read_rows(io.StringIO("".join(text_of(found, ACME)), newline=""), "export.csv"))


def broken(rows: list[Row], columns: tuple[str, ...] = COLUMNS) -> set[str]:
    rules = Rules(columns)
    for row in rows:
        rules.check(row)
    return {each.rule for each in rules.violations()}


@given(st.lists(lines, max_size=20))
def test_an_export_comes_back_to_the_pico(found: list[Line]) -> None:
    rows = rows_of(found)
    assert [line_of(row, "row") for row in rows] == found
    exact = sum(each.pico or 0 for each in found)
    for column in COSTS:
        assert sum(Decimal(row[column] or "") for row in rows) == Decimal(exact).scaleb(-12)


@given(st.lists(lines, max_size=20))
def test_an_export_keeps_the_rules(found: list[Line]) -> None:
    assert broken(rows_of(found)) == set()


def test_a_long_export_is_many_pieces() -> None:
    pieces = list(text_of((charge("internal", "cpu", at, at) for at in range(2_500)), ACME))
    assert len(pieces) == 4


def one() -> Row:
    return rows_of([machine(Kind.WORKLOAD, 3 * USD, ANN)])[0]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"BilledCost": None}, "BilledCost-C-003-M"),
        ({"BilledCost": "three"}, "BilledCost-C-002-M"),
        ({"InvoiceIssuerName": "Someone"}, "BilledCost-C-005-C"),
        ({"BillingCurrency": "dollars"}, "BillingCurrency-C-003-M"),
        ({"BillingPeriodStart": "2026-11-01"}, "BillingPeriodStart-C-002-M"),
        ({"ChargeCategory": "Rent"}, "ChargeCategory-C-003-M"),
        ({"ChargeClass": "Refund"}, "ChargeClass-C-005-C"),
        ({"PricingQuantity": None}, "PricingUnit-C-005-C"),
        ({"PricingUnit": "hours!"}, "PricingUnit-C-003-O"),
        ({"ServiceSubcategory": "Generative AI"}, "ServiceSubcategory-C-004-M"),
        ({"SubAccountName": None}, "SubAccountName-C-005-C"),
        ({"Tags": "{'a': 1}"}, "Tags-C-001-M"),
        ({"RegionName": None}, "RegionName-C-005-C"),
    ],
)
def test_a_broken_rule_is_found(change: Row, rule: str) -> None:
    assert rule in broken([one() | change])


def test_a_price_has_one_sku() -> None:
    assert broken([one(), one() | {"SkuId": "other"}]) == {"SkuPriceId-C-008-M"}


def test_a_missing_column_is_found_once() -> None:
    columns = tuple(column for column in COLUMNS if column != "BilledCost")
    row = {key: value for key, value in one().items() if key != "BilledCost"}
    rules = Rules(columns)
    rules.check(row)
    found = rules.violations()
    assert [(each.rule, each.first) for each in found] == [("CostAndUsage-D-006-M", 0)]


def test_the_rules_are_those_of_the_model() -> None:
    assert len(model()) > 400
    assert Rules(COLUMNS).count > 120


def test_the_unit_price_is_checked_exactly() -> None:
    """A file of others may have columns that ours has not."""
    columns = (*COLUMNS, "ListUnitPrice")
    row = one() | {"ListUnitPrice": "1", "PricingQuantity": "3", "ListCost": "3.000000000001"}
    assert "ListCost-C-009-C" in broken([row], columns)
    assert broken([row | {"ListCost": "3"}], columns) == set()


def test_what_has_no_price_is_shown_and_not_zero() -> None:
    row = rows_of([charge("internal", "tokens.input", 5, None, product="unknown-model")])[0]
    assert (row["BilledCost"], row["x_Pico"]) == ("0.0", None)
    assert row["ChargeDescription"] == "Use of unknown-model for alpha (no price)"
    assert (row["SkuPriceId"] or "").endswith("/unpriced")


def test_a_row_says_who_used_what() -> None:
    row = one()
    assert {key: row[key] for key in ("SubAccountId", "ResourceId", "RegionId", "PricingCategory", "ChargePeriodStart")} == {
        "SubAccountId": "alpha", "ResourceId": "burst-1-1", "RegionId": "europe-west1-b", "PricingCategory": "Dynamic",
        "ChargePeriodStart": "2026-11-01T00:00:00Z",
    }  # fmt: skip
    assert json.loads(row["Tags"] or "") == {
        "division": "research", "project": "alpha", "user": "ann", "pool": "burst", "kind": "workload",
    }  # fmt: skip
    assert (row["ConsumedQuantity"], row["ConsumedUnit"]) == ("3.0", "Machine-Hours")


def test_a_correction_is_one() -> None:
    row = rows_of([machine(Kind.WORKLOAD, -USD, ANN, corrects="2026-10")])[0]
    assert (row["ChargeClass"], row["BilledCost"]) == ("Correction", "-1.0")


@pytest.mark.parametrize(
    ("pico", "text"), [(0, "0.0"), (1, "0.000000000001"), (-1, "-0.000000000001"), (12 * USD, "12.0"), (-15 * 10**11, "-1.5")]
)  # fmt: skip
def test_money_is_never_in_powers(pico: int, text: str) -> None:
    assert money(pico) == text


def test_quantities_are_rounded_half_even() -> None:
    assert [amount(quantity, 3) for quantity in (1, 2, -1)] == [
        "0.333333333333",
        "0.666666666667",
        "-0.333333333333",
    ]
    assert [amount(quantity, 2 * 10**12) for quantity in (1, 3, -1)] == [
        "0.0",
        "0.000000000002",
        "0.0",
    ]


def _nothing(text: str) -> str:
    return ""


def _twice(text: str) -> str:
    return text.replace("BilledCost", "ListCost", 1)


def _short(text: str) -> str:
    return text.rstrip("\r\n")[:-40].rpartition(",")[0]


def _quote(text: str) -> str:
    return text + '"open'


def _without(text: str) -> str:
    return text.replace("x_Quantity", "y_Quantity", 1)


def _word(text: str) -> str:
    return text.replace(",10800000/3600000,", ",many,")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_nothing, "export.csv is empty"),
        (_twice, "has the column 'ListCost' twice"),
        (_short, "export.csv, line 2: the row has"),
        (_quote, "line 3: the table cannot be read"),
        (_without, "row: the column x_Quantity is missing"),
        (_word, "row: the row is not a line of a ledger"),
    ],
)
def test_a_damaged_file_says_where(damage: Callable[[str], str], says: str) -> None:
    text = damage("".join(text_of([machine(Kind.WORKLOAD, 3 * USD, ANN)], ACME)))
    rows = read_rows(io.StringIO(text, newline=""), "export.csv")
    with pytest.raises(FocusError, match=says):
        [line_of(row, "row") for row in rows]


@pytest.mark.parametrize("name", ["=1+2", "+1", "-a", "@SUM(A1)", "\t=1", "\r=1", "'=1"])
def test_no_cell_is_a_formula_and_the_line_comes_back(name: str) -> None:
    line = machine(Kind.WORKLOAD, 3 * USD, ANN._replace(project=name))
    (row,) = rows_of([line])
    assert row["x_Project"] == row["SubAccountName"] == f"'{name}"
    assert line_of(row, "row") == line
