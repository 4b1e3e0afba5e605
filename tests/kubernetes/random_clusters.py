"""Random clusters from seeds: pools, nodes of them and of nobody, running pods, and pods that fit nowhere yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from herder.decide.eligibility.matching import labels_of_nodes
from herder.model.fleet.offer import Offer, offers_of
from herder.model.fleet.pool import PoolSpec, Taint, Zone
from tests.kubernetes.clusters import Json, Virtual
from tests.kubernetes.objects import pod, pods_path
from tests.planning.test_pending_pods import nodes
from tests.planning.world import template

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
APPS = ("web", "db", "cache")


@dataclass(frozen=True, kw_only=True)
class World:
    cluster: Any
    """A `Virtual`, or what answers as one."""
    pools: tuple[PoolSpec, ...]
    existing: dict[str, tuple[PoolSpec, Offer]]


def pools_of(draw: Random) -> tuple[PoolSpec, ...]:
    zones = tuple(Zone(name=name) for name in ("a", "b", "c")[: draw.randint(1, 3)])
    found = []
    for name in ("permanent", "burst")[: draw.randint(1, 2)]:
        spec = nodes(name, max_workers=draw.choice((4, 10, 40)), pending_pods=1, pending_pods_for_s=0.0)
        sizes = draw.sample((4, 8, 16), draw.randint(1, 2))
        made = tuple(
            replace(
                template(f"{name}{size}", size, price=size * 30), zones=zones, slots=draw.choice((6, 110))
            )
            for size in sizes
        )
        taints = (
            (Taint(key="workload-type", value="burst"),) if name == "burst" and draw.random() < 0.5 else ()
        )
        found.append(replace(spec, templates=made, taints=taints, labels=(("tier", name),)))
    return tuple(found)


def boot(cluster: Virtual, name: str, spec: PoolSpec, offer: Offer) -> None:
    have = offer.allocatable
    labels = {**labels_of_nodes(spec, offer.name, offer.zone), **dict(spec.labels)}
    capacity = {"cpu": f"{have.cpu_milli}m", "memory": f"{have.memory_mib}Mi", "pods": str(offer.slots)}
    taints = [{"key": each.key, "value": each.value, "effect": str(each.effect)} for each in spec.taints]
    cluster.cluster.kubelets.boot(
        name, cluster.now_ms, labels=labels, capacity=capacity, taints=taints or None
    )
    cluster._next_ms = cluster.cluster.step(cluster.now_ms)


def made(seed: int) -> World:
    draw = Random(seed)
    cluster, pools = Virtual(), pools_of(draw)
    for name, value in (("low", 0), ("high", 1000)):
        body = {"metadata": {"name": name}, "value": value, "preemptionPolicy": "Never"}
        reply = cluster.send("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", body)
        assert reply.status == 201, reply.body
    existing = {}
    for number in range(draw.randint(0, 5)):
        spec = draw.choice(pools)
        offer = draw.choice([each for given in spec.templates for each in offers_of(given)])
        name = f"{spec.name}-0-{number}"
        existing[name] = spec, offer
        boot(cluster, name, spec, offer)
    if draw.random() < 0.5:
        capacity = {"cpu": "2", "memory": "4Gi", "pods": "20"}
        cluster.cluster.kubelets.boot(
            "foreign", cluster.now_ms, labels={ZONE: draw.choice("abc")}, capacity=capacity
        )
        cluster._next_ms = cluster.cluster.step(cluster.now_ms)
    cluster.sleep(5)
    for number in range(draw.randint(2, 8)):
        _post(cluster, draw, f"s{number}", draw.randint(1, 10))
    cluster.sleep(20)
    return World(cluster=cluster, pools=pools, existing=existing)


def _post(cluster: Virtual, draw: Random, name: str, replicas: int) -> None:
    for body in pods_of(draw, name, replicas):
        reply = cluster.send("POST", pods_path("default"), body)
        assert reply.status == 201, reply.body


def pods_of(draw: Random, name: str, replicas: int) -> Iterator[Json]:
    """Alike, but for their names."""
    spec, labels = _spec(draw)
    ports = [{"containerPort": 80, "hostPort": draw.choice((80, 81))}] if draw.random() < 0.1 else None
    cpu = draw.choice(("250m", "500m", "1", "3", "9"))
    for number in range(replicas):
        body = pod(f"{name}-{number}", cpu=cpu, memory=draw.choice(("256Mi", "1Gi")), labels=labels, **spec)
        if ports is not None:
            body["spec"]["containers"][0]["ports"] = ports
        yield body


def _spec(draw: Random) -> tuple[Json, dict[str, str]]:
    app = draw.choice(APPS)
    spec: dict[str, Any] = {
        "priorityClassName": draw.choice(("low", "low", "high")),
        "tolerations": [{"key": "workload-type", "operator": "Exists"}] if draw.random() < 0.6 else [],
    }
    if draw.random() < 0.2:
        spec["nodeSelector"] = {draw.choice((ZONE,)): draw.choice("ab")}
    affinity: Json = {}
    if draw.random() < 0.2:
        term = {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["burst"]}]}
        affinity["nodeAffinity"] = _required({"nodeSelectorTerms": [term]})
    if draw.random() < 0.35:
        other = app if draw.random() < 0.7 else draw.choice(APPS)
        affinity["podAntiAffinity"] = _required([_about(other, topologyKey=draw.choice((HOST, HOST, ZONE)))])
    if affinity:
        spec["affinity"] = affinity
    if draw.random() < 0.35:
        spec["topologySpreadConstraints"] = [
            _about(app, topologyKey=draw.choice((HOST, ZONE, ZONE)), maxSkew=draw.randint(1, 2),
                   whenUnsatisfiable="DoNotSchedule")
        ]  # fmt: skip
    if draw.random() < 0.2:
        spec["initContainers"] = [
            {"name": "i", "image": "x", "resources": {"requests": {"cpu": draw.choice(("100m", "2"))}}}
        ]
    if draw.random() < 0.1:
        spec["overhead"] = {"cpu": "250m"}
    return spec, {"app": app}


def _required(of: Any) -> Json:
    return {"requiredDuringSchedulingIgnoredDuringExecution": of}


def _about(app: str, **more: Any) -> Json:
    return {"labelSelector": {"matchLabels": {"app": app}}, **more}
