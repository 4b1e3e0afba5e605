"""Reported use that is charged by quarters of an hour counts in a rolling window for all of its time."""

import pytest

from herder.control.usage.charging import Used, charges_of
from herder.ledger.budgets.leases import Charged, Leases
from herder.ledger.budgets.spec import BudgetSpec, Unit, parse_period
from herder.ledger.rates import RateList

MINUTE_MS = 60_000
NOON_MS = 20_000 * 86_400_000 + 12 * 60 * MINUTE_MS


@pytest.mark.parametrize("hours", [1, 2, 3, 5, 6, 24])
@pytest.mark.parametrize("minute", [0, 1, 7, 14])
def test_use_counts_until_all_of_it_has_left_the_window(hours: int, minute: int) -> None:
    state, at_ms = Leases(), NOON_MS + minute * MINUTE_MS
    period = parse_period(f"rolling {hours}h")
    state.put(BudgetSpec(name="b", unit=Unit.TOKENS, limit=100, period=period), NOON_MS - 1)
    (charge,) = charges_of([Used(at_ms, "tokens.input", "m", "", "p", "u", 40)], RateList())
    now_ms = NOON_MS + 15 * MINUTE_MS
    state.charge([Charged(["b"], charge.amount, min(charge.at_ms, now_ms))], now_ms)
    assert state.left(["b"], at_ms + hours * 60 * MINUTE_MS - 1) == 60
    assert state.left(["b"], at_ms + 2 * hours * 60 * MINUTE_MS) == 100
