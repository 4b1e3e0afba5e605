"""What a pod writes so that it runs on the workers of a pool: made from the pool's settings, by the rules of `matching`.

For `herder pool scheduling-info`. Pure; the text is YAML for the `spec` of a pod.
"""

import json
from dataclasses import dataclass

from herder.model.fleet.cluster import POOL_LABEL
from herder.model.fleet.offer import offers_of
from herder.model.fleet.pool import PoolSpec, Taint, Template
from herder.model.values.resources import Resources, format_mib

#: The PriorityClasses that `herder cluster manifests` writes, by the value of the label `node-pool`.
PRIORITY_CLASSES = {
    "permanent": "permanent-workload",
    "burst": "burst-workload",
    "spot": "spot-workload",
}
NODE_POOL = "node-pool"
#: What is written for a container, as far as a worker has it: an example to edit.
_CPU_MILLI, _MEMORY_MIB = 500, 512
GPUS = "nvidia.com/gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulingText:
    node_selector: dict[str, str]
    tolerations: tuple[dict[str, str], ...]
    priority_class: str
    requests: dict[str, str]
    limits: dict[str, str]
    yaml: str


def scheduling_info(pool: PoolSpec) -> SchedulingText:
    selector = {POOL_LABEL: str(pool.name)}
    tolerations = tuple(_toleration(taint) for taint in pool.taints)
    priority = PRIORITY_CLASSES.get(dict(pool.labels).get(NODE_POOL, ""), "")
    largest = max(pool.templates, key=_size, default=None)
    requests, limits = _amounts(largest)
    text = _yaml(selector, tolerations, priority, requests, limits, _comments(pool, largest))
    return SchedulingText(
        node_selector=selector,
        tolerations=tolerations,
        priority_class=priority,
        requests=requests,
        limits=limits,
        yaml=text,
    )


def _toleration(taint: Taint) -> dict[str, str]:
    if not taint.value:
        return {"key": taint.key, "operator": "Exists", "effect": str(taint.effect)}
    return {"key": taint.key, "operator": "Equal", "value": taint.value, "effect": str(taint.effect)}


def _size(template: Template) -> tuple[int, int, int]:
    have = template.allocatable
    return have.gpu, have.cpu_milli, have.memory_mib


def _amounts(template: Template | None) -> tuple[dict[str, str], dict[str, str]]:
    if template is None:
        return {}, {}
    have = template.allocatable
    requests = {
        "cpu": f"{min(_CPU_MILLI, have.cpu_milli)}m",
        "memory": f"{min(_MEMORY_MIB, have.memory_mib)}Mi",
    }
    limits = {"memory": requests["memory"]}
    if have.gpu:
        limits[GPUS] = "1"
    return requests, limits


def _comments(pool: PoolSpec, largest: Template | None) -> tuple[str, ...]:
    lines = [f"A worker has the labels {_pairs(dict(pool.labels))}."] if pool.labels else []
    for template in pool.templates:
        zones = ", ".join(dict.fromkeys(offer.zone for offer in offers_of(template) if offer.zone))
        where = f", zones {zones}" if zones else ""
        lines.append(f"Template {template.name}: at most {_all(template.allocatable)}{where}.")
    if largest is not None and largest.allocatable.gpu:
        lines.append("A GPU is requested by its limit.")
    return tuple(lines)


def _pairs(pairs: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(pairs.items()))


def _all(have: Resources) -> str:
    gpus = f", {have.gpu} GPU" if have.gpu else ""
    return f"{have.cpu_milli}m CPU and {format_mib(have.memory_mib)} memory{gpus}"


def _yaml(
    selector: dict[str, str],
    tolerations: tuple[dict[str, str], ...],
    priority: str,
    requests: dict[str, str],
    limits: dict[str, str],
    comments: tuple[str, ...],
) -> str:
    lines = [f"# {each}" for each in comments]
    lines += ["nodeSelector:", *_mapping(selector, 2)]
    for number, toleration in enumerate(tolerations):
        rows = _mapping(toleration, 2)
        rows[0] = f"- {rows[0].lstrip()}"
        lines += [*(["tolerations:"] if not number else []), *rows]
    if priority:
        lines.append(f"priorityClassName: {priority}")
    if requests:
        lines += ["containers:", "- name: main", "  image: IMAGE", "  resources:"]
        lines += ["    requests:", *_mapping(requests, 6), "    limits:", *_mapping(limits, 6)]
    return "\n".join(lines) + "\n"


def _mapping(pairs: dict[str, str], indent: int) -> list[str]:
    """Values are quoted as JSON does: a label `true` is no flag, and `1` no number."""
    return [f"{' ' * indent}{key}: {json.dumps(value)}" for key, value in pairs.items()]
