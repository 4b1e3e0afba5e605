"""Invariant 13: amounts of different units are never added up. Money is US dollars everywhere: there is no exchange rate, so nothing in another currency is taken in."""

from __future__ import annotations

import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.ledger.budgets.spec import BudgetSpec, Unit, faults
from herder.ledger.lines import Line
from herder.reports.focus.files import read_rows, text_of
from herder.reports.focus.rows import Issuer
from herder.wire.api.rates import RatesAdd
from herder.wire.api.usage import UsageReport
from tests.reports.some_lines import lines
from tests.support.budgets import budgets

NAMES = "abcdefgh"


@st.composite
def trees(draw: st.DrawFn) -> list[BudgetSpec]:
    """Each has one of those before it above it, or none."""
    found = []
    for place, name in enumerate(NAMES[: draw(st.integers(1, len(NAMES)))]):
        parent = draw(st.sampled_from(["", *NAMES[:place]]))
        found.append(
            BudgetSpec(
                name=name,
                parent=parent,
                limit=draw(st.none() | st.integers(0, 9)),
                unit=draw(st.sampled_from(Unit)),
            )
        )
    return found


@given(trees())
def test_a_tree_of_budgets_has_one_unit(specs: list[BudgetSpec]) -> None:
    by_name = {each.name: each for each in specs}
    mixed = {each.name for each in specs if each.parent and by_name[each.parent].unit is not each.unit}
    assert {each.budget for each in faults(by_name) if each.key == "unit"} == mixed
    if not mixed:
        state = budgets(*specs)
        for each in specs:
            assert {above.spec.unit for above in state.chain((each.name,))} == {each.unit}


@given(st.lists(lines, max_size=10))
def test_every_exported_line_is_in_dollars(found: list[Line]) -> None:
    text = "".join(text_of(found, Issuer(id="acme", name="ACME")))
    assert all(
        row["BillingCurrency"] == "USD" for row in read_rows(io.StringIO(text, newline=""), "export.csv")
    )


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (RatesAdd, {"rates": [{"card": "internal", "resource": "cpu", "price": "0.05", "currency": "EUR"}]}),
        (UsageReport, {"source": "meter", "currency": "EUR", "events": []}),
    ],
)
def test_another_currency_is_refused(kind: type, body: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `currency`"):
        msgspec.convert(body, kind)
