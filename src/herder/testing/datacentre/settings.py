"""What a datacentre is made with: its hosts, and how long everything takes. Defaults are the times of a real one."""

from dataclasses import dataclass, field

from herder.testing.kubernetes.settings import ClusterSettings
from herder.testing.proxmox.settings import ProxmoxTimes
from herder.testing.talos.machine import Times


@dataclass(frozen=True, slots=True, kw_only=True)
class DatacentreSettings:
    hosts: int = 2
    """Proxmox nodes, pve1 and so on, each with the template talos-worker."""
    host_memory_mib: int = 65_536
    host_disk_gib: int = 500
    system_cpu_milli: int = 100
    """What kubelet and Talos keep of a VM: its node can allocate the rest."""
    system_memory_mib: int = 512
    token_id: str = "herder@pve!workers"
    """Its role has the privileges that are documented for the driver, and no other."""
    proxmox_times: ProxmoxTimes = field(default_factory=ProxmoxTimes)
    talos_times: Times = field(default_factory=Times)
    kubernetes: ClusterSettings = field(default_factory=lambda: ClusterSettings(played_nodes=False))
    """Only machines of the datacentre register nodes."""
    network: str = "10.64"
    """The first two parts of each address of a machine. On real sockets it is in 127."""


def quick_settings(*, hosts: int = 2, host_memory_mib: int = 65_536) -> DatacentreSettings:
    """A datacentre in which all takes seconds instead of minutes."""
    return DatacentreSettings(
        hosts=hosts,
        host_memory_mib=host_memory_mib,
        proxmox_times=ProxmoxTimes(
            allocate_ms=200,
            clone_ms=600,
            start_ms=200,
            stop_ms=200,
            shutdown_ms=400,
            delete_ms=200,
            upload_ms=50,
            migrate_ms=500,
            agent_after_ms=800,
        ),
        talos_times=Times(boot_ms=800, install_ms=500, kubelet_ms=400, stop_ms=200),
        kubernetes=ClusterSettings(
            played_nodes=False, node_grace_ms=3_000, node_check_ms=500, ready_after_ms=200, heartbeat_ms=1_000
        ),
    )
