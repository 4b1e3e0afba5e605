"""How a sum grows: parts of days, the day on which it is reached, and too few days."""

from hypothesis import given, settings
from hypothesis import strategies as st

from herder.analysis.optimisation.growth import DAY_MS, Estimate, growth

HOUR_MS = 3_600_000
STEADY = [2400] * 20


def test_what_is_left_of_today_counts_as_that_part_of_a_day() -> None:
    grows = growth(STEADY, 10 * DAY_MS, 6 * HOUR_MS)
    assert grows is not None
    for hours in (0, 3, 6, 7, 30, 31, 240):
        assert grows.after(hours * HOUR_MS) == Estimate(*[100 * hours] * 3)


def test_when_an_amount_is_reached() -> None:
    grows = growth(STEADY, 10 * DAY_MS, 6 * HOUR_MS)
    assert grows is not None
    for hours in (3, 6, 7, 30, 31, 240):
        assert grows.reaches(grows.mean, 100 * hours, 240 * HOUR_MS) == hours * HOUR_MS
    assert grows.reaches(grows.mean, 0, HOUR_MS) == 0
    assert grows.reaches(grows.mean, 101, HOUR_MS) is None
    assert grows.reaches(grows.mean, 24_001, 240 * HOUR_MS) is None


def test_thirteen_days_are_too_few() -> None:
    assert growth(STEADY[:13], DAY_MS, DAY_MS) is None
    assert growth(STEADY[:14], DAY_MS, DAY_MS) is not None


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 10**15), min_size=14, max_size=20),
    st.integers(1, 40 * DAY_MS),
    st.integers(1, DAY_MS),
)
def test_bounds_are_around_the_mean_and_what_is_reached_has_grown(
    daily: list[int], ms: int, today_left_ms: int
) -> None:
    grows = growth(daily, ms + 1, today_left_ms)
    assert grows is not None
    found = grows.after(ms)
    assert 0 <= found.p10 <= found.mean <= found.p90
    at_ms = grows.reaches(grows.mean, found.mean // 2, ms)
    assert at_ms is not None
    assert 0 <= at_ms <= ms
    assert grows.after(max(0, at_ms - 1)).mean <= found.mean // 2 <= grows.after(at_ms + 1).mean
