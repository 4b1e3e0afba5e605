"""Lines of the ledger: the same for each order of the same reports, exact over time, and closed periods never change."""

from __future__ import annotations

from fractions import Fraction
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from herder.ledger.booking import Counter, Line, Period, Report, growth_of, lines_of, told_once
from herder.ledger.rates import Rate, RateList, Subject, Tier

COUNTER = Counter("attempt/1/1", "cpu", "", (("user", "ann"),))
CPU = Subject("internal", "cpu")
OPEN = (Period(0, 1_000, None),)


def rates(*prices: tuple[int, Fraction]) -> RateList:
    made = RateList()
    for from_ms, price in prices:
        made.append(Rate(id=f"from {from_ms}", subject=CPU, from_ms=from_ms, tiers=(Tier(0, price),)))
    return made


ONE = rates((0, Fraction(7, 3)))
TWO = rates((0, Fraction(7, 3)), (430, Fraction(11, 7)))


@st.composite
def reports(draw: st.DrawFn) -> list[Report]:
    """Of one counter, from 0 on, as they were made; they arrive when they like."""
    times = sorted(draw(st.sets(st.integers(0, 1_000), min_size=2, max_size=8)))
    grown = [draw(st.integers(0, 10**9)) for _ in times[1:]]
    totals = [0]
    for each in grown:
        totals.append(totals[-1] + each)
    return [
        Report("engine", str(number), at, total, at + draw(st.integers(0, 2_000)))
        for number, (at, total) in enumerate(zip(times, totals, strict=True))
    ]


def total(lines: list[Line]) -> int:
    return sum(line.pico for line in lines)


@given(reports(), st.integers(0, 2**32))
def test_order_and_repeats_change_nothing(found: list[Report], seed: int) -> None:
    shuffled = [*found, *found[::2]]
    Random(seed).shuffle(shuffled)
    assert lines_of(COUNTER, "internal", shuffled, TWO, OPEN) == lines_of(
        COUNTER, "internal", found, TWO, OPEN
    )


@given(reports(), st.integers(0, 1_000), st.integers(0, 1_000))
def test_periods_sum_to_the_whole(found: list[Report], one: int, other: int) -> None:
    """Across a change of the price too."""
    low, high = sorted((one, other))
    periods = [each for each in (Period(0, low, None), Period(low, high, None), Period(high, 1_000, None)) if each.to_ms > each.from_ms]  # fmt: skip
    whole, _ = lines_of(COUNTER, "internal", found, TWO, OPEN)
    parts, _ = lines_of(COUNTER, "internal", found, TWO, periods)
    assert total(parts) == total(whole)
    assert sum(line.quantity for line in parts) == sum(line.quantity for line in whole) == found[-1].total


@given(reports())
def test_more_reports_between_change_no_total_at_one_price(found: list[Report]) -> None:
    whole, _ = lines_of(COUNTER, "internal", [found[0], found[-1]], ONE, OPEN)
    assert total(lines_of(COUNTER, "internal", found, ONE, OPEN)[0]) == total(whole)


@given(reports(), st.integers(0, 800), st.integers(1, 600))
def test_a_closed_period_keeps_its_lines_and_all_of_them_sum_to_what_is_known(
    found: list[Report], closed: int, later: int
) -> None:
    periods = [
        Period(0, 400, 400 + closed),
        Period(400, 1_000, 1_200 + closed + later),
        Period(1_000, 9_000, None),
    ]
    lines, _ = lines_of(COUNTER, "internal", found, TWO, periods)
    known = [each for each in found if each.arrived_ms <= 400 + closed]
    then, _ = lines_of(COUNTER, "internal", known, TWO, periods[:1])
    assert [line for line in lines if line.period_ms == 0] == then
    assert total(lines) == total(lines_of(COUNTER, "internal", found, TWO, [Period(0, 9_000, None)])[0])
    assert all(line.corrects is None or line.corrects < line.period_ms for line in lines)


def test_what_has_no_price_is_unpriced_and_not_lost() -> None:
    found = [Report("e", "1", 0, 0, 0), Report("e", "2", 100, 50, 100)]
    (line,) = lines_of(COUNTER, "internal", found, rates((1_000, Fraction(1))), OPEN)[0]
    assert (line.rate, line.quantity, line.pico) == ("", 50, 0)


def test_reports_that_contradict_are_told_and_not_booked() -> None:
    found = [
        Report("e", "1", 0, 0, 0),
        Report("e", "2", 50, 90, 50),
        Report("e", "2", 50, 95, 60),
        Report("e", "3", 80, 40, 80),
        Report("e", "4", 90, -1, 90),
    ]
    kept, faults = told_once(found)
    assert [each.id for each in kept] == ["1", "2"]
    assert {(each.report.id, each.report.total) for each in faults} == {("2", 95), ("3", 40), ("4", -1)}
    assert growth_of(kept).at(25) == 45
