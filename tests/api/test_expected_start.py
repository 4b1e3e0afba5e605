"""An expected start is told only where its range is of use."""

import pytest

from herder.control.reads.explanations.explain import eta_text
from herder.decide.forecast.start_time import Eta


@pytest.mark.parametrize(
    ("p10_s", "p50_s", "p90_s", "told"),
    [
        (0, 0, 0, "It is expected to start at once."),
        (0, 1, 6, "It is expected to start in 1 s (80 % interval: 0 s – 6 s)."),
        (300, 600, 1200, "It is expected to start in 10 min (80 % interval: 5 min – 20 min)."),
        (0, 5, 300, ""),
        (0, 600, 7200, ""),
    ],
)
def test_a_range_that_says_nothing_is_left_out(p10_s: int, p50_s: int, p90_s: int, told: str) -> None:
    eta = Eta(p10_ms=p10_s * 1000, p50_ms=p50_s * 1000, p90_ms=p90_s * 1000)
    assert eta_text(eta) == told
