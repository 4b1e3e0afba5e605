"""Evictions and budgets: 201, 429 that names the budget, 500 for two of them, races, and what no budget protects."""

from __future__ import annotations

import pytest

from tests.kubernetes.clusters import Reply, Virtual, until
from tests.kubernetes.objects import budget, budgets_path, pod, pods_path

LABELS = {"app": "web"}


@pytest.fixture
def web(virtual: Virtual) -> Virtual:
    """Three pods that run on two nodes."""
    for name in ("n1", "n2"):
        virtual.send("POST", "/api/v1/nodes", {"metadata": {"name": name}})
    virtual.sleep(3)
    for number in range(3):
        virtual.send("POST", pods_path("default"), pod(f"web{number}", labels=LABELS))
    virtual.sleep(1)
    return virtual


def evict(cluster: Virtual, name: str) -> Reply:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}}
    return cluster.send("POST", pods_path("default", name, "eviction"), body)


def protect(cluster: Virtual, name: str = "pdb", **spec: object) -> dict[str, int]:
    cluster.send("POST", budgets_path("default"), budget(name, LABELS, **spec))
    found: dict[str, int] = cluster.send("GET", budgets_path("default", name)).body["status"]
    return found


@pytest.mark.parametrize(
    ("spec", "allowed"),
    [
        ({"minAvailable": 2}, 1),
        ({"minAvailable": 3}, 0),
        ({"minAvailable": "50%"}, 1),
        ({"maxUnavailable": 1}, 1),
        ({"maxUnavailable": "70%"}, 3),
        ({"maxUnavailable": 0}, 0),
    ],
)
def test_a_budget_says_how_many_may_go(web: Virtual, spec: dict[str, object], allowed: int) -> None:
    assert protect(web, **spec)["disruptionsAllowed"] == allowed


def test_of_evictions_that_race_exactly_one_is_allowed(web: Virtual) -> None:
    protect(web, minAvailable=2)
    replies = [evict(web, f"web{number}") for number in range(3)]
    assert sorted(each.status for each in replies) == [201, 429, 429]


def test_a_refusal_names_the_budget(web: Virtual) -> None:
    protect(web, minAvailable=3)
    refused = evict(web, "web0")
    assert (refused.status, refused.body["reason"]) == (429, "TooManyRequests")
    assert refused.body["details"]["causes"] == [
        {
            "reason": "DisruptionBudget",
            "message": "The disruption budget pdb needs 3 healthy pods and has 3 currently",
        }
    ]


def test_two_budgets_are_an_error_for_ever(web: Virtual) -> None:
    protect(web, "one", minAvailable=0)
    protect(web, "two", minAvailable=0)
    refused = evict(web, "web0")
    assert refused.status == 500
    assert "more than one PodDisruptionBudget" in refused.body["message"]


def test_what_does_not_run_is_evicted_whatever_the_budget(web: Virtual) -> None:
    protect(web, minAvailable=100)
    web.send("POST", pods_path("default"), pod("huge", cpu="900", labels=LABELS))
    web.send("POST", pods_path("default"), pod("done", labels=LABELS, annotations={"run-s": "1"}))
    web.sleep(3)
    assert web.send("GET", pods_path("default", "done")).body["status"]["phase"] == "Succeeded"
    assert [evict(web, name).status for name in ("huge", "done")] == [201, 201]


def test_an_eviction_may_be_tried_dry(web: Virtual) -> None:
    body = {"metadata": {"name": "web0"}, "deleteOptions": {"dryRun": ["All"]}}
    assert web.send("POST", pods_path("default", "web0", "eviction"), body).status == 201
    assert "deletionTimestamp" not in web.send("GET", pods_path("default", "web0")).body["metadata"]


def test_an_evicted_pod_says_so_and_goes(web: Virtual) -> None:
    start = str(web.cluster.store.version)
    evict(web, "web0")
    events = web.watch(
        pods_path("default"), resourceVersion=start, timeoutSeconds="2", fieldSelector="metadata.name=web0"
    )
    assert events[0].object["status"]["conditions"][-1]["reason"] == "EvictionByEvictionAPI"
    assert events[-1].type == "DELETED"


def test_a_pod_that_stops_slowly_is_terminating_until_then(web: Virtual) -> None:
    web.send("POST", pods_path("default"), pod("slow", annotations={"stop-s": "20"}))
    web.sleep(1)
    evict(web, "slow")
    web.sleep(19)
    assert web.send("GET", pods_path("default", "slow")).status == 200
    web.sleep(2)
    assert web.send("GET", pods_path("default", "slow")).status == 404


def test_the_grace_bounds_a_pod_that_does_not_stop(web: Virtual) -> None:
    stubborn = pod("stubborn", annotations={"stop-s": "9999"}, terminationGracePeriodSeconds=10)
    web.send("POST", pods_path("default"), stubborn)
    web.sleep(1)
    evict(web, "stubborn")
    web.sleep(9)
    assert web.send("GET", pods_path("default", "stubborn")).status == 200
    web.sleep(2)
    assert web.send("GET", pods_path("default", "stubborn")).status == 404


def test_a_drain_of_all_nodes_is_a_deadlock(web: Virtual) -> None:
    protect(web, minAvailable=2)
    for name in ("n1", "n2"):
        web.send("PATCH", f"/api/v1/nodes/{name}", {"spec": {"unschedulable": True}})
    assert evict(web, "web0").status == 201
    web.send("POST", pods_path("default"), pod("web3", labels=LABELS))
    for _ in range(20):
        web.sleep(5)
        assert evict(web, "web1").status == 429
    new = web.send("GET", pods_path("default", "web3")).body["status"]["conditions"][0]
    assert (new["type"], new["reason"]) == ("PodScheduled", "Unschedulable")


def test_the_budget_recovers_when_a_replacement_is_ready(web: Virtual) -> None:
    protect(web, minAvailable=2)
    evict(web, "web0")
    web.sleep(1)
    assert evict(web, "web1").status == 429
    web.send("POST", pods_path("default"), pod("web3", labels=LABELS))
    until(web, lambda: evict(web, "web1").status == 201)


def test_unhealthy_pods_may_always_be_evicted_where_the_budget_says_so(web: Virtual) -> None:
    web.send(
        "POST",
        budgets_path("default"),
        budget("pdb", LABELS, minAvailable=3, unhealthyPodEvictionPolicy="AlwaysAllow"),
    )
    sick = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    web.send("PATCH", pods_path("default", "web0", "status"), sick)
    assert evict(web, "web0").status == 201
    assert evict(web, "web1").status == 429
