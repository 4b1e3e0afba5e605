"""A cluster with a scheduler, kubelets and metrics: nodes join, pods wait and are placed, nodes are drained, die and are removed."""

import asyncio
from collections.abc import Callable

import pytest

from herder.model.fleet.node import NodeSeen
from herder.model.fleet.repair import Condition
from herder.model.planning.cluster import ClusterSeen
from tests.memberships.kubernetes.lab import Lab
from tests.memberships.kubernetes.objects_made import node_json, pod_json

pytestmark = pytest.mark.virtual_time


async def until(lab: Lab, holds: Callable[[ClusterSeen], object], seconds: float = 120.0) -> ClusterSeen:
    async with asyncio.timeout(seconds):
        while not holds(lab.cluster.seen()):
            await lab.cluster.changed.wait()
            lab.cluster.changed.clear()
    return lab.cluster.seen()


def ready(seen: ClusterSeen) -> list[NodeSeen]:
    keys = "node.kubernetes.io/"
    return [
        node for node in seen.nodes if node.ready and not any(t.key.startswith(keys) for t in node.taints)
    ]


async def test_joined_and_schedulable_are_two_states(played: Lab) -> None:
    played.follow()
    played.post(node_json("w1", labels={"herder.dev/worker": "burst-1-1"}))
    seen = await until(played, lambda seen: seen.nodes)
    assert seen.nodes[0].ready is False
    assert [taint.key for taint in seen.nodes[0].taints] == ["node.kubernetes.io/not-ready"]
    (node,) = ready(await until(played, ready))
    assert node.worker == "burst-1-1"
    assert node.conditions == ()


async def test_what_the_scheduler_cannot_place_is_demand_until_it_can(played: Lab) -> None:
    played.follow()
    for number in range(10):
        played.post(pod_json(f"web-{number}", requests={"cpu": "2", "memory": "1Gi"}))
    played.post(pod_json("gated", schedulingGates=[{"name": "example.com/wait"}]))
    seen = await until(played, lambda seen: seen.pending and seen.pending[0].count == 10)
    assert [each.count for each in seen.not_considered] == [1]
    for name in ("w1", "w2"):
        played.post(node_json(name))
    seen = await until(played, lambda seen: sum(node.workload_pods for node in seen.nodes) == 8)
    assert seen.pending[0].count == 2
    assert {node.requested.cpu_milli for node in seen.nodes} == {8000}
    await played.after(60)
    use = played.cluster.seen().nodes[0].use
    assert use is not None
    assert use.at_ms > 0


async def test_a_pod_whose_volume_is_missing_waits_for_the_volume(played: Lab) -> None:
    """In the words of the scheduler."""
    storage = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "disk"}}
    played.ask(
        "POST",
        "/apis/storage.k8s.io/v1/storageclasses",
        {**storage, "provisioner": "x", "volumeBindingMode": "Immediate"},
    )
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "disk",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    played.ask(
        "POST",
        "/api/v1/namespaces/default/persistentvolumeclaims",
        {"metadata": {"name": "data"}, "spec": spec},
    )
    for claim in ("data", "nowhere"):
        played.post(pod_json(claim, volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]))
    played.follow()
    seen = await until(played, lambda seen: seen.not_considered and seen.not_considered[0].count == 2)
    assert "wait for a volume" in seen.not_considered[0].because
    assert seen.pending == ()


async def test_a_drain_ends_when_the_kubelet_says_so(played: Lab) -> None:
    played.follow()
    played.post(node_json("w1"))
    for number in range(3):
        played.post(pod_json(f"web-{number}", requests={"cpu": "1"}))
    seen = await until(played, lambda seen: seen.nodes and seen.nodes[0].workload_pods == 3)
    node = seen.nodes[0]
    await played.cluster.cordon(node, True)
    await until(played, lambda seen: seen.nodes[0].cordoned)
    left = 3
    while left:
        emptying = await played.cluster.empty(node, grace_s=5.0, at_once=1, force=False)
        assert emptying.blocked == ()
        left = emptying.left
        await played.after(5)
    assert (await until(played, lambda seen: seen.nodes[0].empty)).nodes[0].cordoned


async def test_a_dead_machine_is_unknown_and_its_stuck_pods_end_with_its_node(played: Lab) -> None:
    played.follow()
    played.post(node_json("dead-1"))
    played.ask("PATCH", "/api/v1/nodes/dead-1/status", {"status": node_json("dead-1")["status"]})
    played.pod("web", node="dead-1")
    seen = await until(played, lambda seen: seen.nodes and seen.nodes[0].ready is None)
    node = seen.nodes[0]
    assert [each.condition for each in node.conditions] == [Condition.NOT_READY]
    await until(played, lambda seen: seen.nodes[0].draining_by_taint)
    await played.after(400)
    assert played.cluster.seen().nodes[0].workload_pods == 1, "nobody has confirmed its end"
    await played.cluster.remove(node)
    assert (await until(played, lambda seen: not seen.nodes)).pending == ()
    assert played.pods() == {}
