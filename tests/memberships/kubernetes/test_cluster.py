"""A cluster's picture follows its API server through everything that can happen to it, and says since when it does not."""

import asyncio

import pytest

from herder.model.planning.cluster import ClusterSeen
from herder.ports.cluster import NodeGone
from herder.testing.kubernetes.faults import Rule
from tests.memberships.kubernetes.lab import TOKEN, Lab
from tests.memberships.kubernetes.objects_made import STARTED_MS, owned_by

pytestmark = pytest.mark.virtual_time


async def test_nodes_pods_and_what_waits_are_seen(lab: Lab) -> None:
    lab.node("w1", labels={"herder.dev/worker": "burst-1-1"})
    lab.node("w2", ready="Unknown")
    lab.pod("a", node="w1")
    lab.pod("b", node="w1", metadata=owned_by("DaemonSet"))
    lab.pod("c")
    lab.pod("done", node="w1", phase="Succeeded")
    lab.pod("gated", schedulingGates=[{"name": "x"}], conditions=[])
    assert lab.cluster.seen() == ClusterSeen(cluster="prod")
    lab.follow()
    seen = await lab.after()
    w1, w2 = seen.nodes
    assert (w1.worker, w1.ready, w1.workload_pods, w1.daemon_pods) == ("burst-1-1", True, 1, 1)
    assert w2.ready is None
    assert [(group.count, group.example) for group in seen.pending] == [(1, "default/c")]
    assert [each.count for each in seen.not_considered] == [1]
    assert seen.as_of_ms is not None
    assert seen.as_of_ms - STARTED_MS <= 500
    assert seen.version == "v1.36.2"
    assert seen.fault == ""


async def test_a_change_is_told_at_once_and_nothing_is_told_without_one(lab: Lab) -> None:
    lab.node()
    lab.follow()
    await lab.after()
    lab.cluster.changed.clear()
    before = lab.cluster.seen()
    lab.pod("a", node="w1")
    async with asyncio.timeout(0.1):
        await lab.cluster.changed.wait()
    assert lab.cluster.seen().nodes[0].workload_pods == 1
    assert before.nodes[0].workload_pods == 0
    lab.cluster.changed.clear()
    await lab.after(50)
    assert not lab.cluster.changed.is_set()


async def test_a_quiet_cluster_stays_known(lab: Lab) -> None:
    """By bookmarks alone."""
    lab.node()
    lab.follow()
    seen = await lab.after(3600)
    assert seen.fault == ""
    assert seen.as_of_ms is not None
    assert lab.clock.now_ms() - seen.as_of_ms <= 61_000


async def test_a_server_that_restarts_loses_nothing(lab: Lab) -> None:
    lab.node()
    lab.follow()
    await lab.after()
    lab.api.restart(lab.clock.now_ms(), away_ms=20_000)
    seen = await lab.after(10)
    assert seen.fault.startswith("Cluster prod at http://api does not answer:")
    assert len(seen.nodes) == 1
    lab.pod("a", node="w1")
    seen = await lab.after(60)
    assert seen.nodes[0].workload_pods == 1
    assert seen.fault == ""


async def test_an_old_version_is_listed_again(lab: Lab) -> None:
    for name in ("w1", "w2"):
        lab.node(name)
    lab.follow()
    await lab.after()
    lab.api.restart(lab.clock.now_ms(), away_ms=5_000)
    await lab.after(5.01)
    lab.ask("DELETE", "/api/v1/nodes/w1")
    lab.node("w3")
    lab.api.compact()
    assert [node.name for node in lab.cluster.seen().nodes] == ["w1", "w2"]
    seen = await lab.after(60)
    assert [node.name for node in seen.nodes] == ["w2", "w3"]
    assert seen.fault == ""


