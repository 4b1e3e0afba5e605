"""Pools and templates of `worker-pools.json` as the plain form of herder.yaml. Pure; called by `importing`."""

from collections.abc import Mapping
from typing import Any

from herder.settings.imports.reading import Node
from herder.settings.syntax.durations import format_duration

DRIVER, BOOT_DISK_GIB = "proxmox", 1024
#: Of a trigger without its own time: the one that Cortex documents.
PRESSURE_FOR_S = 300.0
HOUR_S, MINUTE_S = 3600.0, 60.0


def templates(node: Node) -> dict[str, Any]:
    return {name: _template(each) for name, each in node.children()}


def _template(node: Node) -> dict[str, Any]:
    have = node.at("allocatable_resources")
    gpus, price = have.at("nvidia.com/gpu").whole(), node.at("cost_per_hour").number()
    cpu, memory, disk = (
        have.at(key).whole() for key in ("cpu_millicores", "memory_mb", "ephemeral_storage_gb")
    )
    model = node.at("resources", "gpu", "model").text()
    return given(
        cpu=None if cpu is None else f"{cpu}m",
        memory=None if memory is None else f"{memory}Mi",
        disk=None if disk is None else f"{disk}Gi",
        gpu=gpus,
        gpu_model=model if gpus else None,
        slots=have.at("max_pods").whole(),
        price_per_hour=None if price is None else f"{price:.12g}",
    )


def pools(root: Node, known: Mapping[str, Any], cluster: str) -> dict[str, Any]:
    """`known`: the templates. What all pools have alike is added by `lifecycle`."""
    definitions = root.at("worker_pool_definitions")
    first = [
        name
        for name, each in definitions.children()
        if each.at("auto_scaling", "metrics", "scale_up_threshold").value is not None
        and each.at("auto_scaling", "enabled").value is not False
    ]
    found = {}
    for name, each in definitions.children():
        price = root.at("cost_tracking", "cost_allocation", f"{name}_pool", "cost_per_worker_hour").number()
        found[name] = _pool(each, known, price, [other for other in first if other != name]) | {
            "driver": DRIVER,
            "membership": "kubernetes",
            "cluster": cluster,
        }
    return found


def _pool(node: Node, known: Mapping[str, Any], price: float | None, first: list[str]) -> dict[str, Any]:
    labels, taints = node.at("node_labels").texts(), [each.texts() for each in node.at("taints").listed()]
    grace, life = node.at("preemption_config", "grace_period_seconds").number(), node.at("ttl_config")
    return given(
        description=node.at("description").text(),
        frozen=True if node.at("enabled").flag() is False else None,
        templates=_templates_of(node, known, price),
        min_workers=node.at("min_size").whole(),
        max_workers=node.at("max_size").whole(),
        **_scaling(node.at("auto_scaling")),
        **_triggers(node, first),
        ttl=span(life.at("default_ttl_hours").number(), HOUR_S),
        ttl_max=span(life.at("max_ttl_hours").number(), HOUR_S),
        idle_timeout=span(life.at("idle_timeout_minutes").number(), MINUTE_S),
        drain_grace=span(grace),
        labels=labels or None,
        taints=taints or None,
    )


def _templates_of(node: Node, known: Mapping[str, Any], price: float | None) -> list[Any] | None:
    """The default one first. A pool with triggers also has the other sizes: its script takes them by name."""
    name = node.at("default_template").text()
    if name is None:
        return None
    if node.at("preemption_config").value is not None:
        usual = known.get(name, {}).get("price_per_hour")
        spot = None if price is None or f"{price:.12g}" == usual else f"{price:.12g}"
        return [given(name=name, spot="yes", spot_price_per_hour=spot)]
    more = [each for each, has in known.items() if each != name and not has.get("gpu")]
    return [name, *(more if node.at("provisioning_triggers").value is not None else ())]


def _scaling(node: Node) -> dict[str, Any]:
    metrics, pauses = node.at("metrics"), node.at("cooldown_periods")
    above, found = metrics.at("scale_up_threshold").number(), {}
    node.at("scaling_policy").use()
    if node.at("enabled").flag() is not False and above is not None:
        for setting, key in (
            ("cpu_pressure", "cpu_utilization_target"),
            ("memory_pressure", "memory_utilization_target"),
        ):
            found[setting] = _pressure(above, PRESSURE_FOR_S, metrics.at(key).number())
    return given(
        **found,
        scale_up_cooldown=span(pauses.at("scale_up_seconds").number()),
        scale_down_cooldown=span(pauses.at("scale_down_seconds").number()),
    )


def _triggers(node: Node, first: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    triggers = node.at("provisioning_triggers")
    for name in ("cpu_pressure", "memory_pressure"):
        trigger = triggers.at(name)
        above, lasting = trigger.at("threshold_percent").number(), trigger.at("duration_seconds").number()
        if trigger.at("enabled").flag() is not False and above is not None:
            found[name] = _pressure(above, PRESSURE_FOR_S if lasting is None else lasting, None)
    if found and first:
        found["grows_after"] = first
    pods = triggers.at("pending_pods")
    count, lasting = pods.at("threshold_count").whole(), pods.at("threshold_duration_seconds").number()
    by_hand = triggers.value is None and node.at("auto_scaling").value is None and node.at("gpu_config").value
    if by_hand or pods.at("enabled").flag() is False:
        return {**found, "pending_pods": NO}
    return {**found, **given(pending_pods=count, pending_pods_for=span(lasting))}


def _pressure(above: float, lasting_s: float, target: float | None) -> dict[str, Any]:
    return given(
        **{
            "above": f"{above:g}%",
            "for": format_duration(lasting_s),
            "target": None if target is None else f"{target:g}%",
        }
    )


class _No:
    """A setting that is null, not one that is not written."""


NO = _No()


def span(amount: float | None, unit_s: float = 1.0) -> str | None:
    return None if amount is None else format_duration(amount * unit_s)


def given(**settings: Any) -> dict[str, Any]:
    """Without those that the file does not have."""
    return {key: value for key, value in settings.items() if value is not None}
