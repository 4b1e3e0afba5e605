"""Use by day: nothing depends on the order of reports, days sum to the counter, and a closed month keeps what it had."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from herder.ledger.metering import (
    Point,
    UsageEvent,
    added,
    booked_in,
    counter_days,
    growth_by_day,
    metered_days,
)
from herder.ledger.quantities import DAY_MS

NOVEMBER = 1_793_491_200_000
CLOSED = {"2026-11": NOVEMBER + 32 * DAY_MS, "2026-12": NOVEMBER + 63 * DAY_MS}


def event(
    at_ms: int, amount: int, *, counter: str = "c", arrived_ms: int | None = None, name: str = ""
) -> UsageEvent:
    return UsageEvent(
        "s", name or f"{at_ms}", "network.inter", at_ms, at_ms if arrived_ms is None else arrived_ms, "", "", "p", "ann", counter, amount
    )  # fmt: skip


@st.composite
def reports(draw: st.DrawFn, days: int = 70) -> list[UsageEvent]:
    """Of one counter; they arrive when they like, up to 40 days late."""
    times = sorted(draw(st.lists(st.integers(0, days * DAY_MS), min_size=1, max_size=8, unique=True)))
    total, found = 0, []
    for number, at in enumerate(times):
        total += draw(st.integers(0, 10**12))
        late = draw(st.integers(0, 40 * DAY_MS))
        found.append(event(NOVEMBER + at, total, arrived_ms=NOVEMBER + at + late, name=str(number)))
    return found


def test_a_counter_that_grows_over_midnight_is_split_by_time() -> None:
    begin = Point(NOVEMBER + DAY_MS // 2, 10)
    end = Point(NOVEMBER + 3 * DAY_MS, 60)
    days = growth_by_day(None, [begin, end])
    assert days == {NOVEMBER: 10 + 10, NOVEMBER + DAY_MS: 20, NOVEMBER + 2 * DAY_MS: 20}


@given(reports(), st.randoms(use_true_random=False))
def test_order_changes_nothing_and_the_days_sum_to_the_counter(
    found: list[UsageEvent], random: object
) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    days = metered_days(shuffled, CLOSED)
    assert days == metered_days(found, CLOSED)
    assert sum(each.quantity for each in days) == found[-1].amount


@given(reports())
def test_a_closed_month_keeps_what_it_had_and_all_months_sum_to_what_is_known(
    found: list[UsageEvent],
) -> None:
    whole = counter_days(found, CLOSED)
    for month, closed_ms in CLOSED.items():
        earlier = [each for each in found if each.arrived_ms <= closed_ms]
        then = counter_days(earlier, {name: at for name, at in CLOSED.items() if at < closed_ms})
        assert {day: n for day, n in whole.items() if day[1] == month and n} == {
            day: n for day, n in then.items() if day[1] == month and n
        }
    by_day: dict[int, int] = defaultdict(int)
    for (day_ms, _), quantity in whole.items():
        by_day[day_ms] += quantity
    known = growth_by_day(None, sorted(each.point for each in found))
    assert {day: n for day, n in by_day.items() if n} == known


@given(reports())
def test_what_each_report_adds_as_it_arrives_is_what_all_of_them_give(found: list[UsageEvent]) -> None:
    """As the server does it: from the reports before and after the new one alone."""
    kept: dict[tuple[int, str], int] = defaultdict(int)
    known: list[Point] = []
    for each in sorted(found, key=lambda report: report.arrived_ms):
        before = max((point for point in known if point <= each.point), default=None)
        after = min((point for point in known if point > each.point), default=None)
        rest = [] if after is None else [after]
        old, new = growth_by_day(before, rest), growth_by_day(before, [each.point, *rest])
        for day_ms, quantity in added(old, new).items():
            kept[day_ms, booked_in(day_ms, each.arrived_ms, CLOSED)] += quantity
        known.append(each.point)
    whole = counter_days(found, CLOSED)
    assert {day: n for day, n in kept.items() if n} == {day: n for day, n in whole.items() if n}


@given(
    st.lists(
        st.tuples(st.integers(0, 70 * DAY_MS), st.integers(0, 40 * DAY_MS), st.integers(0, 10**9)),
        max_size=30,
    ),
)
def test_plain_use_is_booked_on_its_day_or_in_the_first_open_month(
    uses: list[tuple[int, int, int]],
) -> None:
    found = [
        event(NOVEMBER + at, amount, counter="", arrived_ms=NOVEMBER + at + late, name=str(number))
        for number, (at, late, amount) in enumerate(uses)
    ]
    days = metered_days(found, CLOSED)
    assert days == metered_days(found[::-1], CLOSED)
    assert sum(each.quantity for each in days) == sum(amount for _, _, amount in uses)
    for month, closed_ms in CLOSED.items():
        then = [
            each
            for each in metered_days([e for e in found if e.arrived_ms <= closed_ms], CLOSED)
            if each.booked == month
        ]
        assert [each for each in days if each.booked == month] == then
