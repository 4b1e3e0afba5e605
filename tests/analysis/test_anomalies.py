"""Anomalies: each kind is found where it was put, quiet series have few, and the past alone decides."""

import math
import random

import pytest

from herder.analysis.anomalies.scores import ANOMALY, Kind, Scored, scores
from herder.analysis.anomalies.tails import Tail

HOURS = 24 * 60


def load(seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [100 + 40 * math.sin(hour / 24 * 2 * math.pi) + chance.gauss(0, 5) for hour in range(HOURS)]


def found(judged: list[Scored], first: int, last: int) -> set[Kind]:
    return {each.kind for each in judged[first:last] if each.kind is not None}


def test_a_spike_and_a_dip() -> None:
    series = load()
    series[900] += 150
    series[1200] -= 150
    judged = scores(series, 24)
    assert judged[900].kind in (Kind.SPIKE, Kind.PATTERN)
    assert judged[1200].kind in (Kind.DIP, Kind.PATTERN)
    assert judged[900].score >= ANOMALY


def test_a_level_shift_is_told_once() -> None:
    series = load()
    series[1000:] = [value + 120 for value in series[1000:]]
    judged = scores(series, 24)
    told = [t for t, each in enumerate(judged) if each.kind is not None and t >= 1000]
    assert told
    assert told[0] < 1010
    assert len([t for t in told if t < 1000 + 0.03 * HOURS]) <= 2


def test_a_value_that_is_stuck() -> None:
    series = load()
    series[1000:1080] = [100.0] * 80
    assert found(scores(series, 24), 1000, 1080) & {Kind.STUCK, Kind.PATTERN}


def test_a_day_turned_round_is_out_of_pattern() -> None:
    series = load()
    series[960:984] = [200 - value for value in series[960:984]]
    assert found(scores(series, 24), 960, 990)


@pytest.mark.parametrize("seed", range(5))
def test_a_quiet_series_has_few(seed: int) -> None:
    judged = scores(load(seed), 24)
    assert sum(each.kind is not None for each in judged) <= 6
    assert all(0 <= each.score <= 1 for each in judged)


def test_a_point_is_judged_by_the_past_alone() -> None:
    series = load()
    series[700] += 100
    whole, part = scores(series, 24), scores(series[:1000], 24)
    # What counts as improbable, and the time to learn, depend on the length; the order of the scores does not.
    assert max(range(500, 1000), key=lambda t: whole[t].score) == max(
        range(500, 1000), key=lambda t: part[t].score
    )


@pytest.mark.parametrize("series", [[], [1.0], [0.0] * 100, [1e30, -1e30] * 40])
def test_short_flat_and_huge_series_are_judged(series: list[float]) -> None:
    judged = scores(series, 24)
    assert len(judged) == len(series)
    assert all(math.isfinite(each.score) for each in judged)


def test_the_tail_of_an_exponential_is_estimated() -> None:
    chance, tail = random.Random(2), Tail()
    for _ in range(4000):
        tail.add(chance.expovariate(1))
    for size in (5, 7):
        assert tail.evidence(size) == pytest.approx(size / math.log(10), rel=0.3)
