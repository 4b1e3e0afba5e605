"""The programs of the page on Hail Batch are run as they stand, each as a script of its own, and every command of its table, against real
servers with local workers."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from typer.main import get_command

from herder.app import whole_app
from herder.drivers.azure import options as azure_options
from herder.drivers.azure.settings import AzureSettings
from herder.drivers.gcp import options as gcp_options
from herder.drivers.gcp.settings import GcpSettings
from herder.drivers.terra import options as terra_options
from herder.drivers.terra.settings import TerraSettings
from herder.model.fleet.pool import SpotUse
from herder.model.fleet.worker import WorkerState
from herder.settings.load import load
from herder.settings.sections.pool.pools import POOL_KEYS
from herder.settings.sections.pool.template_fields import TEMPLATE_KEYS
from tests.acceptance.conftest import Installation
from tests.client.running import started
from tests.docs.command_tables import Place, commands, rows
from tests.docs.page import DOCS, run_program

PAGE = (DOCS / "how-to" / "coming-from-hail.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SHOWN = ["hello Alice\nhello Bob\nhello Dan\n", "['Alice', 'Bob'] 2\nsucceeded\n"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made, _ = started(tmp_path_factory.mktemp("server"))
    yield made
    made.close()


def test_each_program_of_the_page_is_tried() -> None:
    assert len(PROGRAMS) == len(SHOWN)


@pytest.mark.parametrize("place", range(len(SHOWN)))
def test_a_program_of_the_page_runs(place: int, server: Installation, tmp_path: Path) -> None:
    assert run_program(PROGRAMS[place], tmp_path, server.env) == SHOWN[place]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("hail"))
    try:
        yield made
        assert made.stop() == 0
    finally:
        made.close()


@pytest.mark.slow
@pytest.mark.acceptance
@pytest.mark.timeout(120)
@pytest.mark.parametrize("command", commands(PAGE))
def test_a_row_works(place: Place, command: str) -> None:
    place.run_row(command)


def _table(head: str) -> list[list[str]]:
    body = PAGE.partition(f"\n{head}\n")[2].partition("\n\n")[0].splitlines()[1:]
    assert body, head
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body]


def _code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


#: Of the pool that the description of Hail's workers has as its example, and what else its settings have.
HAIL_KEYS = {
    "worker_type", "worker_cores", "preemptible", "max_instances", "max_live_instances", "worker_max_idle_time_secs",
    "autoscaler_loop_period_secs", "max_new_instances_per_autoscaler_loop", "min_instances", "standing_worker_cores",
    "standing_worker_max_idle_time_secs", "boot_disk_size_gb", "worker_external_ssd_data_disk_size_gb",
    "job_queue_scheduling_window_secs",
}  # fmt: skip


def test_each_setting_of_a_pool_of_hail_has_an_answer() -> None:
    found = _table("| Hail | setting | of | difference |")
    assert {key.partition(":")[0] for row in found for key in _code(row[0])} == HAIL_KEYS
    keys = {"pool": POOL_KEYS, "template": TEMPLATE_KEYS}
    for row in found:
        assert row[1].startswith("none: ") or set(_code(row[1])) <= set(keys[row[2]]), row


def test_the_pool_of_the_page_is_the_example_of_hail(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "herder.yaml"
    file.write_text(text)
    (pool,) = load([file]).pools
    (template,) = pool.templates
    assert (pool.size.max_workers, pool.size.max_live_workers) == (1_000, 500)
    assert (pool.size.new_workers_per_cycle, pool.scale_down.idle_timeout_s) == (10, 300)
    assert (template.allocatable.cpu_milli, template.spot) == (16_000, SpotUse.YES)


def test_each_setting_of_a_cloud_exists() -> None:
    keys = {
        "driver gcp": {each.name for each in fields(GcpSettings)},
        "driver azure": {each.name for each in fields(AzureSettings)},
        "driver terra": {each.name for each in fields(TerraSettings)},
        "options gcp": set(gcp_options.KNOWN),
        "options azure": set(azure_options.KNOWN),
        "options terra": set(terra_options.KNOWN),
    }
    found = _table("| Hail, in a cloud | setting | of |")
    assert {row[2] for row in found} == set(keys)
    for row in found:
        assert set(_code(row[1])) <= keys[row[2]], row


def test_each_state_of_an_instance_has_its_states_here() -> None:
    found = _table("| Hail | worker of Herder |")
    assert [row[0] for row in found] == ["pending", "active", "inactive", "deleted"]
    told = [word for row in found for word in _code(row[1]) if not word.startswith("herder ")]
    assert sorted(told) == sorted(WorkerState)


def test_each_command_that_finds_a_fault_exists() -> None:
    nouns = get_command(whole_app()).commands  # type: ignore[attr-defined]
    for row in _table("| To find a fault, Hail has | Herder |"):
        _, noun, verb, *_ = _code(row[1])[0].split()
        assert verb in nouns[noun].commands, row


def test_each_command_of_hailctl_has_an_answer() -> None:
    answers = [row[1] for row in rows(PAGE) if row[0].startswith("`hailctl ")]
    assert len(answers) > 15
    assert all(each.startswith(("`herder ", "none: ", "none here: ")) for each in answers)
