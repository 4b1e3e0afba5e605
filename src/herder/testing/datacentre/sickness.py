"""What can be wrong with a machine that runs, and which rung of a repair ladder cures it. Called by `datacentre`."""

from enum import StrEnum

from herder.testing.kubernetes.kubelets.machines import Machine as NodeMachine
from herder.testing.talos.machine import Machine


class Sickness(StrEnum):
    KUBELET_STOPPED = "kubelet_stopped"
    """Its node is silent. A restart of kubelet cures it, and so does a reboot."""
    KUBELET_CRASH_LOOP = "kubelet_crash_loop"
    """Kubelet ends again after each restart. Only a reboot cures it."""
    RUNTIME_DOWN = "runtime_down"
    """Kubelet reports that it is not ready. Only a reboot cures it."""
    MEMORY_PRESSURE = "MemoryPressure"
    DISK_PRESSURE = "DiskPressure"
    PID_PRESSURE = "PIDPressure"
    """A pressure ends with a reboot."""


#: Crashes that are listed before kubelet stays away: what a crash loop is known by.
CRASHES = 3


def fall_sick(sickness: Sickness, machine: Machine, node: NodeMachine, now_ms: int) -> None:
    if sickness is Sickness.KUBELET_STOPPED:
        machine.crash_kubelet(now_ms)
        machine.kubelet_broken = False
    elif sickness is Sickness.KUBELET_CRASH_LOOP:
        machine.crash_kubelet(now_ms, times=CRASHES)
    elif sickness is Sickness.RUNTIME_DOWN:
        service = machine.services["cri"]
        service.state, service.healthy, service.words = "Waiting", False, "connection refused"
        node.ready = False
    else:
        node.pressures.add(sickness.value)


def booted_clean(node: NodeMachine) -> None:
    """Whatever was wrong ends with the boot."""
    node.ready = True
    node.pressures.clear()
