"""Schedules: from cron expressions in time zones to windows, and from windows to limits; also on days when clocks change."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.schedule import Schedule
from herder.model.planning.observed import Observed
from herder.model.planning.plan import ReasonKind
from herder.settings.schedule_windows import pool_in_force, windows
from herder.settings.syntax.cron import around, fault
from tests.planning.world import creations, drains, idle, observed, pool, worker

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def utc(at_ms: int | None) -> str:
    assert at_ms is not None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()[:16]


DAY = Schedule(
    cron="0 8 * * 1-5", timezone="Europe/Berlin", min_workers=4, lead_time_s=600.0, duration_s=10 * 3600.0
)
OFFICE = pool(min_workers=1, max_workers=6, schedules=(DAY,))


def minimum(spec: PoolSpec, when: str) -> int:
    return pool_in_force(spec, at(when)).size.min_workers


def test_a_window_begins_at_its_start_and_its_minimum_a_lead_before() -> None:
    assert minimum(OFFICE, "2026-03-04T07:49:59") == 1
    assert minimum(OFFICE, "2026-03-04T07:50:00") == 4
    assert minimum(OFFICE, "2026-03-04T08:00:00") == 4
    assert minimum(OFFICE, "2026-03-04T17:59:59") == 4
    assert minimum(OFFICE, "2026-03-04T18:00:00") == 1
    assert minimum(OFFICE, "2026-03-07T12:00:00") == 1  # a Saturday


def test_without_a_duration_a_schedule_holds_until_the_next_one_starts() -> None:
    day = Schedule(cron="0 8 * * *", timezone="Europe/Berlin", min_workers=4, max_workers=8)
    night = Schedule(cron="0 20 * * *", timezone="Europe/Berlin", min_workers=0, max_workers=2)
    spec = pool(min_workers=1, max_workers=6, schedules=(day, night))
    for when, limits in (("08:00", (4, 8)), ("19:59", (4, 8)), ("20:00", (0, 2)), ("07:59", (0, 2))):
        seen = pool_in_force(spec, at(f"2026-03-04T{when}:00"))
        assert (seen.size.min_workers, seen.size.max_workers) == limits


def test_in_the_lead_the_maximum_gives_way_to_the_coming_minimum() -> None:
    rush = replace(DAY, min_workers=9, max_workers=12)
    spec = replace(OFFICE, size=replace(OFFICE.size, schedules=(rush,)))
    seen = pool_in_force(spec, at("2026-03-04T07:55:00"))
    assert (seen.size.min_workers, seen.size.max_workers) == (9, 9)
    assert pool_in_force(spec, at("2026-03-04T08:00:00")).size.max_workers == 12


@pytest.mark.parametrize(
    ("day", "start"),
    [
        ("2026-03-28", "2026-03-28T07:00"),
        ("2026-03-29", "2026-03-29T06:00"),
        ("2026-10-25", "2026-10-25T07:00"),
    ],
)
def test_eight_o_clock_is_eight_o_clock_on_days_when_clocks_change(day: str, start: str) -> None:
    """Berlin is an hour ahead of UTC in winter and two in summer; clocks change on 29 March and 25 October 2026."""
    daily = replace(DAY, cron="0 8 * * *")
    (window,) = (
        each
        for each in windows(pool(schedules=(daily,)), at(f"{day}T12:00:00"))
        if each.active(at(f"{day}T12:00:00"))
    )
    assert utc(window.start_ms) == start


def test_an_hour_that_is_left_out_is_made_up_for_and_one_that_comes_twice_counts_once() -> None:
    minute = at("2026-03-29T12:00:00") // 60_000
    assert (
        utc(around("30 2 * * *", "Europe/Berlin", minute)[0]) == "2026-03-29T01:00"
    )  # 03:00, right after the gap
    starts = set()
    for hour in range(24):
        start = around("30 2 * * *", "Europe/Berlin", at("2026-10-24T23:00:00") // 60_000 + hour * 60)[0]
        starts.add(start)
    day = {utc(start) for start in starts if utc(start).startswith("2026-10-25")}
    assert day == {"2026-10-25T00:30"}


def test_windows_last_their_duration_through_a_change_of_clocks() -> None:
    night = Schedule(cron="0 22 * * *", timezone="Europe/Berlin", min_workers=3, duration_s=8 * 3600.0)
    spec = pool(max_workers=6, schedules=(night,))
    assert minimum(spec, "2026-03-29T06:59:00") == 3  # 22:00 + 8 h is 07:00 in the short night
    assert minimum(spec, "2026-03-29T07:00:00") == 0
    assert minimum(spec, "2026-10-25T04:59:00") == 3  # and 05:00 in the long one
    assert minimum(spec, "2026-10-25T05:00:00") == 0


@given(
    st.integers(1_700_000_000, 1_900_000_000),
    st.sampled_from(["Europe/Berlin", "America/New_York", "UTC", "Asia/Kolkata"]),
)
def test_the_last_start_is_not_after_now_and_the_next_is(now_s: int, zone: str) -> None:
    for cron in ("0 8 * * 1-5", "*/15 * * * *", "30 2 * * *"):
        before, after = around(cron, zone, now_s // 60)
        assert before is not None
        assert after is not None
        assert before <= now_s * 1000 < after


@pytest.mark.parametrize(
    ("cron", "zone", "word"),
    [
        ("0 8 * *", "UTC", "not a cron expression"),
        ("61 8 * * *", "UTC", "not a cron expression"),
        ("0 8 * * *", "Mars/Olympus", "not a time zone"),
        ("0 8 31 2 *", "UTC", "never"),
        ("0 8 * * *", "../etc/passwd", "not a time zone"),
    ],
)
def test_what_cannot_be_read_is_told(cron: str, zone: str, word: str) -> None:
    said = fault(cron, zone)
    assert said is not None
    assert word in said or "not a cron expression" in said


def planned(spec: PoolSpec, when: str, *workers: object) -> Observed:
    now = at(when)
    seen = observed([spec], list(workers))  # type: ignore[arg-type]
    return replace(
        seen, workers_as_of_ms=now, demand_as_of_ms=now, windows=((spec.name, windows(spec, now)),)
    )


def test_the_planner_makes_the_workers_of_a_schedule_and_says_which() -> None:
    seen = planned(OFFICE, "2026-03-04T07:55:00")
    plan = decide(seen, at("2026-03-04T07:55:00"))
    assert check_plan(seen, plan) == ()
    assert len(creations(plan)) == 4
    reason = plan.pools[0].reasons[0]
    assert reason.kind is ReasonKind.SCHEDULED
    assert "0 8 * * 1-5" in reason.text
    assert "flips" in dict(reason.evidence)


def test_idle_workers_stay_for_the_window_and_go_after_it() -> None:
    spec = replace(OFFICE, scale_down=replace(OFFICE.scale_down, idle_timeout_s=0.0))
    for when, gone in (("2026-03-04T12:00:00", 0), ("2026-03-04T18:00:00", 3)):
        now = at(when)
        workers = [
            replace(idle(n, spec), idle_since_ms=now - 1, requested_at_ms=now - n) for n in range(1, 5)
        ]
        assert len(drains(decide(planned(spec, when, *workers), now))) == gone


def test_a_lower_maximum_of_a_window_lets_the_surplus_go() -> None:
    night = Schedule(
        cron="0 20 * * *", timezone="Europe/Berlin", min_workers=0, max_workers=2, duration_s=3600.0
    )
    spec = pool(max_workers=6, schedules=(night,))
    workers = [worker(n, spec) for n in range(1, 6)]
    when = "2026-03-04T20:10:00"
    plan = decide(planned(spec, when, *workers), at(when))
    assert [drain.reason.kind for drain in drains(plan)] == [ReasonKind.ABOVE_MAXIMUM] * 3
