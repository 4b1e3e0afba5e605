"""What OCM, the `rosa` command and the Terraform provider demand of a machine pool, each rule with its sentence. Pure.

Checked before a call, since OCM tells only of the first rule that is broken, and of some only after minutes. Callers name the rule.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from herder.model.fleet.driver import InvalidRequest
from herder.model.fleet.pool import TaintEffect
from herder.model.values.phrases import sentences
from herder.remote.ocm.pools import Cluster, MachinePool

_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_DEFAULT_HCP = re.compile(r"workers?(-[0-9]+)?")
_PART = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SHARE = re.compile(r"[0-9]+|(100|[1-9]?[0-9])%")
_PRICE = re.compile(r"[0-9]+(\.[0-9]+)?")
_PREFIX_MAX = 253
PRICE_MIN = Decimal("0.000001")
DRAIN_GRACE_MIN_MAX = 10_080
TAGS_MAX, TAG_KEY_MAX, TAG_VALUE_MAX = 25, 128, 256
DISK_GIB_MAX = 16_384
#: Of one pool: nodes, from which version of OpenShift.
NODES_HCP, NODES_CLASSIC, NODES_CLASSIC_OLD, MORE_NODES_FROM = 500, 249, 180, (4, 14, 14)
DISK_MIN_HCP, DISK_MIN_CLASSIC, DISK_MAX_OLD, LARGE_DISKS_FROM = 75, 128, 1_024, (4, 14, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    name: str
    says: str
    """What holds, as a sentence."""
    problem: Callable[[MachinePool, Cluster], str]
    """What is wrong with a pool, as a clause; empty: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    rule: Rule
    problem: str


def broken(pool: MachinePool, cluster: Cluster, *, new: bool = False) -> list[Broken]:
    """All rules that `pool` breaks. `new`: it would be created."""
    rules = (*RULES, *NEW_RULES) if new else RULES
    return [Broken(rule=rule, problem=said) for rule in rules if (said := rule.problem(pool, cluster))]


def check(pool: MachinePool, cluster: Cluster, *, new: bool = False) -> None:
    """Raises InvalidRequest, which names each rule that is broken."""
    _raise(pool, broken(pool, cluster, new=new))


def _raise(pool: MachinePool, found: Sequence[Broken]) -> None:
    texts = [
        sentences(f"Machine pool {pool.name} breaks rule {each.rule.name}: {each.problem}", each.rule.says)
        for each in found
    ]
    if texts:
        raise InvalidRequest(sentences(*texts))


def check_removal(name: str, all_names: Iterable[str], cluster: Cluster) -> None:
    """Raises InvalidRequest. `all_names`: of the cluster's pools."""
    if set(all_names) <= {name}:
        raise InvalidRequest(
            f"Machine pool {name} is the last one of cluster {cluster.name or cluster.id} (rule last_pool). {LAST_POOL}"
        )


LAST_POOL = "A cluster keeps at least one machine pool. Create another one before this one is deleted."


def is_default(name: str, *, hosted: bool) -> bool:
    """One that ROSA made with the cluster. It is adopted, and can never be created again."""
    return bool(_DEFAULT_HCP.fullmatch(name)) if hosted else name == "worker"


def warnings(
    pool: MachinePool, cluster: Cluster, others: Sequence[MachinePool], nodes_max: int | None
) -> list[str]:
    """What is allowed and may surprise, as sentences. `others`: the cluster's other pools; `nodes_max`: of its autoscaler, None where it has none."""
    found = []
    if pool.spot is not None and cluster.hosted and not cluster.termination_queue:
        found.append(
            f"Cluster {cluster.name or cluster.id} has no queue for AWS's notices, so nodes of machine pool {pool.name} are not drained before a spot "
            "interruption. Set the cluster's termination_handler_queue_url."
        )
    together = [each.most for each in (*others, pool)]
    known = sum(most for most in together if most is not None)
    if nodes_max is not None and known > nodes_max:
        found.append(
            f"The machine pools of cluster {cluster.name or cluster.id} may have {known:,} nodes together, but its autoscaler stops at {nodes_max:,}. "
            "Raise max_nodes_total of the autoscaler, or lower the maxima."
        )
    return found


