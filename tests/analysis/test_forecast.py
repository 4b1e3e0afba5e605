"""Forecasts: what repeats is repeated, what grows goes on, ranges hold what they promise, and odd input is answered."""

import math
import random
from itertools import pairwise

import pytest

from herder.analysis.forecast.combination import Forecast, forecast
from herder.analysis.forecast.seasonal import decompose, periods_of

WEEKDAYS = (100, 104, 103, 101, 90, 40, 35)


def days(count: int, noise: float = 0.0, growth: float = 0.0, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [WEEKDAYS[t % 7] * (1 + growth * t) * (1 + chance.gauss(0, noise)) for t in range(count)]


def smape(told: Forecast, truth: list[float]) -> float:
    return sum(200 * abs(a - b) / (a + b) for a, b in zip(told.mean, truth, strict=True)) / len(truth)


def test_a_pattern_that_repeats_exactly_is_repeated() -> None:
    told = forecast(days(70), 14, 7)
    assert told.mean == pytest.approx(WEEKDAYS * 2, rel=0.01)
    assert all(low <= mean <= high for low, mean, high in zip(told.p10, told.mean, told.p90, strict=True))


def test_a_pattern_with_noise_is_kept() -> None:
    series = days(210, noise=0.02)
    assert smape(forecast(series[:-14], 14, 7), series[-14:]) < 4


@pytest.mark.parametrize("count", [42, 70, 210])
@pytest.mark.parametrize("at", [3, 10, 20, 25])
@pytest.mark.parametrize("factor", [0.0, 5.0, 100.0])
def test_one_spike_does_not_hide_the_season(count: int, at: int, factor: float) -> None:
    series = days(count, noise=0.02)
    series[-at] *= factor
    assert periods_of(series, 7) == (7,)
    told = forecast(series, 14, 7)
    assert smape(told, [float(each) for each in WEEKDAYS] * 2) < 15


@pytest.mark.parametrize("at", [1, 5, 30])
def test_one_spike_of_a_flat_series_is_not_repeated(at: int) -> None:
    series = [100.0] * 60
    series[-at] = 10_000.0
    assert forecast(series, 14).mean == pytest.approx([100.0] * 14)


def test_a_season_of_a_spike_each_week_is_no_odd_one() -> None:
    assert periods_of([500.0 if day % 7 == 3 else 10.0 + day % 2 for day in range(70)], 7) == (7,)


def test_noise_and_one_spike_have_no_season() -> None:
    shown = 0
    for seed in range(100):
        chance = random.Random(seed)
        series = [100 + chance.gauss(0, 10) for _ in range(70)]
        series[40] *= 20
        shown += bool(periods_of(series, 7))
    assert shown <= 12, "of a test at 10 %"


def test_growth_goes_on() -> None:
    series = days(280, noise=0.01, growth=0.01)
    told = forecast(series[:-28], 28, 7)
    assert smape(told, series[-28:]) < 5
    assert sum(told.mean[-7:]) > sum(series[-35:-28])


def test_hours_have_days_and_weeks() -> None:
    def load(hour: int) -> float:
        weekend = 0.4 if hour // 24 % 7 > 4 else 1.0
        return (50 + 40 * math.sin(hour % 24 / 24 * 2 * math.pi)) * weekend + 5

    series = [load(hour) for hour in range(24 * 7 * 5)]
    assert periods_of(series, 24) == (24, 168)
    told = forecast(series[:-48], 48, 24)
    assert smape(told, series[-48:]) < 5


def test_80_of_100_values_lie_within_the_range() -> None:
    inside = total = 0
    for seed in range(40):
        series = days(147, noise=0.1, seed=seed)
        told = forecast(series[:-14], 14, 7)
        inside += sum(
            low <= value <= high for low, high, value in zip(told.p10, told.p90, series[-14:], strict=True)
        )
        total += 14
    assert 0.72 <= inside / total <= 0.88


def test_a_range_of_a_random_walk_widens() -> None:
    chance = random.Random(3)
    series = [100.0]
    for _ in range(300):
        series.append(series[-1] + chance.gauss(0, 1))
    told = forecast(series, 30)
    widths = [high - low for low, high in zip(told.p10, told.p90, strict=True)]
    assert widths[-1] > 2 * widths[0]


@pytest.mark.parametrize(
    "series", [[5.0], [5.0, 7.0], [0.0] * 30, [1e29, 1e29, 1e28], [3.0] * 100, [-5.0, 2.0, -7.0, 1.0]]
)
@pytest.mark.parametrize("season", [1, 7, 5000])
def test_short_flat_and_huge_series_have_finite_forecasts(series: list[float], season: int) -> None:
    told = forecast(series, 20, season)
    for values in (told.mean, told.p10, told.p90):
        assert len(values) == 20
        assert all(math.isfinite(value) for value in values)
    assert all(low <= high for low, high in zip(told.p10, told.p90, strict=True))


def test_costs_are_never_forecast_below_zero() -> None:
    told = forecast([100.0 - t for t in range(100)], 60)
    assert min(told.p10) >= 0


def test_a_series_that_became_flat_stays_flat() -> None:
    chance = random.Random(5)
    series = [chance.uniform(0, 9000) for _ in range(400)] + [76.6] * 200
    assert forecast(series, 24).mean == pytest.approx([76.6] * 24, rel=0.05)


def test_indices_average_to_one() -> None:
    seasonal = decompose(days(70), 7)
    assert sum(seasonal.indices) == pytest.approx(7)
    flat = seasonal.without(days(70))
    assert max(abs(b - a) for a, b in pairwise(flat)) < 1e-6
    assert seasonal.put_back(flat[-7:], 63) == pytest.approx(days(70)[-7:])
