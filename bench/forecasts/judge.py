"""Forecasts as the M4 competition judges them: the symmetric error in per cent over the horizon, and how many values lie within the interval of 80 %."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from herder.analysis.forecast.combination import Forecast, forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """`most`: values that are known at an origin, as M4's series have; `step`: from one origin to the next."""

    name: str
    horizon: int
    season: int
    most: int
    step: int
    origins: int


HOURLY = Way(name="hourly", horizon=48, season=24, most=960, step=31, origins=24)
WEEKLY = Way(name="weekly", horizon=13, season=1, most=2_500, step=7, origins=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    forecasts: int
    smape: float
    naive: float
    """The same of the last season again (the last value where there is none)."""
    covered: float
    """Per cent."""


def smape(told: Sequence[float], truth: Sequence[float]) -> float:
    """Per cent, as in the M4 competition; both zero is no error."""
    return fmean(
        200 * abs(a - b) / (abs(a) + abs(b)) if a or b else 0.0 for a, b in zip(told, truth, strict=True)
    )


def judge(series: Mapping[str, Sequence[float]], way: Way) -> dict[str, Judged]:
    """By series."""
    return {name: _judged(values, way) for name, values in series.items()}


def mean_of(found: Sequence[Judged]) -> Judged:
    """Each series counts alike, as in M4."""
    return Judged(
        forecasts=sum(each.forecasts for each in found),
        smape=fmean(each.smape for each in found),
        naive=fmean(each.naive for each in found),
        covered=fmean(each.covered for each in found),
    )


def _judged(values: Sequence[float], way: Way) -> Judged:
    errors, naive, inside = [], [], []
    for back in range(way.origins):
        origin = len(values) - way.horizon - back * way.step
        if origin < len(values) // 2:
            break
        known, truth = values[max(0, origin - way.most) : origin], values[origin : origin + way.horizon]
        told = forecast(known, way.horizon, way.season)
        errors.append(smape(told.mean, truth))
        naive.append(smape([known[step % way.season - way.season] for step in range(way.horizon)], truth))
        inside.append(fmean(_inside(told, truth)))
    return Judged(forecasts=len(errors), smape=fmean(errors), naive=fmean(naive), covered=100 * fmean(inside))


def _inside(told: Forecast, truth: Sequence[float]) -> list[bool]:
    return [low <= value <= high for low, value, high in zip(told.p10, truth, told.p90, strict=True)]