# --- the rules, one function each


def _name(pool: MachinePool, _cluster: Cluster) -> str:
    return "" if _NAME.fullmatch(pool.name) else f"{pool.name[:80]!r} is not a name"


def _not_default(pool: MachinePool, cluster: Cluster) -> str:
    return (
        f"{pool.name} is a name of ROSA's own pools" if is_default(pool.name, hosted=cluster.hosted) else ""
    )


def _instance_type(pool: MachinePool, _cluster: Cluster) -> str:
    return "" if pool.instance_type else "it names no instance type"


def _one_of_both(pool: MachinePool, _cluster: Cluster) -> str:
    if pool.replicas is not None and pool.autoscaling is not None:
        return "it has replicas and autoscaling"
    return (
        "it has neither replicas nor autoscaling"
        if pool.replicas is None and pool.autoscaling is None
        else ""
    )


def _replicas(pool: MachinePool, _cluster: Cluster) -> str:
    return f"replicas is {pool.replicas}" if pool.replicas is not None and pool.replicas < 0 else ""


def _autoscaling(pool: MachinePool, _cluster: Cluster) -> str:
    if pool.autoscaling is None:
        return ""
    low, high = pool.autoscaling.min_replicas, pool.autoscaling.max_replicas
    if low is None or high is None:
        return "autoscaling lacks min_replicas or max_replicas"
    return "" if 0 <= low <= high and high > 0 else f"autoscaling is from {low} to {high}"


def _by_three(pool: MachinePool, cluster: Cluster) -> str:
    # A pool in one zone or one subnet of a multi-AZ cluster is free of it.
    if cluster.hosted or not cluster.multi_az or 1 in (len(pool.zones), len(pool.subnets)):
        return ""
    odd = [f"{name} is {value}" for name, value in _counts(pool) if value % 3]
    return " and ".join(odd)


def _node_limit(pool: MachinePool, cluster: Cluster) -> str:
    limit = node_limit(cluster)
    return " and ".join(
        f"{name} is {value:,}, at most {limit} are allowed" for name, value in _counts(pool) if value > limit
    )


def _disk(pool: MachinePool, cluster: Cluster) -> str:
    low, high = disk_limits(cluster)
    if pool.disk_gib is None or low <= pool.disk_gib <= high:
        return ""
    return f"its disk is {pool.disk_gib:,} GiB, {low} to {high:,} are allowed"


def _spot_price(pool: MachinePool, _cluster: Cluster) -> str:
    if pool.spot is None or not pool.spot.max_price:
        return ""
    fits = _PRICE.fullmatch(pool.spot.max_price) and Decimal(pool.spot.max_price) >= PRICE_MIN
    return "" if fits else f"{pool.spot.max_price[:40]!r} is not a maximum price"


def _spot_place(pool: MachinePool, _cluster: Cluster) -> str:
    return "it is spot and in a local zone" if pool.spot is not None and pool.local_zone else ""


def _spot_reservation(pool: MachinePool, _cluster: Cluster) -> str:
    taken = pool.spot is not None and pool.capacity_reservation
    return f"it is spot and has capacity reservation {pool.capacity_reservation}" if taken else ""


def _place(pool: MachinePool, _cluster: Cluster) -> str:
    return "it names availability zones and subnets" if pool.zones and pool.subnets else ""


def _one_place(pool: MachinePool, cluster: Cluster) -> str:
    many = [
        name
        for name, each in (("availability zones", pool.zones), ("subnets", pool.subnets))
        if len(each) > 1
    ]
    return f"it names several {many[0]}" if cluster.hosted and many else ""


def _zones(pool: MachinePool, cluster: Cluster) -> str:
    if not pool.zones or cluster.hosted:
        return ""
    if not cluster.multi_az:
        return "it names an availability zone, and its cluster has only one"
    unknown = [zone for zone in pool.zones if cluster.zones and zone not in cluster.zones]
    return f"{unknown[0]} is none of {', '.join(cluster.zones)}" if unknown else ""


