"""`forecast`: the models' average, weighed by what each would have said at earlier times, and intervals from what the average missed. Pure."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from herder.analysis.forecast.models import FITTED_MOST, Model, models_of
from herder.analysis.forecast.seasonal import periods_of, without_spikes

#: Earlier times at which the models are asked, at most.
ORIGINS = 12
#: Weight of a model: its error to this power, inverse.
SHARPNESS = 2.0
#: A model that errs this much more than the best has no part.
LEFT_OUT = 1.6
#: What an origin counts against the next later one.
RECENCY = 0.85
#: Of a normal distribution, 80 % lies within so many standard deviations.
_EIGHTY_PERCENT = 1.2816
#: The standard deviation of a normal distribution in mean absolute deviations.
_PER_MEAN_DEVIATION = 1.2533


@dataclass(frozen=True, slots=True)
class Forecast:
    """For each step ahead: the mean, and the bounds between which the value lies in 80 of 100 cases."""

    mean: tuple[float, ...]
    p10: tuple[float, ...]
    p90: tuple[float, ...]


def forecast(values: Sequence[float], horizon: int, season: int = 1) -> Forecast:
    """`values`: evenly spaced, oldest first, finite; at least one. `season`: values in one period, 1 for none."""
    values = list(values[-FITTED_MOST:])
    if len(values) < 3 or min(values) == max(values):
        return Forecast((values[-1],) * horizon, (values[-1],) * horizon, (values[-1],) * horizon)
    periods = periods_of(values, season)
    models = models_of(periods)
    values = without_spikes(values, periods)
    origins = _origins(len(values), horizon, periods)
    asked = [
        {name: _asked(model, values[:origin], horizon) for name, model in models.items()}
        for origin in origins
    ]
    truths = [values[origin : origin + horizon] for origin in origins]
    weights = _weights(asked, truths) if origins else dict.fromkeys(models, 1.0 / len(models))
    mean = _average({name: _asked(models[name], values, horizon) for name in weights}, weights, horizon)
    missed = [
        [truth - told for truth, told in zip(actual, _average(each, weights, horizon), strict=False)]
        for each, actual in zip(asked, truths, strict=True)
    ]
    spread = _spread(missed, values, horizon)
    floor = 0.0 if min(values) >= 0 else -math.inf
    return Forecast(
        tuple(max(floor, value) for value in mean),
        tuple(max(floor, value - width) for value, width in zip(mean, spread, strict=True)),
        tuple(max(floor, value + width) for value, width in zip(mean, spread, strict=True)),
    )


def _asked(model: Model, values: Sequence[float], horizon: int) -> list[float]:
    """Kept within what a series of this range can do: a model that runs away says the bound instead."""
    low, high = min(values), max(values)
    reach = (high - low) or abs(high) or 1.0
    return [
        min(max(value, low - reach), high + reach) if math.isfinite(value) else values[-1]
        for value in model(values, horizon)
    ]


def _origins(count: int, horizon: int, periods: tuple[int, ...]) -> list[int]:
    """Places at which the series is cut, newest last: each leaves a horizon to compare with, and enough before it to fit."""
    least = max(6, 2 * periods[-1] + 1 if periods else 6)
    step = max(1, horizon // 2)
    found = [count - horizon - step * back for back in range(ORIGINS)]
    found = [origin for origin in found if origin >= least]
    if not found and count > least:  # too short for a whole horizon: what there is of one
        found = [max(least, count - max(1, count // 4))]
    return sorted(found)


def _weights(asked: list[dict[str, list[float]]], truths: list[list[float]]) -> dict[str, float]:
    importance = [RECENCY ** (len(asked) - 1 - place) for place in range(len(asked))]
    errors = {
        name: sum(
            weight * fmean(abs(told - truth) for told, truth in zip(each[name], actual, strict=False))
            for weight, each, actual in zip(importance, asked, truths, strict=True)
        )
        for name in asked[0]
    }
    best = min(errors.values())
    if best <= 0:
        exact = [name for name, error in errors.items() if error <= 0]
        return dict.fromkeys(exact, 1.0 / len(exact))
    raw = {name: (best / error) ** SHARPNESS for name, error in errors.items() if error <= LEFT_OUT * best}
    total = sum(raw.values())
    return {name: weight / total for name, weight in raw.items()}


def _average(told: dict[str, list[float]], weights: dict[str, float], horizon: int) -> list[float]:
    return [sum(weight * told[name][step] for name, weight in weights.items()) for step in range(horizon)]


def _spread(missed: list[list[float]], values: Sequence[float], horizon: int) -> list[float]:
    """Half the width of the interval at each step."""
    steps = [abs(b - a) for a, b in itertools.pairwise(values)]
    if not missed:
        return [
            _EIGHTY_PERCENT * _PER_MEAN_DEVIATION * fmean(steps) * math.sqrt(step + 1)
            for step in range(horizon)
        ]
    errors: list[list[float]] = [[] for _ in range(horizon)]
    for each in missed:
        for step, off in enumerate(each):
            errors[step].append(abs(off))
    reach = max(1, horizon // 6)
    sizes: list[float] = []
    for step in range(horizon):
        near = [off for other in errors[max(0, step - reach) : step + reach + 1] for off in other]
        sizes.append(fmean(near) if near else (sizes[-1] if sizes else fmean(steps)))
    pooled = sorted(off / size for step, size in enumerate(sizes) if size > 0 for off in errors[step])
    if not pooled:
        return [0.0] * horizon
    few = 1 + 0.5 / len(missed)
    ratio = pooled[min(len(pooled) - 1, int(0.8 * len(pooled)))] * few
    return [size * ratio for size in sizes]
