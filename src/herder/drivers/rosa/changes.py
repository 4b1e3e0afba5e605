"""What a change of a pool's settings means for its machine pool, field by field. Pure; the driver answers it without a call.

Compared are settings with settings: what a person has changed at Red Hat is not seen here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from herder.decide.scaling.offers.worker_specs import worker_spec
from herder.drivers.rosa.options import wanted
from herder.model.fleet.driver import InvalidRequest
from herder.model.fleet.driver_capabilities import PlannedChange, PlannedField, ProviderAction
from herder.model.fleet.offer import offers_of
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import PlanNumber
from herder.model.values.phrases import sentences
from herder.remote.ocm import rules
from herder.remote.ocm.pools import Autoscaling, Cluster, MachinePool

_CREATED = "It is created with its first worker, or used when it exists and has the labels of Herder."
_REPLACED = (
    "Herder does not delete a machine pool. Delete it, and the next worker creates it again; or set another machine_pool, and the workers move to a "
    "new one."
)
_RELEASED = "Its workers are replaced. It stays without nodes; delete it when it is empty."
_UPDATED = "The machine pool is changed when its next worker is created."
_SIZED_BY = (
    "Who sizes an existing machine pool, Herder or the autoscaler of OpenShift, stays as it is until a person turns autoscaling on or off "
    "in OpenShift Cluster Manager."
)
_UNKNOWN = "Whether the cluster is classic is not known yet; the maximum price of spot can only change in an HCP cluster."


class _Sized(NamedTuple):
    pool: MachinePool
    least: int
    most: int


def planned(
    installation: str, driver: str, cluster: Cluster | None, before: PoolSpec | None, after: PoolSpec
) -> list[PlannedChange]:
    """`cluster`: None where it was not read yet. Raises InvalidRequest when `after` cannot be a machine pool."""
    was: Mapping[str, _Sized] = {}
    if before is not None:
        try:
            was = _machine_pools(installation, driver, before)
        except InvalidRequest:
            was = {}  # it never was a machine pool
    becomes = _machine_pools(installation, driver, after)
    found = [
        change
        for name, new in becomes.items()
        if (change := _change(was.get(name), new, cluster)) is not None
    ]
    return found + [
        PlannedChange(object=f"machine pool {name}", action=ProviderAction.RELEASE, note=_RELEASED)
        for name in was
        if name not in becomes
    ]


def _machine_pools(installation: str, driver: str, pool: PoolSpec) -> Mapping[str, _Sized]:
    """By name. Of a template that prefers spot it is a spot one."""
    found: dict[str, _Sized] = {}
    for template in pool.templates:
        offer = max(offers_of(template), key=lambda each: each.spot, default=None)
        if offer is None or (template.driver or pool.driver) != driver:
            continue
        made = wanted(installation, worker_spec(pool, replace(offer, zone=""), PlanNumber(0), 1, ""))
        auto = made.autoscaling or Autoscaling()
        least, most = auto.min_replicas, auto.max_replicas
        sizes = (
            pool.size.min_workers if least is None else least,
            pool.size.max_workers if most is None else most,
        )
        found[made.name] = _Sized(made, *sizes)
    return found


def _change(was: _Sized | None, new: _Sized, cluster: Cluster | None) -> PlannedChange | None:
    after = dict(_fields(new))
    if was is None:
        fields = [PlannedField(name=name, after=value) for (_, name), value in after.items()]
        note, action = _CREATED, ProviderAction.CREATE
    else:
        before = dict(_fields(was))
        hosted = cluster is not None and cluster.hosted
        fixed = rules.forces_replacement(was.pool, new.pool, hosted=hosted)
        fields = [
            PlannedField(
                name=name, before=before.get((of, name)), after=after.get((of, name)), replaces=of in fixed
            )
            for of, name in sorted({**before, **after}, key=lambda each: _ORDER.index(each[0]))
            if before.get((of, name)) != after.get((of, name))
            if of in fixed or of in _MUTABLE
        ]
        action = ProviderAction.REPLACE if fixed else ProviderAction.UPDATE
        note = _note(was.pool, new.pool, fixed, fields, cluster)
    if not fields:
        return None
    note = sentences(note, _broken(new, cluster, is_new=was is None))
    return PlannedChange(
        object=f"machine pool {new.pool.name}", action=action, fields=tuple(fields), note=note
    )


def _note(
    was: MachinePool,
    new: MachinePool,
    fixed: Sequence[str],
    fields: Sequence[PlannedField],
    cluster: Cluster | None,
) -> str:
    by_herder = new.autoscaling is None and all(each.name in _SIZES for each in fields)
    return sentences(
        _REPLACED if fixed else "" if by_herder else _UPDATED,
        _UNKNOWN if "spot" in fixed and cluster is None else "",
        _SIZED_BY if (was.autoscaling is None) is not (new.autoscaling is None) else "",
    )


def _broken(new: _Sized, cluster: Cluster | None, *, is_new: bool) -> str:
    """What OCM would refuse, in sentences."""
    if cluster is None:
        return ""
    size = new.pool if new.pool.autoscaling is not None else replace(new.pool, replicas=new.least)
    try:
        rules.check(size, cluster, new=is_new)
    except InvalidRequest as error:
        return str(error)
    return ""


_SIZES = ("min_replicas", "max_replicas")
_MUTABLE = ("size", "labels", "taints", "spot")
#: Attributes of a machine pool, in the order in which they are shown.
_ORDER = (
    "name", "instance_type", "size", "zones", "subnets", "spot", "disk_gib", "labels", "taints", "security_groups", "tags",
)  # fmt: skip


def _fields(sized: _Sized) -> Iterator[tuple[tuple[str, str], str]]:
    """By attribute and name, the values that are set."""
    pool = sized.pool
    yield ("instance_type", "instance_type"), pool.instance_type
    for name, count in zip(_SIZES, (sized.least, sized.most), strict=True):
        yield ("size", name), str(count)
    for attribute, name in (("zones", "availability_zone"), ("subnets", "subnet")):
        yield from (((attribute, name), value) for value in getattr(pool, attribute))
    if pool.spot is not None:
        yield ("spot", "spot_max_price"), pool.spot.max_price or "on-demand"
    if pool.disk_gib is not None:
        yield ("disk_gib", "disk_gib"), str(pool.disk_gib)
    yield from ((("labels", f"labels.{key}"), value) for key, value in sorted(pool.labels))
    yield from ((("taints", f"taints.{each.key}:{each.effect}"), each.value) for each in pool.taints)
    if pool.security_groups:
        yield ("security_groups", "security_groups"), ", ".join(pool.security_groups)
    yield from ((("tags", f"tags.{key}"), value) for key, value in sorted(pool.tags))
