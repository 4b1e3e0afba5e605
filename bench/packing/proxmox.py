"""200 VMs are placed on a Proxmox cluster of 8 nodes: memory that is promised, cores and the space of storages are limits.

Called by the measurement `decisions` and by a test. Nothing is called: the cluster is what Proxmox would list.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from herder.model.fleet.driver import OutOfCapacity
from herder.remote.proxmox.machines.objects import Cluster, Node, Storage
from herder.remote.proxmox.machines.placement import MIB, Place, Promise, Wanted, choose
from herder.remote.proxmox.machines.settings import ProxmoxSettings
from herder.simulate.chaos.faults.chance import stream

NODES, VMS = 8, 200
GIB = 2**30
NODE_MIB = 131_072
#: Of a storage of each node: less than its memory would take in VMs.
STORAGE_GIB = 1_500
SETTINGS = ProxmoxSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    promises: Mapping[int, Promise]
    refused: int
    cpu_s: float
    storages: Mapping[str, int] = field(default_factory=dict)
    """Bytes of each node."""


def plan(seed: int) -> Planned:
    draw = stream(seed, "proxmox")
    nodes = [f"pve{number + 1}" for number in range(NODES)]
    sizes = {name: draw.randint(STORAGE_GIB // 2, STORAGE_GIB) * GIB for name in nodes}
    cluster = Cluster(
        nodes=tuple(Node(node=name, status="online", maxcpu=32, maxmem=NODE_MIB * MIB) for name in nodes),
        guests=(),
        storages=tuple(
            Storage(storage="local-lvm", node=name, status="available", maxdisk=sizes[name]) for name in nodes
        ),
    )
    places = [Place(node=name, template=9_001, template_node=name, storage="local-lvm") for name in nodes]
    promises: dict[int, Promise] = {}
    begun_s, refused = time.process_time(), 0
    for vmid in range(20_000, 20_000 + VMS):
        wanted = Wanted(
            cores=draw.choice((2, 4, 8)),
            memory_mib=draw.choice((4_096, 8_192, 16_384)),
            disk_bytes=draw.choice((30, 60, 120)) * GIB,
        )
        try:
            place = choose(cluster, places, wanted, promises, SETTINGS, "")
        except OutOfCapacity:
            refused += 1
            continue
        promises[vmid] = Promise(node=place.node, wanted=wanted, storage=place.storage)
    spent_s = time.process_time() - begun_s
    return Planned(promises=promises, refused=refused, cpu_s=spent_s, storages=sizes)
