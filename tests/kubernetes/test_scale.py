"""Many objects: what a list, a change and the loading of a big cluster cost, in CPU time of this process."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from herder.testing.kubernetes import ClusterSettings
from tests.kubernetes.clusters import Json, Virtual
from tests.kubernetes.conftest import KUBECONFIG
from tests.kubernetes.objects import pods_path

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(KUBECONFIG), reason="figures of our own server")]
NODES, PODS = 1_000, 10_000


def node(number: int) -> Json:
    capacity = {"cpu": "16", "memory": "64Gi", "pods": "110"}
    conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]
    return {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n{number:05}", "labels": {"node-pool": f"p{number % 7}"}},
        "spec": {}, "status": {"capacity": capacity, "allocatable": capacity, "conditions": conditions},
    }  # fmt: skip


def bound(number: int) -> Json:
    container = {
        "name": "c",
        "image": "example.com/team/worker:1.2.3",
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}},
    }
    states = [
        {"type": kind, "status": "True", "lastProbeTime": None}
        for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
    ]
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p{number:06}", "labels": {"app": f"a{number % 50}", "job-id": str(number)}},
        "spec": {"containers": [container], "nodeName": f"n{number % NODES:05}", "restartPolicy": "Never", "schedulerName": "default-scheduler"},
        "status": {"phase": "Running", "conditions": states, "qosClass": "Burstable"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def big() -> Iterator[Virtual]:
    found = Virtual(ClusterSettings(managed_fields=False))
    began_s = time.process_time()
    found.cluster.load((node(number) for number in range(NODES)), found.now_ms)
    found.cluster.load((bound(number) for number in range(PODS)), found.now_ms)
    found._next_ms = found.cluster.step(found.now_ms)
    assert time.process_time() - began_s < 6
    yield found
    found.cluster.close()


def test_a_list_of_all_costs_little(big: Virtual) -> None:
    began_s = time.process_time()
    answer = big.open("GET", "/api/v1/pods")
    assert time.process_time() - began_s < 0.4
    assert answer.body.count(b'"phase":"Running"') == PODS


def test_a_list_by_node_reads_no_other_pod(big: Virtual) -> None:
    began_s = time.process_time()
    for number in range(100):
        found = big.send("GET", "/api/v1/pods", fieldSelector=f"spec.nodeName=n{number:05}").body["items"]
        assert len(found) == PODS // NODES
    assert time.process_time() - began_s < 0.5


def test_two_hundred_changes_a_second_are_a_fraction_of_a_core(big: Virtual) -> None:
    start = str(big.cluster.store.version)
    watches = [big.open("GET", "/api/v1/pods", watch="true", resourceVersion=start) for _ in range(3)]
    began_s = time.process_time()
    for number in range(1_000):
        big.send(
            "PATCH", pods_path("default", f"p{number:06}"), {"metadata": {"labels": {"changed": str(number)}}}
        )
    assert time.process_time() - began_s < 1_000 * 0.0015
    assert [len(watch.take()) for watch in watches] == [1_000] * 3


def test_what_was_loaded_is_used_by_the_scheduler_and_never_lost(big: Virtual) -> None:
    body = {
        "metadata": {"name": "new"},
        "spec": {"containers": [{"name": "c", "image": "x"}], "nodeSelector": {"node-pool": "p3"}},
    }
    big.send("POST", pods_path("default"), body)
    assert big.send("GET", pods_path("default", "new")).body["spec"]["nodeName"]
    big.sleep(600)
    taints = {
        each["key"]
        for one in big.send("GET", "/api/v1/nodes").body["items"]
        for each in one["spec"].get("taints", ())
    }
    assert taints == set()
