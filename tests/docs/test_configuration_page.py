"""The example of the configuration page is a valid file without findings that matter."""

import re
from pathlib import Path

from herder.settings import Severity, lint, load_texts

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


def examples() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_examples_load_and_have_no_faults() -> None:
    first, *others = (load_texts([("herder.yaml", example)]) for example in examples())
    assert [pool.name for pool in first.pools] == ["steady", "rush"]
    assert [user.name for user in first.users] == ["analytics", "research"]
    for settings in (first, *others):
        assert all(problem.severity is not Severity.ERROR for problem in lint(settings))


def test_the_example_of_scaling_says_what_the_page_says() -> None:
    (pool,) = load_texts([("herder.yaml", examples()[1])]).pools
    assert (pool.headroom.workers, pool.target_utilisation, pool.scale_down_fraction) == (1, 0.7, 0.2)
    assert [schedule.timezone for schedule in pool.schedules] == ["Europe/Berlin", "America/New_York"]
