"""The scorer of expected starts: what counts as inside, and that a small trace is asked and scored."""

import pytest

from bench.expected_starts import ask_all, score
from herder.decide.forecast.start_time import Eta
from herder.simulate.traces import read_trace
from herder.simulate.world.boot_times import parse_boot
from herder.simulate.world.offers import cores
from tests.simulate.small import EXCERPTS

TOLD = Eta(p10_ms=10_000, p50_ms=20_000, p90_ms=40_000)


def test_the_ends_of_an_interval_belong_to_it() -> None:
    found = score([(TOLD, wait) for wait in (9_999, 10_000, 20_000, 40_000, 40_001)])
    assert (found.early, found.late) == (0.2, 0.2)
    assert found.covered == pytest.approx(0.6)
    assert found.width == pytest.approx(1.5)


def test_a_right_answer_loses_less_than_a_wrong_one() -> None:
    assert score([(TOLD, 20_000)]).loss < score([(TOLD, 30_000)]).loss < score([(TOLD, 300_000)]).loss


def test_jobs_that_wait_on_a_fixed_fleet_are_asked() -> None:
    trace = read_trace(EXCERPTS / "metacentrum.csv.gz", limit=120)
    told, model = ask_all(trace, (cores(64),), parse_boot("120"), workers=3)
    assert told.answers == model.answers > 5
    assert 0 <= told.covered <= 1
    assert ask_all(trace, (cores(64),), parse_boot("120"), workers=3) == (told, model)