def _subnets(pool: MachinePool, cluster: Cluster) -> str:
    return (
        "it names a subnet, and its cluster has a VPC of ROSA's own"
        if pool.subnets and not cluster.subnets
        else ""
    )


def _labels(pool: MachinePool, _cluster: Cluster) -> str:
    return next((said for key, value in pool.labels if (said := _pair("label", key, value))), "")


def _labels_once(pool: MachinePool, _cluster: Cluster) -> str:
    keys = [key for key, _ in pool.labels]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    return f"label {twice[0]} is there twice" if twice else ""


def _taints(pool: MachinePool, _cluster: Cluster) -> str:
    return next((said for each in pool.taints if (said := _pair("taint", each.key, each.value))), "")


def _effects(pool: MachinePool, _cluster: Cluster) -> str:
    known = {effect.value for effect in TaintEffect}
    return next(
        (f"taint {each.key} has effect {each.effect!r}" for each in pool.taints if each.effect not in known),
        "",
    )


def _tags(pool: MachinePool, _cluster: Cluster) -> str:
    if len(pool.tags) > TAGS_MAX:
        return f"it has {len(pool.tags)} tags"
    for key, value in pool.tags:
        if not 1 <= len(key) <= TAG_KEY_MAX or len(value) > TAG_VALUE_MAX or key.lower().startswith("aws:"):
            return f"{key[:40]!r} cannot be a tag with its value"
    return ""


def _drain_grace(pool: MachinePool, _cluster: Cluster) -> str:
    grace = pool.drain_grace_min
    return "" if grace is None or 0 <= grace <= DRAIN_GRACE_MIN_MAX else f"its drain grace is {grace:g} min"


def _upgrade(pool: MachinePool, _cluster: Cluster) -> str:
    for name, value in (("max_surge", pool.max_surge), ("max_unavailable", pool.max_unavailable)):
        if value and not _SHARE.fullmatch(value):
            return f"{name} is {value[:40]!r}"
    return ""


def _hosted_only(pool: MachinePool, cluster: Cluster) -> str:
    has = {
        "capacity_reservation": bool(pool.capacity_reservation),
        "auto_repair": pool.auto_repair is not None,
        "drain_grace": pool.drain_grace_min is not None,
        "max_surge": bool(pool.max_surge),
        "max_unavailable": bool(pool.max_unavailable),
    }
    found = [name for name, there in has.items() if there]
    return f"it has {', '.join(found)}" if found and not cluster.hosted else ""


RULES: tuple[Rule, ...] = (
    Rule(name="name", problem=_name, says="A name begins with a small letter, and has small letters, digits and hyphens."),
    Rule(name="instance_type", problem=_instance_type, says="A pool has one type of machine, such as m5.xlarge."),
    Rule(name="replicas_or_autoscaling", problem=_one_of_both, says="Set either replicas or autoscaling."),
    Rule(name="replicas", problem=_replicas, says="replicas is at least 0."),
    Rule(name="autoscaling", problem=_autoscaling, says="min_replicas is at least 0, and max_replicas at least 1 and at least min_replicas."),
    Rule(name="multi_az_by_three", problem=_by_three, says="Counts of a pool over the zones of a multi-AZ classic cluster are divisible by 3."),
    Rule(name="node_limit", problem=_node_limit, says="ROSA has a limit of nodes in a pool. Use another pool for more."),
    Rule(name="disk", problem=_disk, says="The size of the root disk is set when the pool is created, and cannot change later."),
    Rule(name="spot_price", problem=_spot_price, says="A maximum price is in dollars an hour, at least a millionth; without one it is the on-demand price."),
    Rule(name="spot_local_zone", problem=_spot_place, says="Local zones have no spot machines."),
    Rule(name="spot_reservation", problem=_spot_reservation, says="A pool is either spot or uses a capacity reservation."),
    Rule(name="zone_or_subnet", problem=_place, says="Set either availability zones or subnets."),
    Rule(name="one_place", problem=_one_place, says="A pool of an HCP cluster is in one zone or one subnet."),
    Rule(name="zones", problem=_zones, says="Availability zones are chosen only in multi-AZ clusters, among the cluster's."),
    Rule(name="subnets", problem=_subnets, says="Subnets are chosen only in clusters in a VPC of the owner."),
    Rule(name="labels", problem=_labels, says="Keys and values of labels are those of Kubernetes."),
    Rule(name="labels_once", problem=_labels_once, says="A key has one value."),
    Rule(name="taints", problem=_taints, says="Keys and values of taints are those of Kubernetes."),
    Rule(name="taint_effects", problem=_effects, says="An effect is NoSchedule, PreferNoSchedule or NoExecute."),
    Rule(name="tags", problem=_tags, says="At most 25 tags; a key has 1 to 128 characters and does not begin with aws:, a value at most 256."),
    Rule(name="drain_grace", problem=_drain_grace, says="The drain grace is 0 to 10,080 min (a week)."),
    Rule(name="upgrade", problem=_upgrade, says="max_surge and max_unavailable are a count, or 0% to 100%."),
    Rule(name="hcp_only", problem=_hosted_only, says="Classic clusters do not have these settings."),
)  # fmt: skip
NEW_RULES = (
    Rule(name="default_pool", problem=_not_default, says="Default pools are made with their cluster, and cannot be created. Choose another name."),
)  # fmt: skip


