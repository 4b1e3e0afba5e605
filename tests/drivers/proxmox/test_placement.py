"""Where VMs are cloned: never over what a host may promise of its memory, its cores and its storage."""

import pytest

from bench.packing.proxmox import GIB, NODE_MIB, SETTINGS, VMS, plan


@pytest.mark.parametrize("seed", range(10))
def test_two_hundred_vms_on_eight_nodes_stay_within_every_limit(seed: int) -> None:
    planned = plan(seed)
    assert len(planned.promises) + planned.refused == VMS
    assert planned.refused > 0, "the limits were never met"
    for node, space in planned.storages.items():
        wanted = [each.wanted for each in planned.promises.values() if each.node == node]
        assert sum(each.memory_mib for each in wanted) <= NODE_MIB * 0.9
        assert sum(each.cores for each in wanted) <= 32 * SETTINGS.cpu_ratio
        assert sum(each.disk_bytes for each in wanted) <= space * 0.95
        assert (
            sum(each.disk_bytes for each in wanted) > space * 0.95 - 120 * GIB
            or sum(each.memory_mib for each in wanted) > NODE_MIB * 0.9 - 16_384
        )


def test_they_are_planned_in_less_than_a_second_of_cpu_time() -> None:
    assert min(plan(seed).cpu_s for seed in range(3)) < 1.0
