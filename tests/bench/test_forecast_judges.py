"""The measures of forecasts and anomalies say what those of their competitions say."""

from __future__ import annotations

import pytest

from bench.forecasts.judge import Way, judge, smape
from bench.forecasts.nab import Labelled, judged, score, synthetic


def test_smape_is_that_of_m4() -> None:
    assert smape([100.0, 0.0], [100.0, 0.0]) == 0
    assert smape([110.0], [90.0]) == pytest.approx(20)
    assert smape([0.0], [5.0]) == 200


def test_a_series_that_repeats_is_forecast_without_error() -> None:
    way = Way(name="hourly", horizon=4, season=4, most=100, step=5, origins=2)
    (found,) = judge({"a": [1.0, 2.0, 3.0, 2.0] * 20}, way).values()
    assert (found.forecasts, found.naive) == (2, 0)
    assert found.smape < 1


LABELLED = Labelled(values=[0.0] * 100, windows=[(40, 49), (80, 89)])


def told(*alarms: int) -> float:
    return score([(LABELLED, [1.0 if t in alarms else 0.0 for t in range(100)])])[0]


def test_the_score_of_nab() -> None:
    assert told(40, 80) == pytest.approx(100)
    assert told() == 0
    assert told(40) == pytest.approx(50)
    assert 75 < told(44, 84) < 100, "later is worth less"
    assert told(40, 41, 80) == pytest.approx(100), "only the first of a window counts"
    assert told(40, 80, 20) == pytest.approx(100 - 100 * 0.11 / 3.973, abs=0.01)
    assert told(40, 80, 20) < told(40, 80, 51) < 100, "a little late is hardly false"
    assert told(3, 40, 80) == pytest.approx(100), "nothing counts while it learns"


def test_anomalies_that_were_put_in_are_found() -> None:
    count, found, _ = judged(synthetic(2))
    assert count == 2
    assert found > 55