def node_limit(cluster: Cluster) -> int:
    if cluster.hosted:
        return NODES_HCP
    return NODES_CLASSIC if _at_least(cluster.version, MORE_NODES_FROM) else NODES_CLASSIC_OLD


def disk_limits(cluster: Cluster) -> tuple[int, int]:
    if cluster.hosted:
        return DISK_MIN_HCP, DISK_GIB_MAX
    return DISK_MIN_CLASSIC, DISK_GIB_MAX if _at_least(cluster.version, LARGE_DISKS_FROM) else DISK_MAX_OLD


def _at_least(version: str, wanted: tuple[int, int, int]) -> bool:
    """Of a version that is not known: yes, since OCM itself decides then."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return found is None or tuple(int(part or 0) for part in found.groups()) >= wanted


def _counts(pool: MachinePool) -> Iterator[tuple[str, int]]:
    auto = pool.autoscaling
    for name, value in (
        ("replicas", pool.replicas),
        ("min_replicas", None if auto is None else auto.min_replicas),
        ("max_replicas", None if auto is None else auto.max_replicas),
    ):
        if value is not None:
            yield name, value


def _pair(what: str, key: str, value: str) -> str:
    prefix, slash, name = key.rpartition("/")
    fits = _PART.fullmatch(name) and (not slash or (len(prefix) <= _PREFIX_MAX and _PREFIX.fullmatch(prefix)))
    if not fits:
        return f"{key[:80]!r} is not a key of a {what}"
    return "" if not value or _PART.fullmatch(value) else f"{value[:80]!r} is not a value of {what} {key}"


# --- changes

#: What cannot change while a pool exists, in the words of `MachinePool`.
_FIXED = (
    "name",
    "instance_type",
    "zones",
    "subnets",
    "disk_gib",
    "security_groups",
    "tags",
    "capacity_reservation",
)


def forces_replacement(before: MachinePool, after: MachinePool, *, hosted: bool) -> tuple[str, ...]:
    """The fields that differ and can only be had by deleting the pool and creating it again. What `after` does not say stays as it is."""
    found = [
        field
        for field in _FIXED
        if getattr(after, field) != getattr(before, field) and getattr(after, field) not in (None, (), "")
    ]
    # A node pool of HCP may change its maximum price, but not whether it is spot.
    if (before.spot is None) != (after.spot is None) or (before.spot != after.spot and not hosted):
        found.append("spot")
    return tuple(found)


def check_change(before: MachinePool, after: MachinePool, cluster: Cluster) -> None:
    """Raises InvalidRequest: `after` breaks a rule that `before` keeps, or needs another pool."""
    _raise(after, [each for each in broken(after, cluster) if each not in broken(before, cluster)])
    fixed = forces_replacement(before, after, hosted=cluster.hosted)
    if fixed:
        text = f"Machine pool {before.name} cannot change its {', '.join(fixed)} (rule immutable)"
        raise InvalidRequest(sentences(text, "Delete the pool and create it again, or set these back"))
