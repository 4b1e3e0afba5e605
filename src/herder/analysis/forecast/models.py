"""The models that are averaged. Each takes the values so far and answers the next `horizon` of them; none looks at the others. Pure.

They differ on purpose: what repeats (seasonal), what goes on (damped trend, Theta), what follows from the last values (autoregression).
Sources: Holt's method with a damped trend (Gardner and McKenzie 1985), the Theta method in its form as smoothing with drift (Hyndman and
Billah 2003), autoregression by least squares with a small ridge.
"""

from collections.abc import Callable, Sequence
from functools import partial
from operator import mul
from statistics import fmean

from herder.analysis.forecast.seasonal import NONE, Seasonal, decompose

Values = Sequence[float]
Model = Callable[[Values, int], list[float]]

#: Values that are fitted at most: older ones say little, and cost time.
FITTED_MOST = 2_500
_ALPHAS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
_BETAS = (0.02, 0.1, 0.25)
_DAMPED = 0.9
_RIDGE = 1e-4


def models_of(periods: tuple[int, ...]) -> dict[str, Model]:
    """By name. `periods`: what the series shows, shortest first."""
    longest = periods[-1] if periods else 1
    found: dict[str, Model] = {
        "last value": lambda values, horizon: [values[-1]] * horizon,
        "level": partial(_adjusted, longest, _level),
        "damped trend": partial(_adjusted, longest, _damped_trend),
        "theta": partial(_adjusted, longest, _theta),
        "autoregression": partial(_adjusted, longest, partial(_autoregression, periods, 0)),
        "autoregression of changes": partial(_adjusted, longest, partial(_autoregression, periods, 1)),
    }
    for period in periods:
        found[f"last {period}"] = partial(_last, period)
        found[f"repeats {period}"] = partial(_repeats, period)
        found[f"changes over {period}"] = partial(_autoregression, periods, period)
    if len(periods) > 1:
        found["damped trend, short season"] = partial(_adjusted, periods[0], _damped_trend)
    return found


def _adjusted(period: int, model: Model, values: Values, horizon: int) -> list[float]:
    """`model` on the series without its season."""
    seasonal: Seasonal = decompose(values, period) if period > 1 else NONE
    return seasonal.put_back(model(seasonal.without(values), horizon), len(values))


def _last(period: int, values: Values, horizon: int) -> list[float]:
    return [values[len(values) - period + step % period] for step in range(horizon)]


def _repeats(period: int, values: Values, horizon: int) -> list[float]:
    """The last periods once more: each phase is its own series, smoothed, most of it the last one."""
    found = []
    for step in range(horizon):
        phase = values[(len(values) + step) % period :: period]
        smoothed = phase[0]
        for value in phase[1:]:
            smoothed += 0.6 * (value - smoothed)
        found.append(smoothed)
    return found


def _level(values: Values, horizon: int) -> list[float]:
    return [_best_level(values)[0]] * horizon


def _best_level(values: Values) -> tuple[float, float]:
    """(the last level, the smoothing) of the smoothing that errs least one step ahead."""
    found = [(*_smooth(values, alpha), alpha) for alpha in _ALPHAS]
    level, _, alpha = min(found, key=lambda each: each[1])
    return level, alpha


def _smooth(values: Values, alpha: float) -> tuple[float, float]:
    """(the last level, the squared error of one step)."""
    level, error = fmean(values[: min(10, len(values))]), 0.0
    for value in values:
        off = value - level
        error += off * off
        level += alpha * off
    return level, error


def _theta(values: Values, horizon: int) -> list[float]:
    """Smoothing, and half of the slope of a straight line through all values."""
    count = len(values)
    middle = (count - 1) / 2
    spread = count * (count * count - 1) / 12
    slope = sum((t - middle) * value for t, value in enumerate(values)) / spread if spread else 0.0
    level, alpha = _best_level(values)
    rest = (1 - (1 - alpha) ** count) / alpha
    return [level + slope / 2 * (step + rest) for step in range(horizon)]


def _damped_trend(values: Values, horizon: int) -> list[float]:
    level, trend = min(
        (_holt(values, alpha, beta) for alpha in _ALPHAS for beta in _BETAS), key=lambda each: each[2]
    )[:2]
    found, ahead, factor = [], 0.0, 1.0
    for _ in range(horizon):
        factor *= _DAMPED
        ahead += factor * trend
        found.append(level + ahead)
    return found


def _holt(values: Values, alpha: float, beta: float) -> tuple[float, float, float]:
    """(level, trend, squared error of one step)."""
    head = min(10, len(values))
    level = values[0]
    trend = (values[head - 1] - values[0]) / (head - 1) if head > 1 else 0.0
    error = 0.0
    for value in values[1:]:
        expected = level + _DAMPED * trend
        off = value - expected
        error += off * off
        level = expected + alpha * off
        trend = _DAMPED * trend + alpha * beta * off
    return level, trend, error


def _autoregression(periods: tuple[int, ...], apart: int, values: Values, horizon: int) -> list[float]:
    """Least squares on the last values and those of the same phase before. `apart`: differences of values that far apart (0: the values)."""
    values = list(values[-FITTED_MOST:])
    series = values if apart == 0 else [b - a for a, b in zip(values, values[apart:], strict=False)]
    lags = _lags(len(series), periods)
    if not lags:
        return [values[-1]] * horizon
    mean = 0.0 if apart else fmean(series)
    centred = [value - mean for value in series]
    weights = _fitted(centred, lags)
    for _ in range(horizon):
        centred.append(sum(weight * centred[-lag] for weight, lag in zip(weights, lags, strict=True)))
    if apart == 0:
        return [mean + value for value in centred[-horizon:]]
    for change in centred[-horizon:]:
        values.append(values[-apart] + change)
    return values[-horizon:]


def _lags(count: int, periods: tuple[int, ...]) -> list[int]:
    """The last values (more of them in a long series), and around each period."""
    near = list(range(1, min(6, count // 10) + 1))
    seasonal = [
        lag for period in periods for lag in (period - 1, period, period + 1) if lag > 0 and 3 * lag < count
    ]
    return sorted({*near, *seasonal})


def _fitted(centred: list[float], lags: list[int]) -> list[float]:
    longest = lags[-1]
    columns = [centred[longest - lag : len(centred) - lag] for lag in lags]
    wanted = centred[longest:]
    matrix = [[sum(map(mul, one, other)) for other in columns] for one in columns]
    right = [sum(map(mul, one, wanted)) for one in columns]
    for place, row in enumerate(matrix):
        row[place] = row[place] * (1 + _RIDGE) + 1e-12
    return _solved(matrix, right)


def _solved(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Gauss with pivots. The matrix is positive definite by its ridge."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for column in range(size):
        pivot = max(range(column, size), key=lambda place: abs(rows[place][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column][column]
        if abs(head) < 1e-300:
            continue
        for place in range(column + 1, size):
            factor = rows[place][column] / head
            if factor:
                rows[place] = [a - factor * b for a, b in zip(rows[place], rows[column], strict=True)]
    found = [0.0] * size
    for place in reversed(range(size)):
        head = rows[place][place]
        rest = rows[place][size] - sum(rows[place][k] * found[k] for k in range(place + 1, size))
        found[place] = rest / head if abs(head) >= 1e-300 else 0.0
    return found
