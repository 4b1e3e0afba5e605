"""On which node a worker is cloned: allocated memory, cores by a ratio, and the space of the storage. Pure.

What counts is what is promised to guests, whether they run or not, never what they use. A clone under way has no size of its own yet:
the driver says what was promised to it (`Promise`). Templates count for nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from herder.model.fleet.driver import OutOfCapacity
from herder.model.fleet.driver_capabilities import Quota
from herder.remote.proxmox.machines.objects import Cluster, Node
from herder.remote.proxmox.machines.settings import ProxmoxSettings

MIB = 2**20
#: Names of the quotas of each node: MiB of memory, and virtual CPUs.
MEMORY, CPUS = "memory_mib", "virtual_cpus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    cores: int
    memory_mib: int
    disk_bytes: int
    """What its disk takes from the storage, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """To a clone that is not configured yet."""

    node: str
    wanted: Wanted
    storage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A node that could take the worker, with the template it would be cloned from."""

    node: str
    template: int
    template_node: str
    storage: str


def choose(
    cluster: Cluster,
    places: Sequence[Place],
    wanted: Wanted,
    promises: Mapping[int, Promise],
    settings: ProxmoxSettings,
    zone: str,
) -> Place:
    """The one with the most free memory. Raises OutOfCapacity that says for each node what is missing."""
    fitting, reasons = [], []
    for place in places:
        node = cluster.node(place.node)
        if node is None or not node.usable:
            state = "is unknown" if node is None else "is in maintenance" if node.online else "is offline"
            reasons.append(f"node {place.node} {state}")
            continue
        memory, cores = free(cluster, node, promises, settings)
        lacking = _lacking(cluster, place, wanted, promises, settings, memory, cores)
        if lacking:
            reasons.append(lacking)
        else:
            fitting.append((-memory, place.node, place))
    if not fitting:
        raise OutOfCapacity(
            f"No node of Proxmox can take a VM with {wanted.cores} cores and {wanted.memory_mib:,} MiB: {'; '.join(reasons)}. "
            "Free memory and space there, end a maintenance, or add a node.",
            zone,
        )
    return min(fitting, key=lambda each: each[:2])[2]


def free(
    cluster: Cluster, node: Node, promises: Mapping[int, Promise], settings: ProxmoxSettings
) -> tuple[int, float]:
    """MiB of memory and virtual CPUs that are promised to nobody."""
    memory = int(node.maxmem * (100 - settings.memory_headroom_percent) / 100) // MIB
    cores = node.maxcpu * settings.cpu_ratio
    seen = set()
    for guest in cluster.guests:
        promise = promises.get(guest.vmid)
        seen.add(guest.vmid)
        if guest.node == node.node and not guest.template:
            wanted = None if promise is None else promise.wanted
            memory -= max(-(-guest.maxmem // MIB), wanted.memory_mib if wanted else 0)
            cores -= max(guest.maxcpu, wanted.cores if wanted else 0)
    for vmid, promise in promises.items():
        if vmid not in seen and promise.node == node.node:
            memory -= promise.wanted.memory_mib
            cores -= promise.wanted.cores
    return memory, cores


def online_nodes(cluster: Cluster, settings: ProxmoxSettings) -> tuple[str, ...]:
    """Those that the driver may use."""
    allowed = settings.node_names
    return tuple(each.node for each in cluster.nodes if each.online and (not allowed or each.node in allowed))


def quotas_of(cluster: Cluster, promises: Mapping[int, Promise], settings: ProxmoxSettings) -> list[Quota]:
    found, nodes = [], online_nodes(cluster, settings)
    for node in cluster.nodes:
        if node.node in nodes and node.usable:
            memory, cores = free(cluster, node, promises, settings)
            limit = int(node.maxmem * (100 - settings.memory_headroom_percent) / 100) // MIB
            found.append(Quota(name=MEMORY, zone=node.node, limit=limit, used=limit - memory))
            if settings.cpu_ratio:
                most = int(node.maxcpu * settings.cpu_ratio)
                found.append(Quota(name=CPUS, zone=node.node, limit=most, used=most - int(cores)))
    return found


def _lacking(
    cluster: Cluster,
    place: Place,
    wanted: Wanted,
    promises: Mapping[int, Promise],
    settings: ProxmoxSettings,
    memory_mib: int,
    cores: float,
) -> str:
    """What the node lacks, as a clause; empty: nothing."""
    if wanted.memory_mib > memory_mib:
        return f"node {place.node} has {max(memory_mib, 0):,} MiB of memory unallocated"
    if settings.cpu_ratio and wanted.cores > cores:
        return f"node {place.node} has {max(int(cores), 0)} virtual CPUs unallocated"
    storage = cluster.storage(place.storage, place.node)
    if storage is None or not storage.maxdisk:
        return ""  # Proxmox has the last word
    coming = sum(
        each.wanted.disk_bytes
        for each in promises.values()
        if each.storage == place.storage and (storage.shared or each.node == place.node)
    )
    left = storage.maxdisk * (100 - settings.storage_headroom_percent) / 100 - storage.disk - coming
    if wanted.disk_bytes > left:
        gib = 2**30
        return (
            f"storage {place.storage} of node {place.node} has {max(left, 0) / gib:,.0f} GiB free, "
            f"and {wanted.disk_bytes / gib:,.0f} GiB are needed"
        )
    return ""
