"""AWS's quotas of virtual CPUs: for a group of families of types, on demand or as spot. Pure; called by `market`.

AWS says the limits, and which families each holds for, in the name: `Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances`, `All G and VT Spot Instance
Requests`. It does not say how much is used: that is counted from the instances that there are.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from herder.drivers.aws.xml import Json, part

_NAME = re.compile(
    r"(?:Running On-Demand (?P<on_demand>.+) instances|All (?P<spot>.+) Spot Instance Requests)"
)
_TYPE = re.compile(r"(?P<family>[a-z]+)-?(?P<generation>[0-9]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class VcpuQuota:
    name: str
    """As AWS writes it, without the list of families."""
    families: frozenset[str]
    """`m`, `vt`, or with a generation: `p5`."""
    spot: bool
    limit: int


def vcpu_quotas(rows: Iterable[Mapping[str, Any]]) -> list[VcpuQuota]:
    """Among all quotas of EC2."""
    found = []
    for row in rows:
        name, value = str(row.get("QuotaName", "")), row.get("Value")
        words = _NAME.fullmatch(name)
        if words is None or isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            continue
        group = words["on_demand"] or words["spot"]
        listed = re.search(r"\((.+)\)", group)
        families = re.split(r",\s*(?:and\s+)?|\s+and\s+", listed[1] if listed else group)
        found.append(
            VcpuQuota(
                name=re.sub(r" \(.+\)", "", name),
                families=frozenset(_FAMILIES.get(each, each).lower() for each in families),
                spot=bool(words["spot"]),
                limit=int(value),
            )
        )
    return found


#: A family that AWS names otherwise than its types: `u-6tb1.metal`.
_FAMILIES = {"High Memory": "u"}
#: Types whose first letters are not their family.
_TYPES = {"im": "i", "is": "i", "gr": "g"}


def quota_for(quotas: Iterable[VcpuQuota], kind: str, *, spot: bool) -> VcpuQuota | None:
    """The one that a type counts against; of two, the one that names its generation. None: unknown."""
    found = _TYPE.match(kind)
    if found is None:
        return None
    family = _TYPES.get(found["family"], found["family"])
    generation = f"{family}{found['generation']}"
    for name in (generation, family):
        for each in quotas:
            if each.spot is spot and name in each.families:
                return each
    return None


def used_of(quotas: Iterable[VcpuQuota], instances: Iterable[Json]) -> dict[str, int]:
    """By the name of each quota: what the account's instances that start or run have of it. Without those of which it is not known."""
    quotas = list(quotas)
    used, unknown = {each.name: 0 for each in quotas}, set[str]()
    for instance in instances:
        spot = instance.get("instanceLifecycle") == "spot"
        quota = quota_for(quotas, str(instance.get("instanceType", "")), spot=spot)
        if quota is None:
            continue
        options = part(instance, "cpuOptions")
        cpus = str(options.get("coreCount", "")), str(options.get("threadsPerCore", ""))
        if all(each.isdecimal() for each in cpus):
            used[quota.name] += int(cpus[0]) * int(cpus[1])
        else:
            unknown.add(quota.name)
    return {name: amount for name, amount in used.items() if name not in unknown}
