"""Periods of budgets: days, weeks, months and years of a time zone, rolling windows; what counts in which."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.ledger.budgets.leases import Lease, Refused
from herder.ledger.budgets.periods import bounds
from herder.ledger.budgets.spec import BudgetSpec, Every, Period, parse_period
from tests.support.budgets import budgets

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Beirut",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "America/Havana",
]
PERIODS = [
    parse_period(each) for each in ("day", "week", "month", "year", "once", "rolling 24h", "rolling 7d")
]
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@given(st.sampled_from(PERIODS), st.sampled_from(ZONES), st.integers(at("2020-01-01"), at("2040-01-01")))
def test_periods_follow_one_another_without_a_gap(period: Period, zone: str, now_ms: int) -> None:
    start, end = bounds(period, zone, now_ms)
    assert start <= now_ms < end
    assert bounds(period, zone, start) == bounds(period, zone, end - 1) == (start, end)
    if period.every is not Every.ONCE:
        assert bounds(period, zone, end)[0] == end
        assert bounds(period, zone, start - 1)[1] == start


@pytest.mark.parametrize(
    ("period", "zone", "now", "start", "end"),
    [
        ("day", "Europe/Berlin", "2026-10-25T12:00", "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours
        ("day", "Europe/Berlin", "2026-03-29T12:00", "2026-03-28T23:00", "2026-03-29T22:00"),  # 23 hours
        ("month", "UTC", "2028-02-29T23:59", "2028-02-01", "2028-03-01"),
        ("month", "America/New_York", "2026-12-01T04:59", "2026-11-01T04:00", "2026-12-01T05:00"),
        ("year", "UTC", "2028-02-29T12:00", "2028-01-01", "2029-01-01"),
        ("week", "UTC", "2026-11-28T12:00", "2026-11-23", "2026-11-30"),
    ],
)  # fmt: skip
def test_clock_changes_month_ends_and_leap_days(
    period: str, zone: str, now: str, start: str, end: str
) -> None:
    assert bounds(parse_period(period), zone, at(now)) == (at(start), at(end))


def test_a_lease_counts_in_the_period_in_which_it_was_reserved() -> None:
    state = budgets(BudgetSpec(name="a", limit=100, period=Period(Every.DAY)))
    evening, morning = at("2026-11-28T23:50"), at("2026-11-29T00:10")
    assert isinstance(state.reserve("1", ["a"], 100, morning, evening), Lease)
    assert state.left(["a"], evening) == 0
    assert state.left(["a"], morning) == 100, "a new day"
    state.settle("1", 70, morning)
    assert state.left(["a"], morning) == 100
    days = sorted((each.start_ms, each.spent) for each in state.budgets["a"].spans.values())
    assert days == [(at("2026-11-28"), 70), (at("2026-11-29"), 0)]


def test_a_rolling_window_gives_back_what_has_left_it() -> None:
    state = budgets(BudgetSpec(name="a", limit=100, period=parse_period("rolling 24h")))
    noon = at("2026-11-28T12:00")
    state.reserve("1", ["a"], 60, noon + 1, noon)
    state.settle("1", 60, noon)
    state.reserve("2", ["a"], 40, noon + 7 * HOUR_MS, noon + 6 * HOUR_MS)
    state.settle("2", 40, noon + 6 * HOUR_MS)
    assert state.reserve("3", ["a"], 1, noon + 30 * HOUR_MS, noon + 24 * HOUR_MS) == Refused("a", 0)
    assert state.left(["a"], noon + 25 * HOUR_MS) == 60, "all of its hour has left the window"
    assert state.left(["a"], noon + 31 * HOUR_MS) == 100


def test_a_clock_that_is_put_back_finds_the_old_period_again() -> None:
    state = budgets(BudgetSpec(name="a", limit=100, period=Period(Every.MONTH)))
    november, next_year = at("2026-11-28"), at("2027-11-28")
    state.reserve("1", ["a"], 60, november + 1, november)
    assert state.left(["a"], next_year) == 100
    assert state.left(["a"], november + 5) == 40
    assert state.left(["a"], at("2026-08-01")) == 40, "before all that is known: the oldest period that is"


def test_overage_is_part_of_what_is_granted() -> None:
    state = budgets(BudgetSpec(name="a", limit=105, overage_percent=10))
    assert state.left(["a"], 0) == 115
    assert state.reserve("1", ["a"], 116, 9, 0) == Refused("a", 115)


@pytest.mark.parametrize(
    "text", ["", "daily", "rolling", "rolling 24", "rolling 0h", "rolling 367d", "fortnight"]
)
def test_what_is_no_period_is_told_with_the_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="; write "):
        parse_period(text)