async def test_watches_that_stall_are_noticed_and_begun_again(lab: Lab) -> None:
    lab.node()
    lab.follow()
    await lab.after()
    assert lab.api.stall_watches() == 2
    lab.pod("a", node="w1")
    seen = await lab.after(60)
    assert seen.nodes[0].workload_pods == 0
    assert seen.as_of_ms is not None
    assert lab.clock.now_ms() - seen.as_of_ms > 59_000, "its age says that it may be wrong"
    assert (await lab.after(20)).nodes[0].workload_pods == 1


async def test_a_token_that_ends_and_comes_back(lab: Lab) -> None:
    lab.node()
    lab.follow()
    await lab.after()
    user = lab.api.tokens.held[TOKEN]
    lab.api.tokens.revoke(TOKEN)
    lab.api.restart(lab.clock.now_ms())
    seen = await lab.after(5)
    assert seen.fault == (
        "Cluster prod refuses the credentials (HTTP status 401). Renew the token or the client certificate of its kubeconfig."
    )
    assert len(seen.nodes) == 1
    lab.api.tokens.held[TOKEN] = user
    assert (await lab.after(61)).fault == ""


async def test_a_right_that_lacks_is_named_with_its_rule(lab: Lab) -> None:
    lab.without("", "pods", "watch")
    lab.follow()
    seen = await lab.after(5)
    assert seen.fault == (
        "Cluster prod does not allow Herder to watch pods. Add the rule "
        '{apiGroups: [""], resources: ["pods"], verbs: ["watch"]} to its ClusterRole: herder cluster manifests.'
    )


async def test_a_node_deleted_by_hand_vanishes_and_one_of_its_name_is_another(lab: Lab) -> None:
    first = lab.node("w1", labels={"herder.dev/worker": "burst-1-1"})
    lab.follow()
    await lab.after()
    lab.ask("DELETE", "/api/v1/nodes/w1")
    assert (await lab.after()).nodes == ()
    second = lab.node("w1", uid="another")
    (seen,) = (await lab.after()).nodes
    assert seen.uid == second.uid != first.uid
    assert seen.worker is None
    for verb in (
        lab.cluster.cordon(first, True),
        lab.cluster.mark(first, {"herder.dev/worker": "x"}, ()),
        lab.cluster.empty(first, grace_s=None, at_once=5, force=False),
    ):
        with pytest.raises(NodeGone, match=f"Node w1 \\(uid {first.uid}\\) does not exist"):
            await verb
    lab.pod("a", node="w1")
    await lab.cluster.remove(first)
    (seen,) = (await lab.after()).nodes
    assert seen.workload_pods == 1, "the later node and its pods are left alone"


async def test_a_node_that_registers_under_another_name_brings_its_worker_along(lab: Lab) -> None:
    """The label comes with its kubelet: until the old object is deleted, both say which worker they are, and only one is ready."""
    label = {"herder.dev/worker": "burst-1-1"}
    lab.node("w1", labels=label)
    lab.follow()
    await lab.after()
    lab.node("renamed", labels=label)
    lab.node("w1", ready="Unknown", labels=label)
    seen = await lab.after()
    assert [(node.name, node.worker, node.ready) for node in seen.nodes] == [
        ("renamed", "burst-1-1", True),
        ("w1", "burst-1-1", None),
    ]
    lab.ask("DELETE", "/api/v1/nodes/w1")
    assert [node.name for node in (await lab.after()).nodes] == ["renamed"]


async def test_without_a_metrics_api_use_is_not_known_and_that_is_no_fault(lab: Lab) -> None:
    lab.node()
    lab.follow()
    seen = await lab.after(40)
    assert seen.nodes[0].use is None
    assert seen.fault == ""


async def test_a_slow_call_ends_at_its_deadline(lab: Lab) -> None:
    node = lab.node()
    lab.api.faults.add(Rule(method="GET", path="/nodes/w1", delay_ms=3_600_000))
    began_s = asyncio.get_running_loop().time()
    with pytest.raises(Exception, match="did not answer the call get nodes w1 within 30 s"):
        await lab.cluster.cordon(node, True)
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(30, abs=0.1)
