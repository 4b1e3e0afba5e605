"""The machine pool that a pool of Herder wants: its `driver_options`, read. Pure."""

import hashlib
import re
from collections.abc import Iterator, Mapping

from herder.model.fleet.cluster import INSTALLATION_LABEL, POOL_LABEL, WORKER_LABEL
from herder.model.fleet.driver import InvalidRequest
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerSpec
from herder.model.values.phrases import sentences
from herder.remote.ocm.pools import Autoscaling, MachinePool, PoolTaint, Spot

_COUNT = r"[0-9]{1,5}"
_PAIRS = r"[^=,\s]+=[^,\s]*(\s*,\s*[^=,\s]+=[^,\s]*)*"
_WORDS = r"[^,\s]+(\s*,\s*[^,\s]+)*"
#: By option: what a value may be, and what to write. The rules of ROSA itself are `remote.ocm.rules`.
KNOWN: dict[str, tuple[str, str]] = {
    "machine_pool": (r"[a-z]([-a-z0-9]*[a-z0-9])?", "Write a name of small letters, digits and hyphens."),
    "instance_type": (r"[a-z0-9-]+\.[a-z0-9-]+", "Write a type of machine of AWS, such as m5.xlarge."),
    "autoscaling": (rf"{_COUNT}\.\.{_COUNT}", "Write the minimum and the maximum of nodes, such as 0..5."),
    "availability_zone": (r"[a-z0-9-]+", "Write a zone, such as eu-central-1a."),
    "subnet": (r"[a-z0-9-]+", "Write the id of a subnet."),
    "spot_max_price": (r"on-demand|[0-9]+(\.[0-9]+)?", "Write dollars an hour, or on-demand."),
    "disk_gib": (_COUNT, "Write a number of GiB, such as 300."),
    "labels": (_PAIRS, "Write labels of nodes, such as team=a, tier=batch."),
    "taints": (
        r"[^=:,\s]+(=[^:,\s]*)?:\w+(\s*,\s*[^=:,\s]+(=[^:,\s]*)?:\w+)*",
        "Write taints of nodes, such as spot=true:PreferNoSchedule.",
    ),
    "security_groups": (_WORDS, "Write ids of security groups, such as sg-1, sg-2."),
    "tags": (_PAIRS, "Write tags of AWS, such as cost=7."),
}
#: Ours: a pool may not set them.
OURS = (WORKER_LABEL, INSTALLATION_LABEL, POOL_LABEL)
#: The longest name that HCP clusters take.
_NAME_MAX, _HASH = 15, 6


def pool_faults(pool: PoolSpec) -> list[tuple[str, str, str]]:
    """What is wrong with the driver_options of a pool: option, message and remedy. Called by `herder config lint` and before a server starts."""
    found = list(_faults(dict(pool.driver_options)))
    if len({tuple(sorted(template.labels)) for template in pool.templates}) > 1:
        found.append(
            (
                "labels",
                "The templates have different labels, but all nodes of one machine pool have the same.",
                "Write the labels on the pool, or make a pool for each template.",
            )
        )
    return found


def _faults(options: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name, value in options.items():
        if name not in KNOWN:
            known = ", ".join(KNOWN)
            yield name, f"The ROSA driver has no option {name!r} in driver_options.", f"Use one of {known}."
        elif not re.fullmatch(KNOWN[name][0], value):
            yield name, f"{name} {value[:80]!r} of driver_options cannot be used.", KNOWN[name][1]
    if "instance_type" not in options:
        yield "instance_type", "driver_options lacks instance_type.", KNOWN["instance_type"][1]
    taken = [key for key, _ in _pairs(options.get("labels", "")) if key in OURS]
    if taken:
        yield "labels", f"Label {taken[0]} is set by Herder itself.", "Remove it from driver_options."


def wanted(installation: str, spec: WorkerSpec) -> MachinePool:
    """Without its size, unless autoscaling has it. Raises InvalidRequest."""
    options = dict(spec.driver_options)
    faults = list(_faults(options))
    if faults:
        raise InvalidRequest(sentences(*(part for _, *parts in faults for part in parts)))
    low, _, high = options.get("autoscaling", "").partition("..")
    zone = options.get("availability_zone", "")
    _check_market(spec, options, zone)
    return MachinePool(
        name=options.get("machine_pool") or pool_name(installation, spec.pool),
        instance_type=options["instance_type"],
        autoscaling=Autoscaling(min_replicas=int(low), max_replicas=int(high)) if high else None,
        zones=(zone,) if zone else (),
        subnets=tuple(filter(None, [options.get("subnet", "")])),
        labels=_labels(installation, spec, options),
        taints=_taints(spec, options),
        spot=Spot(max_price=options.get("spot_max_price", "").replace("on-demand", ""))
        if spec.spot
        else None,
        disk_gib=int(options["disk_gib"]) if "disk_gib" in options else None,
        security_groups=tuple(_words(options.get("security_groups", ""))),
        tags=tuple(_pairs(options.get("tags", ""))),
    )


def labels_of(installation: str, pool: str) -> tuple[tuple[str, str], ...]:
    """By which a machine pool and its nodes are known to be ours."""
    return ((INSTALLATION_LABEL, installation), (POOL_LABEL, pool))


def _labels(installation: str, spec: WorkerSpec, options: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Nodes have those of the pool from their first moment, also those that OpenShift's autoscaler adds."""
    own = dict(_pairs(options.get("labels", "")))
    return tuple({**dict(spec.labels), **own, **dict(labels_of(installation, spec.pool))}.items())


def _taints(spec: WorkerSpec, options: Mapping[str, str]) -> tuple[PoolTaint, ...]:
    pools = (PoolTaint(key=each.key, value=each.value, effect=each.effect.value) for each in spec.taints)
    found = (*pools, *map(_taint, _words(options.get("taints", ""))))
    return tuple({(each.key, each.effect): each for each in found}.values())


def pool_name(installation: str, pool: str) -> str:
    """Of a machine pool that its pool does not name: as short as HCP wants it."""
    digest = hashlib.sha256(f"{installation}/{pool}".encode()).hexdigest()[:_HASH]
    readable = re.sub(r"[^a-z0-9]+", "-", pool.lower()).strip("-")[: _NAME_MAX - _HASH - 1].strip("-")
    return f"{readable if readable[:1].isalpha() else 'pool'}-{digest}"


def _check_market(spec: WorkerSpec, options: Mapping[str, str], zone: str) -> None:
    if "spot_max_price" in options and not spec.spot:
        raise InvalidRequest(
            f"Pool {spec.pool} has spot_max_price, but template {spec.template} is not spot. Set spot: true there, or remove the price."
        )
    if spec.zone and spec.zone != zone:
        raise InvalidRequest(
            f"Worker {spec.name} is wanted in zone {spec.zone}, but the machine pool of pool {spec.pool} is in {zone or 'no chosen zone'}. "
            "Set availability_zone in driver_options."
        )


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", text) if word]


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(word.partition("=")[0], word.partition("=")[2]) for word in _words(text)]


def _taint(text: str) -> PoolTaint:
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    return PoolTaint(key=key, value=value, effect=effect)
