"""A played cluster with nodes of Herder's pools, to which manifests are applied, and what Herder's picture and plan make of it. For tests of the
pages about scheduling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest

from herder.decide.eligibility.matching import kind_of_template
from herder.decide.plan.planner import decide
from herder.memberships.kubernetes.access.manifest_text import PRIORITY_CLASSES
from herder.memberships.kubernetes.objects import Node, Pod
from herder.memberships.kubernetes.picture import Picture
from herder.model.fleet.offer import Offer, offers_of
from herder.model.fleet.pool import PoolSpec
from herder.model.planning.plan import ReasonKind
from herder.settings import load_texts
from tests.kubernetes.clusters import Json, Virtual
from tests.kubernetes.random_clusters import World
from tests.kubernetes.test_plan_and_scheduler import asked_of, planned
from tests.memberships.kubernetes.objects_made import rules
from tests.planning.world import NOW, creations

PATHS = {
    "Job": "/apis/batch/v1/namespaces/default/jobs",
    "DaemonSet": "/apis/apps/v1/namespaces/default/daemonsets",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
}
PODS = "/api/v1/namespaces/default/pods"


def pools_of(text: str, **most: int) -> tuple[PoolSpec, ...]:
    """Those of a `herder.yaml`, with other maxima. No pool has a minimum: each worker of a plan is one for pods."""
    return tuple(
        replace(
            each,
            size=replace(
                each.size, min_workers=0, max_workers=most.get(str(each.name), each.size.max_workers)
            ),
        )
        for each in load_texts([("page", text)]).pools
    )


def boot(cluster: Virtual, name: str, spec: PoolSpec, offer: Offer) -> None:
    """With what the kubelet and Herder set."""
    have = offer.allocatable
    cluster.cluster.kubelets.boot(
        name,
        cluster.now_ms,
        labels=dict(kind_of_template(spec, offer).labels),
        capacity={"cpu": f"{have.cpu_milli}m", "memory": f"{have.memory_mib}Mi", "pods": str(offer.slots)},
        taints=[{"key": each.key, "value": each.value, "effect": str(each.effect)} for each in spec.taints]
        or None,
        gpus=have.gpu,
    )
    cluster._next_ms = cluster.cluster.step(cluster.now_ms)


def place_of(spec: PoolSpec, offer: Offer) -> set[str]:
    return {str(spec.name), f"{offer.name} of {spec.name}"}


Places = tuple[tuple[PoolSpec, Offer], ...]
OPEN: list[Virtual] = []


def close() -> None:
    while OPEN:
        OPEN.pop().cluster.close()


def offered(given: tuple[PoolSpec, ...]) -> Places:
    """Each template of each pool, in its first zone."""
    return tuple((spec, offers_of(template)[0]) for spec in given for template in spec.templates)


def world_of(given: tuple[PoolSpec, ...], nodes: Places) -> World:
    """A control plane, these nodes, and the PriorityClasses."""
    cluster, existing = Virtual(), {}
    OPEN.append(cluster)
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    cluster.cluster.kubelets.boot("control-plane", cluster.now_ms, taints=[taint])
    for spec, offer in nodes:
        name = f"{spec.name}-0-{len(existing)}"
        existing[name] = spec, offer
        boot(cluster, name, spec, offer)
    for name, value, preemption, _ in PRIORITY_CLASSES:
        body = {"metadata": {"name": name}, "value": value, "preemptionPolicy": preemption}
        assert cluster.send("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", body).status == 201
    cluster.sleep(5)
    return World(cluster=cluster, pools=given, existing=existing)


def apply(cluster: Virtual, manifest: Json) -> None:
    for path, body in bodies(manifest):
        reply = cluster.send("POST", path, body)
        assert reply.status == 201, reply.body
    cluster.sleep(5)


def bodies(manifest: Json) -> Iterator[tuple[str, Json]]:
    """The server has no Deployments: their pods are created here."""
    if manifest["kind"] != "Deployment":
        yield PATHS[manifest["kind"]], manifest
        return
    spec, name = manifest["spec"], manifest["metadata"]["name"]
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    for number in range(spec["replicas"]):
        template = spec["template"]
        yield (
            PODS,
            {"metadata": {**template["metadata"], "name": f"{name}-{number}"}, "spec": template["spec"]},
        )


def pods(cluster: Virtual) -> dict[str, Json]:
    return {each["metadata"]["name"]: each for each in cluster.send("GET", PODS).body["items"]}


def nodes_of(cluster: Virtual) -> list[str]:
    return [each["spec"].get("nodeName", "") for each in pods(cluster).values()]


def messages(cluster: Virtual) -> list[str]:
    """Of the scheduler, for each pod that it has refused."""
    found = [each for each in pods(cluster).values() if not each["spec"].get("nodeName")]
    return [each["status"]["conditions"][0]["message"] for each in found]


def demand(world: World) -> str:
    made = Counter(
        f"{each.spec.template} of {each.spec.pool}"
        for each in creations(decide(asked_of(world).observed, NOW))
        if each.reason.kind is ReasonKind.PENDING_PODS
    )
    return ", ".join(f"{count} × {what}" for what, count in sorted(made.items()))


def picture(world: World) -> Picture:
    """As Herder sees the cluster."""
    found = Picture("here", rules())
    for path, kind, to in (("nodes", Node, found.nodes), ("pods", Pod, found.pods)):
        for each in world.cluster.send("GET", f"/api/v1/{path}").body["items"]:
            name = each["metadata"]["name"]
            to.put(name, msgspec.json.decode(msgspec.json.encode(each), type=kind))  # type: ignore[attr-defined]
    return found


def grown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nodes of Herder's plan join."""
    planned(world, asked_of(world), monkeypatch, boot)
    world.cluster.sleep(20)
