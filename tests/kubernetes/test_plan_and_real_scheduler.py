"""The scheduler of the server that the tests ask, a real one where `HERDER_TEST_KUBECONFIG` names it, binds what the plan calls fitting.

Nodes are objects only: nothing runs on them. They and their pods carry the test's label, so that other nodes and pods play no part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from herder.decide.eligibility.matching import labels_of_nodes
from herder.model.fleet.offer import Offer, offers_of
from herder.model.fleet.pool import PoolSpec
from tests.kubernetes.clusters import Asked, Json, Reply, Virtual, until
from tests.kubernetes.objects import pods_path
from tests.kubernetes.random_clusters import HOST, World, pods_of, pools_of
from tests.kubernetes.test_plan_and_scheduler import Key, asked_of, planned

MINE = "herder.dev/test"
NODES = "/api/v1/nodes"
PLANS = 4


@dataclass(slots=True)
class Part:
    """The nodes and pods of one test in the cluster that it asks."""

    cluster: Asked
    namespace: str
    nodes: list[str] = field(default_factory=list)

    def send(self, method: str, path: str, *more: Any) -> Reply:
        if (method, path) == ("GET", NODES):
            return self.cluster.send(method, path, labelSelector=f"{MINE}={self.namespace}")
        if (method, path) == ("GET", "/api/v1/pods"):
            return self.cluster.send(method, pods_path(self.namespace))
        return self.cluster.send(method, path, *more)

    def sleep(self, seconds: float) -> None:
        self.cluster.sleep(min(seconds, 1.0))

    def beat(self) -> None:
        """As their kubelets would."""
        now_ms = self.cluster.now_ms if isinstance(self.cluster, Virtual) else None
        at = datetime.now(UTC) if now_ms is None else datetime.fromtimestamp(now_ms / 1000, UTC)
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        ready["lastHeartbeatTime"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        for name in self.nodes:
            body = {"status": {"conditions": [ready]}}
            assert self.send("PATCH", f"{NODES}/{name}/status", body).status == 200

    def pod(self, key: Key) -> Json:
        found: Json = self.send("GET", pods_path(*key)).body
        return found

    def waits(self) -> bool:
        """Whether the scheduler has not yet decided about a pod."""
        return any(not _decided(each) for each in self.send("GET", "/api/v1/pods").body["items"])


def _decided(pod: Json) -> bool:
    conditions = pod["status"].get("conditions", [])
    return bool(pod["spec"].get("nodeName")) or any(each["type"] == "PodScheduled" for each in conditions)


def boot(part: Part, name: str, spec: PoolSpec, offer: Offer) -> None:
    have = {"cpu": f"{offer.allocatable.cpu_milli}m", "memory": f"{offer.allocatable.memory_mib}Mi"}
    have["pods"] = str(offer.slots)
    taints = [{"key": each.key, "value": each.value, "effect": str(each.effect)} for each in spec.taints]
    labels = {**labels_of_nodes(spec, offer.name, offer.zone), **dict(spec.labels), HOST: name}
    body = {
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": taints},
        "status": {"capacity": have, "allocatable": have},
    }
    reply = part.send("POST", NODES, body)
    assert reply.status == 201, reply.body
    part.nodes.append(name)
    part.beat()


@pytest.fixture
def part(cluster: Asked, namespace: str) -> Iterator[Part]:
    found = Part(cluster, namespace)
    yield found
    for name in found.nodes:
        cluster.send("DELETE", f"{NODES}/{name}")


def world_of(part: Part, seed: int) -> World:
    draw, mine = Random(seed), {MINE: part.namespace}
    pools = tuple(
        # A name without a kubelet of the server's own, and of this test alone: pods of an earlier one may still be bound to its nodes.
        replace(each, name=f"dead-{part.namespace}-{each.name}", labels=(*each.labels, *mine.items()))
        for each in pools_of(draw)
    )
    world = World(cluster=part, pools=pools, existing={})
    for number in range(draw.randint(0, 3)):
        spec = draw.choice(pools)
        offer = draw.choice([each for given in spec.templates for each in offers_of(given)])
        name = f"{spec.name}-0-{number}"
        world.existing[name] = spec, offer
        boot(part, name, spec, offer)
    for number in range(draw.randint(2, 6)):
        for body in pods_of(draw, f"s{number}", draw.randint(1, 8)):
            del body["spec"]["priorityClassName"]
            body["spec"]["nodeSelector"] = {**body["spec"].get("nodeSelector", {}), **mine}
            reply = part.send("POST", pods_path(part.namespace), body)
            assert reply.status == 201, reply.body
    until(part, lambda: not part.waits())
    return world


@pytest.mark.parametrize("seed", range(6))
def test_what_a_plan_calls_fitting_is_bound(seed: int, part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(part, seed)
    left: dict[Key, str] = {}
    for number in range(PLANS):
        part.beat()
        places = planned(world, asked_of(world), monkeypatch, boot)
        assert places or number, "the plan gives no pod a place"
        left = places if number == 0 else {key: places.get(key, "") for key in left}
        for _ in range(10):
            left = {key: name for key, name in left.items() if not part.pod(key)["spec"].get("nodeName")}
            if not left:
                return
            part.sleep(1)
    waiting = [
        key for key, name in left.items() if name
    ]  # the others have no place: their pools are at their maximum
    assert waiting == [], [part.pod(key)["status"] for key in waiting]
