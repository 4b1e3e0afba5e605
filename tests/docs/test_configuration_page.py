"""The example of the configuration page is a valid file without findings that matter."""

import dataclasses
import re
from pathlib import Path

import pytest

from herder.control.drivers.calling import DEADLINE_LONGEST_S, DEADLINES_S
from herder.control.kernel.driver_calls import PLACES
from herder.drivers.local.settings import LocalSettings
from herder.drivers.pretend.settings import PretendSettings
from herder.drivers.registry import settings_faults
from herder.settings import Severity, load_texts
from herder.settings.lint import lint

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


def examples() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_examples_load_and_have_no_faults() -> None:
    first, *others = (load_texts([("herder.yaml", example)]) for example in examples())
    assert [pool.name for pool in first.pools] == ["steady", "rush"]
    assert [user.name for user in first.users] == ["analytics", "research"]
    for settings in (first, *others):
        found = lint(settings, driver_faults=settings_faults)
        assert all(problem.severity is not Severity.ERROR for problem in found)


@pytest.mark.parametrize("settings_type", [LocalSettings, PretendSettings])
def test_the_page_has_every_setting_of_a_driver_with_its_default(settings_type: type) -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    for field in dataclasses.fields(settings_type):
        (row,) = [row for row in rows if f"`{field.name}`" in row.split("|")[1]]
        told = row.rsplit("|", 2)[1].strip()
        if isinstance(field.default, bool):
            assert told == str(field.default).lower()
        elif isinstance(field.default, int | float):
            assert told == f"{field.default:g}"


def test_the_page_has_the_limits_of_drivers() -> None:
    page = PAGE.read_text()
    times = {verb: f"{seconds:g} s" for verb, seconds in DEADLINES_S.items()}
    assert (
        f"{times['create']} (create, delete), {times['list']} (list), {times['get']} (get, console) or {times['health']}"
        in page
    )
    assert times["create"] == times["delete"]
    assert times["get"] == times["console"]
    assert f"has at most {PLACES} calls at a time" in page
    assert f"at most {DEADLINE_LONGEST_S:g} s." in page


def test_the_example_of_scaling_says_what_the_page_says() -> None:
    (pool,) = load_texts([("herder.yaml", examples()[1])]).pools
    assert (pool.scale_up.headroom.workers, pool.scale_up.target_utilisation, pool.scale_down.fraction) == (
        1,
        0.7,
        0.2,
    )
    assert [schedule.timezone for schedule in pool.size.schedules] == ["Europe/Berlin", "America/New_York"]
