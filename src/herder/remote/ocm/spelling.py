"""OCM's JSON of clusters and machine pools, both kinds, read and written. Pure.

Classic and HCP differ where one would not expect it: `max_replicas` and `max_replica`, a maximum price that is a number and one that is a text,
lists of zones and one zone. What an answer lacks, or has in another form, is not known: None or empty.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from herder.remote.ocm.pools import Autoscaling, Cluster, MachinePool, PoolTaint, Spot

Json = dict[str, Any]
_T = TypeVar("_T")


def cluster_of(body: Mapping[str, Any]) -> Cluster:
    aws = _object(body, "aws")
    return Cluster(
        id=_text(body, "id"),
        name=_text(body, "name"),
        hosted=_object(body, "hypershift").get("enabled") is True,
        state=_text(body, "state"),
        multi_az=body.get("multi_az") is True,
        zones=_texts(_object(body, "nodes"), "availability_zones"),
        subnets=_texts(aws, "subnet_ids"),
        version=_text(_object(body, "version"), "raw_id"),
        termination_queue=bool(_text(aws, "termination_handler_queue_url")),
    )


def pool_of(body: Mapping[str, Any], *, hosted: bool) -> MachinePool:
    aws = _object(body, "aws_node_pool" if hosted else "aws")
    status, upgrade = _object(body, "status"), _object(body, "management_upgrade")
    root = _object(aws, "root_volume") if hosted else _object(_object(body, "root_volume"), "aws")
    types = _object(aws, "availability_zone_types")
    return MachinePool(
        name=_text(body, "id"),
        instance_type=_text(aws if hosted else body, "instance_type"),
        replicas=_whole(body, "replicas"),
        autoscaling=_autoscaling(body, "" if hosted else "s"),
        zones=_one(body, "availability_zone") if hosted else _texts(body, "availability_zones"),
        subnets=_one(body, "subnet") if hosted else _texts(body, "subnets"),
        labels=_pairs(body, "labels"),
        taints=tuple(
            PoolTaint(key=_text(each, "key"), value=_text(each, "value"), effect=_text(each, "effect"))
            for each in body.get("taints") or ()
            if isinstance(each, Mapping)
        ),
        spot=_spot(aws),
        disk_gib=_whole(root, "size"),
        security_groups=_texts(aws, "additional_security_group_ids"),
        tags=_pairs(aws, "tags"),
        local_zone="local-zone" in types.values(),
        capacity_reservation=_text(_object(aws, "capacity_reservation"), "id"),
        auto_repair=body.get("auto_repair") if isinstance(body.get("auto_repair"), bool) else None,
        drain_grace_min=_number(_object(body, "node_drain_grace_period"), "value"),
        max_surge=_text(upgrade, "max_surge"),
        max_unavailable=_text(upgrade, "max_unavailable"),
        current_replicas=_whole(status, "current_replicas"),
        message=_text(status, "message"),
    )


def new_pool(pool: MachinePool, *, hosted: bool) -> Json:
    """The body that creates it."""
    return _of_hosted(pool) if hosted else _of_classic(pool)


def change(pool: MachinePool, fields: frozenset[str], *, hosted: bool) -> Json:
    """The body that changes `fields` of it and nothing else: `replicas`, `autoscaling`, `labels`, `taints`, `spot` (HCP), … Labels and taints are replaced
    as a whole, as OCM does."""
    body: Json = {}
    if fields & {"replicas", "autoscaling"}:
        body |= _size(pool, "" if hosted else "s")
    if "labels" in fields:
        body["labels"] = dict(pool.labels)
    if "taints" in fields:
        body["taints"] = _taints(pool)
    if hosted:
        body |= _hosted_more(pool, fields)
        if "spot" in fields and pool.spot is not None:
            body["aws_node_pool"] = {"spot_market_options": _spot_body(pool.spot, hosted=True)}
    return body


def _of_classic(pool: MachinePool) -> Json:
    aws = _without_empty(
        {"additional_security_group_ids": list(pool.security_groups), "tags": dict(pool.tags)}
    )
    if pool.spot is not None:
        aws["spot_market_options"] = _spot_body(pool.spot, hosted=False)
    root = {"aws": {"size": pool.disk_gib}} if pool.disk_gib is not None else None
    places = {"availability_zones": list(pool.zones), "subnets": list(pool.subnets)}
    body = {"id": pool.name, "instance_type": pool.instance_type, "root_volume": root, "aws": aws, **places}
    return _without_empty({**body, **_common(pool)}) | _size(pool, "s")


def _of_hosted(pool: MachinePool) -> Json:
    aws = _without_empty(
        {
            "instance_type": pool.instance_type,
            "additional_security_group_ids": list(pool.security_groups),
            "tags": dict(pool.tags),
            "root_volume": {"size": pool.disk_gib} if pool.disk_gib is not None else None,
            "capacity_reservation": {"id": pool.capacity_reservation} if pool.capacity_reservation else None,
        }
    )
    if pool.spot is not None:
        aws["spot_market_options"] = _spot_body(pool.spot, hosted=True)
    place = {"availability_zone": next(iter(pool.zones), ""), "subnet": next(iter(pool.subnets), "")}
    body = _without_empty({"id": pool.name, "aws_node_pool": aws, **place, **_common(pool)})
    return body | _size(pool, "") | _hosted_more(pool, frozenset(_HOSTED_MORE))


_HOSTED_MORE = ("auto_repair", "drain_grace_min", "max_surge", "max_unavailable")


def _hosted_more(pool: MachinePool, fields: frozenset[str]) -> Json:
    body: Json = {}
    if "auto_repair" in fields and pool.auto_repair is not None:
        body["auto_repair"] = pool.auto_repair
    if "drain_grace_min" in fields and pool.drain_grace_min is not None:
        body["node_drain_grace_period"] = {"value": pool.drain_grace_min, "unit": "minutes"}
    upgrade: Json = {name: getattr(pool, name) for name in ("max_surge", "max_unavailable") if name in fields}
    if filled := _without_empty(upgrade):
        body["management_upgrade"] = {"type": "Replace", **filled}
    return body


def _common(pool: MachinePool) -> Json:
    return {"labels": dict(pool.labels), "taints": _taints(pool)}


def _size(pool: MachinePool, plural: str) -> Json:
    if pool.autoscaling is None:
        return {"replicas": pool.replicas}
    auto = pool.autoscaling
    return {
        "autoscaling": {f"min_replica{plural}": auto.min_replicas, f"max_replica{plural}": auto.max_replicas}
    }


def _taints(pool: MachinePool) -> list[Json]:
    return [{"key": each.key, "value": each.value, "effect": each.effect} for each in pool.taints]


def _spot_body(spot: Spot, *, hosted: bool) -> Json:
    """Without a maximum it is the on-demand price."""
    if not spot.max_price:
        return {}
    return {"max_price": spot.max_price if hosted else float(Decimal(spot.max_price))}


def _spot(aws: Mapping[str, Any]) -> Spot | None:
    found = aws.get("spot_market_options")
    if not isinstance(found, Mapping):
        return None
    price = found.get("max_price")
    return Spot(max_price="" if price is None else _price(price))


def _price(price: object) -> str:
    """Without the digits that a float has in addition."""
    return format(Decimal(repr(price)), "f") if isinstance(price, float) else str(price)


def _autoscaling(body: Mapping[str, Any], plural: str) -> Autoscaling | None:
    found = body.get("autoscaling")
    if not isinstance(found, Mapping):
        return None
    low, high = _whole(found, f"min_replica{plural}"), _whole(found, f"max_replica{plural}")
    return Autoscaling(min_replicas=low, max_replicas=high)


def _without_empty(body: Json) -> Json:
    return {name: value for name, value in body.items() if value not in (None, "", [], {})}


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _typed(body, name, lambda found: found if isinstance(found, Mapping) else None) or {}


def _text(body: Mapping[str, Any], name: str) -> str:
    return _typed(body, name, lambda found: found if isinstance(found, str) else None) or ""


def _whole(body: Mapping[str, Any], name: str) -> int | None:
    return _typed(body, name, lambda found: found if type(found) is int else None)


def _number(body: Mapping[str, Any], name: str) -> float | None:
    return _typed(body, name, lambda found: float(found) if type(found) in (int, float) else None)


def _texts(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = body.get(name)
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def _one(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(filter(None, [_text(body, name)]))


def _pairs(body: Mapping[str, Any], name: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, value) for key, value in _object(body, name).items() if isinstance(value, str)))


def _typed(body: Mapping[str, Any], name: str, read: Callable[[Any], _T | None]) -> _T | None:
    return read(body.get(name))
