"""What a VM takes of the quotas of its region: as Google counts it, and nothing where that is not known."""

from typing import Any

import pytest

from herder.drivers.gcp.needs import need_of
from herder.drivers.gcp.options import wanted
from herder.model.fleet.driver import InvalidRequest
from herder.model.fleet.driver_capabilities import Need
from herder.model.values.resources import Resources
from herder.testing.gcp.settings import MachineType, small_project
from tests.drivers.gcp.lab import SETTINGS, Lab, spec

TYPES = (MachineType(name="e2-standard-4", cpus=4, memory_mib=16_384),)
LIMITS = {"CPUS": 100.0, "N2_CPUS": 8.0, "PREEMPTIBLE_CPUS": 0.0, "INSTANCES": 10.0, "NVIDIA_T4_GPUS": 2.0}


def need(machine_type: str, cpus: int, *, spot: bool = False, **options: str) -> Need:
    allocatable = Resources(1000 * cpus, 4096, 0, 1 if "accelerator" in options else 0)
    of = spec(allocatable=allocatable, driver_options=(("machine_type", machine_type), *options.items()))
    row: dict[str, Any] = {"guestCpus": cpus}
    return need_of(wanted(of, SETTINGS), row, LIMITS, "europe-west4", spot=spot)


def test_a_running_vm_took_what_was_needed() -> None:
    lab = Lab(inventory=small_project(machine_types=TYPES))
    driver, e2 = lab.driver(), (("machine_type", "e2-standard-4"),)
    assert driver.need(spec(driver_options=e2)) == Need(shape="e2-standard-4"), "nothing was read yet"
    driver.offers()
    before = {each.name: each.used for each in driver.quotas() if each.zone == "europe-west4"}
    for spot, name in ((False, "CPUS"), (True, "PREEMPTIBLE_CPUS")):
        found = driver.need(spec(driver_options=e2, spot=spot))
        assert found == Need(quotas={name: 4, "INSTANCES": 1}, zones=("europe-west4",), shape="e2-standard-4")
    lab.running(driver, driver_options=e2)
    lab.jump(120)
    after = {each.name: each.used for each in driver.quotas() if each.zone == "europe-west4"}
    taken = driver.need(spec(driver_options=e2)).quotas
    assert {name: after[name] - before[name] for name in taken} == taken
    with pytest.raises(InvalidRequest, match="machine_type"):
        driver.need(spec(driver_options=()))
    lab.close()


def test_each_series_has_its_own_cores() -> None:
    assert need("e2-standard-4", 4).quotas["CPUS"] == 4
    assert need("n2-standard-8", 8).quotas["N2_CPUS"] == 8
    assert need("c2-standard-4", 4) == Need(), "Google did not report its quota"
    assert need("x9-standard-4", 4) == Need(), "a series that is not known"
    assert need("n2-standard-8", 0) == Need()


def test_spot_without_a_quota_of_its_own_counts_as_on_demand() -> None:
    assert need("n2-standard-8", 8, spot=True).quotas == {"N2_CPUS": 8, "INSTANCES": 1}


def test_gpus_count() -> None:
    assert need("n1-standard-4", 4, accelerator="nvidia-tesla-t4").quotas["NVIDIA_T4_GPUS"] == 1
    assert need("n1-standard-4", 4, accelerator="nvidia-l4") == Need()
