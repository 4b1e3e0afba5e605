"""The score of the Numenta Anomaly Benchmark (Lavin and Ahmad 2015), profile `standard`, and series with anomalies that were put into them. The benchmark's own data are not here.

A window around each anomaly is a tenth of its series, shared by the anomalies of the series. The first detection in a window earns up to 1, more the earlier it is; a window
without one costs 1; a detection outside costs 0.11 times what its distance from the last window is worth. One threshold for all series is chosen, as the benchmark does. 0 is a
detector that says nothing, 100 a perfect one.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.forecasts.series import WEEK_H
from herder.analysis.anomalies.scores import scores

WINDOWS_PART, LEARNING_PART, LEARNING_MOST = 0.1, 0.15, 750
FALSE_ALARM = 0.11
#: Of one series, and what is put into it: (name, place as a part of the series).
POINTS = 4_000
PUT_IN = (("spike", 0.3), ("shift", 0.55), ("stuck", 0.8))


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    values: list[float]
    windows: list[tuple[int, int]]
    """First and last point."""


def score(found: Sequence[tuple[Labelled, Sequence[float]]]) -> tuple[float, float]:
    """(the score at the best threshold, that threshold). `found`: each series with the score of each of its points."""
    thresholds = sorted({round(each, 2) for _, told in found for each in told if each > 0})
    perfect = sum(len(labelled.windows) for labelled, _ in found) * _worth(-1.0)
    silent = -sum(len(labelled.windows) for labelled, _ in found)
    best, at = 0.0, math.inf
    for threshold in thresholds:
        raw = sum(_raw(labelled, told, threshold) for labelled, told in found)
        normal = 100 * (raw - silent) / (perfect - silent)
        if normal > best:
            best, at = normal, threshold
    return best, at


def _raw(labelled: Labelled, told: Sequence[float], threshold: float) -> float:
    learning = min(int(len(told) * LEARNING_PART), LEARNING_MOST)
    alarms = [t for t in range(learning, len(told)) if told[t] >= threshold]
    total = 0.0
    for first, last in labelled.windows:
        inside = next((t for t in alarms if first <= t <= last), None)
        total += -1.0 if inside is None else _worth(-(last - inside + 1) / (last - first + 1))
    for t in alarms:
        if any(first <= t <= last for first, last in labelled.windows):
            continue
        before = [window for window in labelled.windows if window[1] < t]
        if before:
            first, last = before[-1]
            total += FALSE_ALARM * _worth((t - last) / (last - first))
        else:
            total -= FALSE_ALARM
    return total


def _worth(position: float) -> float:
    """-1 at the beginning of a window is worth the most, 0 its end, and what is after it less than nothing."""
    return -1.0 if position > 3 else 2 / (1 + math.exp(5 * position)) - 1


def put_in(values: Sequence[float]) -> Labelled:
    """One anomaly of each kind, as large as four times the spread of a day's changes."""
    changed = list(values)
    count = len(changed)
    size = 4 * math.sqrt(
        fmean((after - before) ** 2 for before, after in zip(values, values[24:], strict=False))
    )
    width = int(count * WINDOWS_PART / len(PUT_IN))
    windows = []
    for name, part in PUT_IN:
        at = int(count * part)
        for t in range(at, min(count, at + width)):
            if name == "shift" or (name == "spike" and t < at + 2):
                changed[t] += size
            elif name == "stuck":
                changed[t] = changed[at]
        windows.append((at - width // 2, at + width // 2))
    return Labelled(values=changed, windows=windows)


def corpus(hours: Mapping[str, Sequence[float]]) -> Iterator[tuple[str, Labelled]]:
    for name, values in hours.items():
        for number, first in enumerate(range(0, max(1, len(values) - POINTS + 1), POINTS)):
            yield f"{name} {number}", put_in(values[first : first + POINTS])


def judged(hours: Mapping[str, Sequence[float]]) -> tuple[int, float, float]:
    """(series, score, threshold)."""
    found = [(each, _told(each.values)) for _, each in corpus(hours)]
    return (len(found), *score(found))


def _told(values: Sequence[float]) -> list[float]:
    """An anomaly that was told is not told again: only what has a kind is an alarm."""
    return [each.score if each.kind is not None else 0.0 for each in scores(values, 24)]


def synthetic(count: int = 20) -> dict[str, list[float]]:
    """Loads of days and weeks with noise that is correlated from hour to hour, the same in each run."""
    made = {}
    for series in range(count):
        state, noise, values = series + 1, 0.0, []
        for hour in range(POINTS):
            state = state * 6_364_136_223_846_793_005 % 2**64 + 1_442_695_040_888_963_407
            noise = 0.7 * noise + (state % 2**64 / 2**63 - 1)
            weekend = 0.6 if hour % WEEK_H >= 5 * 24 else 1.0
            values.append(100 + weekend * 40 * math.sin(hour % 24 / 24 * 2 * math.pi) + 8 * noise)
        made[f"synthetic {series}"] = values
    return made
