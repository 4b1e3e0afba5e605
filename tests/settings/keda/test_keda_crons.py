"""Schedules of pools as windows of KEDA: open at the same minutes as Herder's own, or not written at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herder.model.fleet.schedule import Schedule
from herder.settings.keda.crons import portable, windows
from herder.settings.schedule_windows import windows as windows_of_herder
from herder.settings.sections.pool.pools import pool_from_plain
from herder.settings.syntax.cron import around

HOUR_S = 3600.0
#: Wednesday 2026-03-04 00:00 UTC, in minutes since the epoch.
BEGIN = 1_772_582_400 // 60
WEEK_MINUTES = 7 * 24 * 60


def open_in_keda(window: tuple[str, str], timezone: str, minute: int) -> bool:
    """Its rule: the window is open unless it begins again before it ends."""
    start, end = (around(cron, timezone, minute)[1] for cron in window)
    assert start is not None
    assert end is not None
    return end < start


def open_in_herder(schedules: list[Schedule], index: int, minute: int) -> bool:
    plain = [
        {"cron": each.cron, "timezone": each.timezone, "min_workers": each.min_workers, "lead_time": f"{each.lead_time_s:g}s"}
        | ({} if each.duration_s is None else {"duration": f"{each.duration_s:g}s"})
        for each in schedules
    ]  # fmt: skip
    pool = pool_from_plain(
        {"name": "p", "templates": ["small"], "membership": "none", "max_workers": 99, "schedules": plain}
    )
    now_ms = minute * 60_000
    found = [each for each in windows_of_herder(pool, now_ms) if each.schedule == schedules[index]]
    return any(each.active(now_ms) or each.leading(now_ms) for each in found)


def schedule(cron: str, lasts_h: float | None = None, lead_h: float = 0, workers: int = 1) -> Schedule:
    lasts_s = None if lasts_h is None else lasts_h * HOUR_S
    return Schedule(cron=cron, min_workers=workers, lead_time_s=lead_h * HOUR_S, duration_s=lasts_s)


@pytest.mark.parametrize(
    ("schedules", "expected"),
    [
        ([schedule("0 8 * * *", 10)], [("0 8 * * *", "0 18 * * *")]),
        ([schedule("30 18 * * *", 14)], [("30 18 * * *", "30 8 * * *")]),
        ([schedule("0 8 * * 1-5", 10)], [("0 8 * * 1-5", "0 18 * * 1-5")]),
        ([schedule("0 18 * * mon-fri", 14)], [("0 18 * * 1-5", "0 8 * * 2,3,4,5,6")]),
        ([schedule("0 18 * * 5-7", 14)], [("0 18 * * 0,5,6", "0 8 * * 0,1,6")]),
        ([schedule("0 1 * * 1", 5, lead_h=2)], [("0 23 * * 0", "0 6 * * 1")]),
        ([schedule("0 8 24 12 *", 10)], [("0 8 24 12 *", "0 18 24 12 *")]),
        ([schedule("0 8 * * *"), schedule("0 18 * * *")], [("0 8 * * *", "0 18 * * *"), ("0 18 * * *", "0 8 * * *")]),
        ([schedule("0 8 * * 1-5"), schedule("0 18 * * 1-5")], [("0 8 * * 1-5", "0 18 * * 1-5"), ("0 18 * * 1-5", "0 8 * * 1-5")]),
        ([schedule("0 6 * * *"), schedule("0 9 * * *", 1), schedule("0 12 * * *"), schedule("0 20 * * *")],
         [("0 6 * * *", "0 12 * * *"), ("0 9 * * *", "0 10 * * *"), ("0 12 * * *", "0 20 * * *"), ("0 20 * * *", "0 6 * * *")]),
    ],
)  # fmt: skip
def test_windows(schedules: list[Schedule], expected: list[tuple[str, str]]) -> None:
    assert windows(schedules) == expected


@pytest.mark.parametrize(
    "schedules",
    [
        [schedule("0 8 * * *")],
        [schedule("*/5 * * * *", 1)],
        [schedule("0 8,12 * * *", 1)],
        [schedule("0 8 * * *", 24)],
        [schedule("0 8 * * *", 20, lead_h=4)],
        [schedule("0 8 * * *", 0.001)],
        [schedule("0 8 * * *", 1, lead_h=0.001)],
        [schedule("0 18 24 12 *", 14)],
        [schedule("0 18 * 12 *", 14)],
        [schedule("0 18 * * */2", 14)],
        [schedule("0 8 * * 5#1", 1)],
        [schedule("0 8 L * *", 1)],
        [schedule("0 0 8 * * *", 1)],
        [schedule("0 8 * * *"), schedule("0 18 * * 1-5")],
        [schedule("0 8 * * *"), schedule("0 8 * * *", workers=2)],
        [schedule("0 8 * * *"), schedule("0 9,12 * * *")],
    ],
)
def test_what_keda_cannot_say_is_no_window(schedules: list[Schedule]) -> None:
    assert windows(schedules)[0] is None


def test_weekdays_are_numbers_from_0() -> None:
    assert portable("0 8 * * 7") == ("0", "8", "*", "*", "0")
    assert portable("0 8 * * SUN,wed") == ("0", "8", "*", "*", "0,3")
    assert portable("0 8 * * 6-1") == ("0", "8", "*", "*", "6-1")


_DAYS = st.sampled_from(["*", "1-5", "0", "6,0", "5-7", "tue"])
_TIMES = st.integers(0, 95).map(lambda quarter: f"{quarter % 4 * 15} {quarter // 4}")
_LENGTHS = st.one_of(st.none(), st.integers(1, 95).map(lambda quarters: quarters / 4))


@settings(max_examples=60)
@given(data=st.data(), days=_DAYS, minute=st.integers(0, WEEK_MINUTES))
def test_a_window_is_open_when_that_of_herder_is(data: st.DataObject, days: str, minute: int) -> None:
    times = data.draw(st.lists(_TIMES, min_size=1, max_size=3, unique=True))
    schedules = [
        schedule(f"{each} * * {days}", data.draw(_LENGTHS), data.draw(st.sampled_from([0, 0.25, 3])), number)
        for number, each in enumerate(times, 1)
    ]
    for index, window in enumerate(windows(schedules)):
        if window is not None:
            same = open_in_keda(window, "UTC", BEGIN + minute)
            assert same == open_in_herder(schedules, index, BEGIN + minute), (schedules[index], window)
