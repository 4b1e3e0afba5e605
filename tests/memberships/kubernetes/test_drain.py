"""A node is emptied pod by pod, never against a budget, and what keeps it from being empty is named."""

from dataclasses import replace
from typing import Any

import pytest

from herder.model.fleet.cluster import WORKER_LABEL
from herder.model.ids import WorkerName
from herder.ports.cluster import (
    Blocked,
    BlockedBy,
    ClusterForbidden,
    ClusterUnavailable,
    Emptying,
    NodeGone,
)
from herder.testing.kubernetes.faults import Rule
from tests.memberships.kubernetes.lab import Lab
from tests.memberships.kubernetes.objects_made import MIRROR, owned_by
from tests.words.rules import faults

pytestmark = pytest.mark.virtual_time

READY = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}


def web(lab: Lab, count: int, node: str = "w1") -> None:
    for number in range(count):
        lab.pod(f"web-{number}", node=node, metadata={"labels": {"app": "web"}}, **READY)


async def passed(lab: Lab, node: Any, **more: Any) -> Emptying:
    found = await lab.cluster.empty(node, **{"grace_s": None, "at_once": 5, "force": False, **more})
    assert [faults(each.text) for each in found.blocked] == [[] for _ in found.blocked]
    return found


def ended(lab: Lab) -> None:
    """The kubelet confirms all that is going."""
    for name, pod in lab.pods().items():
        if "deletionTimestamp" in pod["metadata"]:
            path = f"/api/v1/namespaces/default/pods/{name}"
            lab.ask("DELETE", path, {"gracePeriodSeconds": 0})


async def test_it_is_emptied_a_few_at_a_time_until_nothing_is_left(lab: Lab) -> None:
    node = lab.node()
    web(lab, 7)
    assert await passed(lab, node) == Emptying(left=7, evicted=5)
    assert await passed(lab, node) == Emptying(left=7, evicted=2), (
        "those that are going are not evicted again"
    )
    assert await passed(lab, node) == Emptying(left=7)
    ended(lab)
    assert await passed(lab, node) == Emptying(left=0)


async def test_what_does_not_have_to_go_is_ignored_and_all_else_goes(lab: Lab) -> None:
    node = lab.node()
    lab.pod("daemon", node="w1", metadata=owned_by("DaemonSet"))
    lab.pod("mirror", node="w1", metadata=MIRROR)
    lab.pod("finished", node="w1", phase="Succeeded")
    lab.pod("elsewhere", node="w2")
    lab.pod("bare", node="w1")
    lab.pod("scratch", node="w1", volumes=[{"name": "tmp", "emptyDir": {}}])
    assert await passed(lab, node) == Emptying(left=2, evicted=2)
    ended(lab)
    assert set(lab.pods()) == {"daemon", "mirror", "finished", "elsewhere"}


async def test_the_grace_is_passed_on(lab: Lab) -> None:
    node = lab.node()
    web(lab, 1)
    await passed(lab, node, grace_s=7.5)
    assert lab.pods()["web-0"]["metadata"]["deletionGracePeriodSeconds"] == 8


async def test_a_budget_is_waited_for_and_named(lab: Lab) -> None:
    node = lab.node()
    web(lab, 3)
    lab.budget("web-pdb", "web", minAvailable=2)
    await lab.after(2)
    found = await passed(lab, node)
    assert (found.left, found.evicted) == (3, 1)
    assert {(each.pod, each.by) for each in found.blocked} == {
        ("default/web-1", BlockedBy.BUDGET),
        ("default/web-2", BlockedBy.BUDGET),
    }
    assert found.blocked[0].text.startswith(
        "Pod default/web-1 may not be evicted now. The disruption budget web-pdb needs 2 healthy pods"
    )


async def test_a_budget_that_never_allows_blocks_its_pods_and_no_others(lab: Lab) -> None:
    node = lab.node()
    web(lab, 2)
    lab.pod("other", node="w1")
    lab.budget("never", "web", maxUnavailable=0)
    await lab.after(2)
    for _ in range(3):
        found = await passed(lab, node)
        assert {each.by for each in found.blocked} == {BlockedBy.BUDGET}
        assert len(found.blocked) == 2
        ended(lab)
    assert set(lab.pods()) == {"web-0", "web-1"}
    found = await passed(lab, node, force=True)
    assert (found.left, found.evicted, found.blocked) == (2, 2, ())
    ended(lab)
    assert await passed(lab, node) == Emptying(left=0)


async def test_two_budgets_on_a_pod_block_it_for_ever_and_that_is_said(lab: Lab) -> None:
    node = lab.node()
    web(lab, 1)
    for name in ("one", "two"):
        lab.budget(name, "web", minAvailable=0)
    await lab.after(2)
    found = await passed(lab, node)
    text = "Pod default/web-0 has more than one PodDisruptionBudget, and Kubernetes evicts no such pod. Delete all but one."
    assert found.blocked == (Blocked(pod="default/web-0", by=BlockedBy.SEVERAL_BUDGETS, text=text),)


async def test_a_pod_that_does_not_end_is_named_once_its_grace_is_long_over(lab: Lab) -> None:
    node = lab.node()
    web(lab, 1)
    await passed(lab, node, grace_s=30.0)
    await lab.after(60)
    assert (await passed(lab, node)).blocked == ()
    await lab.after(60)
    (blocked,) = (await passed(lab, node, force=True)).blocked
    assert blocked.by is BlockedBy.TERMINATING
    assert blocked.text.startswith("Pod default/web-0 was to end 90 s ago and has not.")
    assert "web-0" in lab.pods(), "it may still run: only the end of its machine allows force"


