"""Starts of schedules on the days when clocks change, in every zone that does it in a way of its own.

What is compared with walks through real time minute by minute and reads the clock on the wall, as cron itself does; it shares
nothing with `settings/syntax/cron.py`, neither the reading of an expression nor the arithmetic of days.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.settings.syntax.cron import around, fault

#: Each with a day on which its clocks change, by an hour or less, at an hour of their own, forwards and backwards.
CHANGES = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("America/St_Johns", "2026-03-08"),
    ("America/St_Johns", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Africa/Casablanca", "2026-02-15"),
    ("Africa/Casablanca", "2026-03-22"),
    ("America/Havana", "2026-03-08"),
    ("America/Havana", "2026-11-01"),
    ("Africa/Cairo", "2026-04-24"),
    ("Africa/Cairo", "2026-10-30"),
    ("Atlantic/Azores", "2026-03-29"),
    ("Atlantic/Azores", "2026-10-25"),
    ("Asia/Kathmandu", "2026-03-29"),
    ("UTC", "2026-03-29"),
]
_MINUTE = timedelta(minutes=1)


def _field(text: str, least: int, most: int) -> set[int]:
    found: set[int] = set()
    for term in text.split(","):
        spread, _, step = term.partition("/")
        first, _, last = spread.partition("-")
        if spread == "*":
            low, high = least, most
        elif last:
            low, high = int(first), int(last)
        else:
            low = high = int(first)
            high = most if step else high
        found |= set(range(low, high + 1, int(step or 1)))
    return found


class _Cron:
    def __init__(self, text: str) -> None:
        minute, hour, day, month, weekday = text.split()
        self.minutes, self.hours = _field(minute, 0, 59), _field(hour, 0, 23)
        self.days, self.months = _field(day, 1, 31), _field(month, 1, 12)
        self.weekdays = {each % 7 for each in _field(weekday, 0, 7)}
        self.both = day.startswith("*") or weekday.startswith("*")
        self.every = minute.startswith("*") or hour.startswith("*")

    def shows(self, wall: datetime) -> bool:
        by_day, by_week = wall.day in self.days, wall.isoweekday() % 7 in self.weekdays
        fits = by_day and by_week if self.both else by_day or by_week
        return wall.minute in self.minutes and wall.hour in self.hours and wall.month in self.months and fits


@lru_cache(maxsize=64)
def _walls(zone: str, day: str) -> list[tuple[int, datetime]]:
    """(minute since the epoch, what the clock shows) of the five days around."""
    middle = int(datetime.fromisoformat(f"{day}T12:00+00:00").timestamp()) // 60
    known = ZoneInfo(zone)
    return [
        (at, datetime.fromtimestamp(at * 60, UTC).astimezone(known).replace(tzinfo=None, fold=0))
        for at in range(middle - 3 * 1440, middle + 3 * 1440)
    ]


@lru_cache(maxsize=256)
def enumerated(text: str, zone: str, day: str) -> list[int]:
    """Minutes since the epoch. Debian's rules: what names neither every minute nor every hour follows the clock on the wall, so
    that what it leaps over comes right after, and what it shows twice comes once; the rest follows the time that passes."""
    cron, starts, shown = _Cron(text), [], set()
    before: datetime | None = None
    for at, wall in _walls(zone, day):
        if cron.every:
            if cron.shows(wall):
                starts.append(at)
        else:
            due = cron.shows(wall) and wall not in shown
            missed = before + _MINUTE if before is not None else wall
            while missed < wall:  # the clock has leapt
                due = due or cron.shows(missed)
                missed += _MINUTE
            shown.add(wall)
            if due:
                starts.append(at)
        before = wall
    return starts


def compare(text: str, zone: str, day: str, look_at: int) -> None:
    walls, starts = _walls(zone, day), enumerated(text, zone, day)
    now = walls[1440][0] + look_at
    before, after = around(text, zone, now)
    near = [each for each in starts if each <= now]
    far = [each for each in starts if each > now]
    if near:
        assert before == near[-1] * 60_000, (text, zone, day, now)
    else:
        assert before is None or before < walls[0][0] * 60_000
    if far:
        assert after == far[0] * 60_000, (text, zone, day, now)
    else:
        assert after is None or after > walls[-1][0] * 60_000


def _numbers(least: int, most: int) -> st.SearchStrategy[str]:
    one = st.integers(least, most).map(str)
    span = st.tuples(st.integers(least, most - 1), st.integers(1, most - least)).map(
        lambda pair: f"{pair[0]}-{min(most, sum(pair))}"
    )
    step = st.integers(2, 30)
    stepped = st.tuples(span, step).map(lambda pair: f"{pair[0]}/{pair[1]}")
    return st.one_of(
        st.just("*"),
        one,
        one,
        span,
        stepped,
        step.map("*/{}".format),
        st.lists(one, min_size=2, max_size=4).map(",".join),
    )


expressions = st.tuples(
    _numbers(0, 59),
    st.one_of(_numbers(0, 3), _numbers(0, 23)),
    st.one_of(st.just("*"), _numbers(1, 28)),
    st.just("*"),
    st.one_of(st.just("*"), _numbers(0, 7)),
).map(" ".join)


@given(expressions, st.sampled_from(CHANGES), st.integers(0, 3 * 1440))
def test_any_expression_on_the_days_on_which_clocks_change(
    text: str, change: tuple[str, str], look_at: int
) -> None:
    assert fault(text, change[0]) is None
    compare(text, *change, look_at)


@pytest.mark.parametrize(("zone", "day"), CHANGES)
@pytest.mark.parametrize(
    "text",
    [
        "30 2 * * *",
        "15 1 * * *",
        "0 0 * * *",
        "30 0 * * *",
        "0 * * * *",
        "*/20 * * * *",
        "*/15 1-3 * * *",
        "10,40 0-4 * * *",
        "0 8 * * 1-5",
    ],
)
def test_the_usual_forms_at_every_half_hour(text: str, zone: str, day: str) -> None:
    for look_at in range(7, 3 * 1440, 30):
        compare(text, zone, day, look_at)
