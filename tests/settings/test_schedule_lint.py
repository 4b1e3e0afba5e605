"""`herder config lint` tells of schedules that cron takes otherwise than they look."""

import pytest

from herder.settings.lint import lint
from herder.settings.load import load_texts

POOL = """
pools:
  burst:
    templates: [{name: t, cpu: 4, memory: 8Gi, price_per_hour: "0.24"}]
    max_workers: 10
    schedules:
      - {cron: "CRON", min_workers: 2, duration: 8h}
"""


def doubts(cron: str) -> list[str]:
    found = lint(load_texts([("herder.yaml", POOL.replace("CRON", cron))]))
    return [str(each) for each in found if each.key == "pools.burst.schedules"]


def test_each_thursday_of_november_is_not_one_day() -> None:
    """Cortex means November 24 and writes `0 23 * 11 4`."""
    (told,) = doubts("0 23 * 11 4")
    assert "Schedule '0 23 * 11 4' starts on every matching weekday of its months" in told
    assert "such as 0 23 24 11 *" in told
    assert told.startswith("herder.yaml:")


def test_a_day_and_a_weekday_are_either() -> None:
    (told,) = doubts("0 8 13 * 5")
    assert "in cron, one of the two is enough" in told


@pytest.mark.parametrize("cron", ["0 23 24 11 *", "0 8 * * 1-5", "0 8 1 * *", "*/5 * * * *"])
def test_others_are_as_they_look(cron: str) -> None:
    assert doubts(cron) == []
