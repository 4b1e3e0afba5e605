"""The datacentre on virtual time: VMs become nodes, machines fall sick and are cured, and what is left over is listed."""

import asyncio
from pathlib import Path

import pytest

from herder.model.fleet.repair import Rung
from herder.testing.datacentre import Sickness
from tests.datacentre.lab import Lab

WORKER = "burst-7-1"


def test_a_vm_that_starts_becomes_a_node_with_what_its_configuration_says(lab: Lab) -> None:
    assert lab.centre.left_over() == []
    lab.create(WORKER)
    assert lab.node(WORKER) is None
    lab.after(60)
    node = lab.node(WORKER)
    assert node is not None
    assert lab.condition(WORKER) == "True"
    labels = node["metadata"]["labels"]
    assert (labels["node-pool"], labels["herder.dev/worker"]) == ("burst", WORKER)
    assert node["spec"]["taints"] == [{"key": "workload-type", "value": "burst", "effect": "NoSchedule"}]
    vm = lab.centre.vm_of(WORKER)
    assert node["spec"]["providerID"] == f"proxmox://testing/{vm.vmid}"
    assert node["status"]["addresses"][0] == {"type": "InternalIP", "address": vm.addresses[0]}
    allocatable = node["status"]["allocatable"]
    assert (allocatable["cpu"], allocatable["memory"]) == ("1900m", "3584Mi")
    assert vm.memory_mib == 4096


def test_a_machine_without_a_configuration_waits_for_one(tmp_path: Path) -> None:
    lab = Lab(tmp_path, delivery="maintenance")
    lab.create(WORKER)  # with an image that has no configuration of Talos
    lab.after(60)
    (machine,) = (each for each in lab.centre.talos.by_name.values() if each.name.startswith("vm-"))
    assert machine.listens == "maintenance"
    target = lab.target(machine.hostname)
    assert asyncio.run(lab.bootstrap.configure(lab.joining(WORKER), target))
    assert lab.node(WORKER) is None
    lab.after(120)
    assert lab.condition(WORKER) == "True"
    lab.close()


@pytest.mark.parametrize("how", ["stop", "shutdown", "talos"])
def test_a_machine_that_is_off_keeps_its_node_which_becomes_unknown(lab: Lab, how: str) -> None:
    lab.create(WORKER)
    lab.after(60)
    vm = lab.centre.vm_of(WORKER)
    if how == "talos":
        asyncio.run(lab.bootstrap.shut_down(lab.target(WORKER)))
    else:
        lab.client.post(f"/nodes/{vm.node}/qemu/{vm.vmid}/status/{how}", "a person")
    lab.after(90)
    assert not vm.running
    assert lab.condition(WORKER) == "Unknown"
    assert lab.driver.get(lab.target(WORKER).worker).phase.value == "stopped"
    lab.driver.reboot(lab.target(WORKER).worker)  # of a machine that is off: it is started
    lab.after(90)
    assert lab.condition(WORKER) == "True"


def test_a_removed_vm_leaves_its_node_until_it_is_deleted(lab: Lab) -> None:
    lab.create(WORKER)
    lab.after(60)
    found = lab.centre.left_over()
    for part in (
        "VM 2",
        "Volume vm-2",
        ".iso is in storage local",
        "Machine vm-2",
        f"Node {WORKER}",
        f"Lease {WORKER}",
    ):
        assert any(part in each for each in found), (part, found)
    lab.delete(WORKER)
    lab.after(90)
    assert lab.centre.left_over() == [f"Lease {WORKER} of a node exists.", f"Node {WORKER} exists."]
    assert lab.condition(WORKER) == "Unknown"
    lab.centre.kubernetes.ask("DELETE", f"/api/v1/nodes/{WORKER}", lab.ms)
    lab.after(60)
    assert lab.centre.left_over() == []


def test_a_vm_that_migrates_runs_on(lab: Lab) -> None:
    lab.create(WORKER)
    lab.after(60)
    vm = lab.centre.vm_of(WORKER)
    before = vm.node
    lab.centre.proxmox.move_by_hand(vm.vmid, "pve2" if before == "pve1" else "pve1")
    lab.after(120)
    assert vm.node != before
    assert lab.condition(WORKER) == "True"


def cured_by(lab: Lab, sickness: Sickness, rung: Rung) -> bool:
    kind = sickness.value if sickness.value.endswith("Pressure") else "Ready"
    well = lab.condition(WORKER, kind)
    lab.centre.sicken(WORKER, sickness)
    lab.after(90)
    assert lab.condition(WORKER, kind) != well
    asyncio.run(lab.bootstrap.repair(lab.target(WORKER), rung))
    lab.after(180)
    return lab.condition(WORKER, kind) == well


@pytest.mark.parametrize("sickness", list(Sickness))
def test_a_reboot_cures_what_a_restart_of_kubelet_may_not(lab: Lab, sickness: Sickness) -> None:
    lab.create(WORKER)
    lab.after(60)
    assert cured_by(lab, sickness, Rung.REBOOT)
    assert cured_by(lab, sickness, Rung.RESTART_SERVICE) == (sickness is Sickness.KUBELET_STOPPED)


def test_a_crash_loop_is_what_talos_says_of_the_machine(lab: Lab) -> None:
    lab.create(WORKER)
    lab.after(60)
    assert asyncio.run(lab.bootstrap.look(lab.target(WORKER))).ready
    lab.centre.sicken(WORKER, Sickness.KUBELET_CRASH_LOOP)
    seen = asyncio.run(lab.bootstrap.look(lab.target(WORKER)))
    assert not seen.ready
    assert [each.condition.value for each in seen.conditions] == ["KubeletCrashLoop"]


def test_a_reset_by_the_hypervisor_ends_containers_and_the_node_comes_back(lab: Lab) -> None:
    lab.create(WORKER)
    lab.after(60)
    lab.centre.sicken(WORKER, Sickness.KUBELET_CRASH_LOOP)
    lab.after(90)
    assert lab.condition(WORKER) == "Unknown"
    lab.driver.reboot(lab.target(WORKER).worker)
    lab.after(90)
    assert lab.condition(WORKER) == "True"
