"""Figures as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.model.values.times import iso
from herder.web.formatting import ago, change, cores, gib, milliseconds, percent, sparkline, usd

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("before_s", "words"),
    [
        (0, "just now"),
        (1, "just now"),
        (42, "42 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7199, "120 min ago"),
        (7200, "2 h ago"),
        (86400 * 3, "3 d ago"),
        (-90, "in 90 s"),
        (-1, "just now"),
    ],
)
def test_ages(before_s: int, words: str) -> None:
    assert ago(iso(NOW - before_s * 1000), NOW) == words


@given(st.integers(0, 4_000_000_000_000))
def test_times_are_read_as_they_were_written(at_ms: int) -> None:
    assert milliseconds(iso(at_ms)) == at_ms


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0", "$0.00"),
        ("0.0042", "$0.0042"),
        ("0.00000001", "<$0.0001"),
        ("1234.5", "$1,234.50"),
        ("0.12", "$0.12"),
    ],
)
def test_money_is_never_shown_as_nothing(text: str, shown: str) -> None:
    assert usd(text) == shown


def test_sizes() -> None:
    assert [cores(7800), cores(16000), cores(250), cores(0)] == ["7.8", "16", "0.25", "0"]
    assert [gib(15360), gib(7680), gib(0)] == ["15", "7.5", "0"]


def test_a_share_of_nothing_is_nothing() -> None:
    assert [percent(1, 0), percent(1, 2), percent(3, 2)] == [0, 50, 100]


def test_changes_say_over_which_time() -> None:
    assert change([3, 9], 840) == "up 6 in 14 min"
    assert change([9, 3], 40) == "down 6 in 40 s"
    assert change([4, 9, 4], 840) == "unchanged in 14 min"
    assert change([4], 0) == "no trend yet"


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=900))
def test_a_sparkline_stays_in_its_box_and_ends_with_the_last_value(values: list[int]) -> None:
    points = [tuple(map(float, point.split(","))) for point in sparkline(values).split()]
    assert len(points) <= 62
    assert all(0 <= x <= 120 and 0 <= y <= 28 for x, y in points)
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert points[-1][0] == 120.0
    assert points[-1][1] == pytest.approx(26 - values[-1] * 24 / max(*values, 1), abs=0.06)


def test_nothing_is_drawn_of_one_value() -> None:
    assert sparkline([7]) == ""
