"""Machine pools that exist, as pools of Herder that would adopt them, in the words of herder.yaml, and what adopting needs. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from herder.drivers.rosa.options import KNOWN, OURS, labels_of
from herder.model.fleet.driver_capabilities import AdoptablePool
from herder.model.values.phrases import agree, counted
from herder.model.values.resources import Resources
from herder.model.values.unfilled import unfilled
from herder.remote.ocm import rules
from herder.remote.ocm.pools import Cluster, MachinePool


def adoptable(
    pool: MachinePool,
    cluster: Cluster,
    *,
    installation: str,
    driver: str,
    kubernetes: str,
    used_by: str,
    node: Resources | None,
) -> AdoptablePool:
    """`kubernetes`: the cluster's name in herder.yaml. `used_by`: the pool that has it already. `node`: what a node of its type has for pods; None:
    there is none to look at."""
    options, left_out = _options(pool)
    settings: dict[str, Any] = {
        "driver": driver,
        "membership": "kubernetes",
        "cluster": kubernetes,
        "templates": [_template(pool, node)],
        **_size(pool),
        "driver_options": options,
    }
    labels = {key: value for key, value in pool.labels if key not in OURS}
    if labels:
        settings["labels"] = labels
    if pool.taints:
        settings["taints"] = [
            {"key": each.key, "value": each.value, "effect": each.effect} for each in pool.taints
        ]
    return AdoptablePool(
        name=pool.name,
        settings=settings,
        used_by=used_by,
        refused="" if used_by else _refused(pool, cluster),
        needs=() if used_by else tuple(_needs(pool, cluster, installation)),
        notes=(*_notes(pool, cluster, node), *left_out),
    )


def _template(pool: MachinePool, node: Resources | None) -> dict[str, Any]:
    name = pool.instance_type.replace(".", "-")
    sizes: dict[str, Any] = {
        "cpu": unfilled(f"CPU that a {pool.instance_type} has for pods"),
        "memory": unfilled(f"memory that a {pool.instance_type} has for pods"),
    }
    if node is not None:
        sizes = {"cpu": f"{node.cpu_milli}m", "memory": f"{node.memory_mib}Mi"}
        sizes |= {"gpu": node.gpu} if node.gpu else {}
    price = unfilled(f"dollars an hour of a {pool.instance_type}")
    return {"name": name, **sizes, "price_per_hour": price, **({"spot": True} if pool.spot else {})}


def _size(pool: MachinePool) -> dict[str, int]:
    auto = pool.autoscaling
    low, high = (0, pool.replicas) if auto is None else (auto.min_replicas, auto.max_replicas)
    return {"min_workers": low or 0, "max_workers": max(1, high or 0)}


def _options(pool: MachinePool) -> tuple[dict[str, str], list[str]]:
    """And a sentence for each that cannot be written."""
    auto = pool.autoscaling
    found = {
        "machine_pool": pool.name,
        "instance_type": pool.instance_type,
        "autoscaling": "" if auto is None else f"{auto.min_replicas or 0}..{auto.max_replicas or 0}",
        "availability_zone": pool.zones[0] if len(pool.zones) == 1 and not pool.subnets else "",
        "subnet": pool.subnets[0] if len(pool.subnets) == 1 else "",
        "spot_max_price": "" if pool.spot is None else pool.spot.max_price or "on-demand",
        "disk_gib": "" if pool.disk_gib is None else str(pool.disk_gib),
        "security_groups": ", ".join(pool.security_groups),
        "tags": ", ".join(f"{key}={value}" for key, value in pool.tags),
    }
    options = {name: value for name, value in found.items() if value and re.fullmatch(KNOWN[name][0], value)}
    lost = [name for name, value in found.items() if value and name not in options]
    return options, [
        f"Its {name.replace('_', ' ')} cannot be written here; the machine pool keeps them." for name in lost
    ]


def _refused(pool: MachinePool, cluster: Cluster) -> str:
    """Why Herder could not size it."""
    broken = [each for each in rules.broken(pool, cluster) if each.rule.name != "multi_az_by_three"]
    if broken:
        return f"Machine pool {pool.name} breaks rule {broken[0].rule.name}: {broken[0].problem}. {broken[0].rule.says}"
    alone = cluster.hosted or not cluster.multi_az or 1 in (len(pool.zones), len(pool.subnets))
    if alone or pool.autoscaling is not None:
        return ""
    return (
        f"Machine pool {pool.name} is in several zones of a multi-AZ classic cluster, so its count is divisible by 3, and Herder adds one node at a time. "
        "Turn on its autoscaling, or create a machine pool with availability_zone."
    )


def _needs(pool: MachinePool, cluster: Cluster, installation: str) -> Iterator[str]:
    labels = dict(pool.labels)
    wanted = dict(labels_of(installation, pool.name))
    if wanted.items() <= labels.items():
        return
    words = ",".join(f"{key}={value}" for key, value in (labels | wanted).items())
    yield (
        "Hand it over by its labels, of which an edit replaces all: "
        f'`rosa edit machinepool --cluster {cluster.name or cluster.id} --labels "{words}" {pool.name}`.'
    )


def _notes(pool: MachinePool, cluster: Cluster, node: Resources | None) -> Iterator[str]:
    if pool.replicas:
        nodes = counted(pool.replicas, "node")
        yield (
            f"Its {nodes} {agree(pool.replicas, 'counts', 'count')} as a person's: Herder adds to them. To leave the count to Herder, wait until it has "
            f"made workers, then lower it by {pool.replicas}."
        )
    if rules.is_default(pool.name, hosted=cluster.hosted):
        yield "ROSA made it with the cluster: once it is deleted, it cannot be created again."
    if node is not None:
        yield "CPU and memory are those of its smallest node, with what daemon pods take."


def smallest(nodes: Sequence[tuple[str, Resources]]) -> Mapping[str, Resources]:
    """By type of machine, of nodes with their type."""
    found: dict[str, Resources] = {}
    for kind, size in nodes:
        before = found.get(kind)
        if before is None or (size.cpu_milli, size.memory_mib) < (before.cpu_milli, before.memory_mib):
            found[kind] = size
    return found