async def test_a_pod_that_is_gone_by_now_and_one_of_its_name_are_no_obstacle(lab: Lab) -> None:
    node = lab.node()
    web(lab, 2)
    lab.api.faults.add(Rule(path="web-0/eviction", status=404))
    lab.api.faults.add(Rule(path="web-1/eviction", status=409))
    assert await passed(lab, node) == Emptying(left=0)


async def test_a_missing_right_is_named_for_each_pod(lab: Lab) -> None:
    node = lab.node()
    web(lab, 1)
    lab.without("", "pods/eviction", "create")
    (blocked,) = (await passed(lab, node)).blocked
    assert blocked.by is BlockedBy.FORBIDDEN
    assert 'Add the rule {apiGroups: [""], resources: ["pods/eviction"], verbs: ["create"]}' in blocked.text


async def test_a_busy_server_is_asked_again_later_and_what_was_done_counts(lab: Lab) -> None:
    node = lab.node()
    web(lab, 3)
    lab.api.faults.add(Rule(path="web-1/eviction", status=429, retry_after_s=1, times=2))
    assert await passed(lab, node) == Emptying(left=3, evicted=1)
    with pytest.raises(ClusterUnavailable, match="HTTP status 429"):
        await passed(lab, node)
    assert await passed(lab, node) == Emptying(left=3, evicted=2)


async def test_an_answer_that_nobody_foresaw_is_passed_on(lab: Lab) -> None:
    node = lab.node()
    web(lab, 1)
    lab.api.faults.add(Rule(path="web-0/eviction", status=500))
    (blocked,) = (await passed(lab, node)).blocked
    assert blocked.by is BlockedBy.UNKNOWN
    assert blocked.text == (
        "Pod default/web-0 could not be evicted. Internal error occurred: a fault that a test asked for."
    )


async def test_the_least_important_go_first(lab: Lab) -> None:
    node = lab.node()
    lab.pod("high", node="w1", priority=1000)
    lab.pod("low", node="w1", priority=100)
    await passed(lab, node, at_once=1)
    assert "deletionTimestamp" in lab.pods()["low"]["metadata"]
    assert "deletionTimestamp" not in lab.pods()["high"]["metadata"]


async def test_a_lost_answer_does_no_harm(lab: Lab) -> None:
    node = lab.node()
    web(lab, 1)
    lab.api.faults.add(Rule(path="eviction", lose_answer=True))
    with pytest.raises(ClusterUnavailable):
        await passed(lab, node)
    assert await passed(lab, node) == Emptying(left=1)


# --- its machine is gone


async def test_the_node_of_a_dead_machine_is_removed_with_the_pods_that_are_stuck_on_it(lab: Lab) -> None:
    node = lab.node()
    web(lab, 2)
    lab.pod("daemon", node="w1", metadata=owned_by("DaemonSet"))
    lab.pod("finished", node="w1", phase="Succeeded")
    lab.pod("elsewhere", node="w2")
    await passed(lab, node, at_once=1)
    await lab.cluster.remove(node)
    assert set(lab.pods()) == {"finished", "elsewhere"}
    lab.ask("GET", "/api/v1/nodes/w1", expect=404)
    await lab.cluster.remove(node)


async def test_pods_of_a_node_that_was_deleted_by_hand_are_still_removed(lab: Lab) -> None:
    node = lab.node()
    web(lab, 1)
    lab.ask("DELETE", "/api/v1/nodes/w1")
    await lab.cluster.remove(node)
    assert lab.pods() == {}


@pytest.mark.parametrize("path", ["/pods/web-0", "/nodes/w1"])
async def test_a_removal_goes_on_where_it_was_cut_off(lab: Lab, path: str) -> None:
    node = lab.node()
    web(lab, 2)
    lab.api.faults.add(Rule(path=path, method="DELETE", lose_answer=True))
    with pytest.raises(ClusterUnavailable):
        await lab.cluster.remove(node)
    await lab.cluster.remove(node)
    assert lab.pods() == {}
    lab.ask("GET", "/api/v1/nodes/w1", expect=404)


@pytest.mark.parametrize("resource", ["pods", "nodes"])
async def test_a_removal_without_the_right_is_an_error_that_names_it(lab: Lab, resource: str) -> None:
    node = lab.node()
    web(lab, 1)
    lab.without("", resource, "delete")
    with pytest.raises(ClusterForbidden, match=f"does not allow Herder to delete {resource}"):
        await lab.cluster.remove(node)


@pytest.mark.parametrize("now", ["b", None])
async def test_a_node_that_was_given_to_another_worker_is_not_removed(lab: Lab, now: str | None) -> None:
    """The picture that says otherwise is old."""
    lab.node()
    lab.ask("PATCH", "/api/v1/nodes/w1", {"metadata": {"labels": {WORKER_LABEL: "a"}}})
    node = replace(lab.seen_of("w1"), worker=WorkerName("a"))
    web(lab, 1)
    lab.ask("PATCH", "/api/v1/nodes/w1", {"metadata": {"labels": {WORKER_LABEL: now}}})
    await lab.cluster.remove(node)
    if now is not None:
        with pytest.raises(NodeGone, match="no longer that of worker a, but of worker b"):
            await lab.cluster.cordon(node, True)
    assert len(lab.pods()) == 1
    assert not lab.ask("GET", "/api/v1/nodes/w1")["spec"].get("unschedulable")
