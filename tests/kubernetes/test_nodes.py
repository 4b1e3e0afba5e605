"""Nodes: born not ready, schedulable once their kubelet reports, unknown when it stops; cordon, pressure, GPUs, DaemonSets."""

from __future__ import annotations

import pytest

from herder.testing.kubernetes import ClusterSettings
from tests.kubernetes.clusters import Json, Virtual, until
from tests.kubernetes.objects import pod, pods_path

NODES = "/api/v1/nodes"


def taints(cluster: Virtual, name: str) -> set[str]:
    found = cluster.send("GET", f"{NODES}/{name}").body["spec"].get("taints", [])
    return {f"{each['key'].rpartition('/')[2]}:{each['effect']}" for each in found}


def ready(cluster: Virtual, name: str) -> Json:
    status = cluster.send("GET", f"{NODES}/{name}").body["status"]
    return next((each for each in status.get("conditions", []) if each["type"] == "Ready"), {})


def boot(cluster: Virtual, name: str, **more: object) -> None:
    cluster.cluster.kubelets.boot(name, cluster.now_ms, **more)  # type: ignore[arg-type]
    cluster.sleep(0)
    cluster._next_ms = cluster.cluster.step(cluster.now_ms)


def bound_pod(cluster: Virtual, name: str, node: str, **spec: object) -> None:
    cluster.send(
        "POST", pods_path("default"), pod(name, nodeSelector={"kubernetes.io/hostname": node}, **spec)
    )
    until(
        cluster, lambda: cluster.send("GET", pods_path("default", name)).body["status"]["phase"] == "Running"
    )


def test_a_new_node_is_not_ready_and_then_schedulable(virtual: Virtual) -> None:
    made = virtual.send("POST", NODES, {"metadata": {"name": "n1"}})
    assert [each["key"] for each in made.body["spec"]["taints"]] == ["node.kubernetes.io/not-ready"]
    virtual.sleep(2)
    assert ready(virtual, "n1")["status"] == "True"
    assert taints(virtual, "n1") == set()


def test_the_api_server_lifts_the_taint_of_a_node_that_reports_itself(virtual: Virtual) -> None:
    virtual.send("POST", NODES, {"metadata": {"name": "dead1"}})
    virtual.sleep(5)
    assert taints(virtual, "dead1") == {"not-ready:NoSchedule"}
    good = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    virtual.send("PATCH", f"{NODES}/dead1/status", good)
    assert taints(virtual, "dead1") == set()


def test_a_silent_node_becomes_unknown_after_its_grace(virtual: Virtual) -> None:
    boot(virtual, "n1")
    virtual.sleep(5)
    virtual.cluster.kubelets.kill("n1")
    virtual.sleep(45)
    assert ready(virtual, "n1")["status"] == "True"
    virtual.sleep(14)
    lost = ready(virtual, "n1")
    assert (lost["status"], lost["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert taints(virtual, "n1") == {"unreachable:NoSchedule", "unreachable:NoExecute"}


def test_a_node_that_reports_by_its_lease_only_stays_ready(virtual: Virtual) -> None:
    boot(virtual, "n1")
    virtual.sleep(600)
    assert ready(virtual, "n1")["status"] == "True"
    lease = virtual.send("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1").body
    assert lease["spec"]["holderIdentity"] == "n1"


def test_without_leases_a_node_is_lost_as_soon_and_no_sooner() -> None:
    cluster = Virtual(ClusterSettings(leases=False))
    boot(cluster, "n1")
    cluster.sleep(3_000)
    assert ready(cluster, "n1")["status"] == "True"
    assert cluster.send("GET", "/apis/coordination.k8s.io/v1/leases").body["items"] == []
    cluster.cluster.kubelets.kill("n1")
    cluster.sleep(49)
    assert ready(cluster, "n1")["status"] == "True"
    cluster.sleep(4)
    assert ready(cluster, "n1")["status"] == "Unknown"


def test_a_node_that_comes_back_is_ready_again(virtual: Virtual) -> None:
    boot(virtual, "n1")
    virtual.sleep(5)
    virtual.cluster.kubelets.kill("n1")
    virtual.sleep(70)
    virtual.cluster.kubelets.revive("n1", virtual.now_ms)
    virtual._next_ms = virtual.cluster.step(virtual.now_ms)
    virtual.sleep(5)
    assert ready(virtual, "n1")["status"] == "True"
    assert taints(virtual, "n1") == set()


def test_pods_of_a_lost_node_are_deleted_after_their_toleration_and_stay(virtual: Virtual) -> None:
    boot(virtual, "n1")
    virtual.sleep(5)
    five = [
        {
            "key": "node.kubernetes.io/unreachable",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 5,
        }
    ]
    bound_pod(virtual, "a", "n1", tolerations=five)
    bound_pod(virtual, "b", "n1")
    virtual.cluster.kubelets.kill("n1")
    virtual.sleep(62)
    a, b = (virtual.send("GET", pods_path("default", name)).body for name in ("a", "b"))
    assert "deletionTimestamp" not in b["metadata"]
    reasons = [each.get("reason") for each in a["status"]["conditions"] if each["type"] == "DisruptionTarget"]
    assert reasons == ["DeletionByTaintManager"]
    virtual.sleep(200)
    assert "deletionTimestamp" in virtual.send("GET", pods_path("default", "a")).body["metadata"]
    virtual.sleep(100)
    assert "deletionTimestamp" in virtual.send("GET", pods_path("default", "b")).body["metadata"]


def test_pods_of_a_lost_node_are_not_ready(virtual: Virtual) -> None:
    boot(virtual, "n1")
    virtual.sleep(5)
    bound_pod(virtual, "a", "n1")
    virtual.cluster.kubelets.kill("n1")
    virtual.sleep(62)
    conditions = virtual.send("GET", pods_path("default", "a")).body["status"]["conditions"]
    assert {each["type"]: each["status"] for each in conditions}["Ready"] == "False"


def test_pods_of_a_node_that_was_deleted_fail_after_a_quarantine(virtual: Virtual) -> None:
    boot(virtual, "n1")
    virtual.sleep(5)
    bound_pod(virtual, "a", "n1")
    virtual.cluster.kubelets.remove("n1")
    virtual.send("DELETE", f"{NODES}/n1")
    virtual.sleep(39)
    assert virtual.send("GET", pods_path("default", "a")).body["status"]["phase"] == "Running"
    start = str(virtual.cluster.store.version)
    events = virtual.watch(pods_path("default"), resourceVersion=start, timeoutSeconds="25")
    failed = next(each.object for each in events if each.object["status"]["phase"] == "Failed")
    assert failed["status"]["conditions"][-1]["reason"] == "DeletionByPodGC"
    assert events[-1].type == "DELETED"


def test_cordon_adds_a_taint_and_uncordon_removes_it(virtual: Virtual) -> None:
    boot(virtual, "n1")
    virtual.sleep(3)
    virtual.send("PATCH", f"{NODES}/n1", {"spec": {"unschedulable": True}})
    assert taints(virtual, "n1") == {"unschedulable:NoSchedule"}
    virtual.send("PATCH", f"{NODES}/n1", {"spec": {"unschedulable": None}})
    assert taints(virtual, "n1") == set()


def test_taints_of_people_stay(virtual: Virtual) -> None:
    mine = [{"key": "workload-type", "value": "burst", "effect": "NoSchedule"}]
    boot(virtual, "n1", taints=mine)
    virtual.sleep(3)
    assert virtual.send("GET", f"{NODES}/n1").body["spec"]["taints"] == mine


@pytest.mark.parametrize("kind", ["MemoryPressure", "DiskPressure", "PIDPressure"])
def test_pressure_is_a_condition_and_a_taint(virtual: Virtual, kind: str) -> None:
    boot(virtual, "n1")
    virtual.sleep(3)
    virtual.cluster.kubelets.set_pressure("n1", kind, pressed=True)
    virtual._next_ms = virtual.cluster.step(virtual.now_ms)
    (name,) = taints(virtual, "n1")
    assert name == f"{kind.removesuffix('Pressure').lower()}-pressure:NoSchedule"


def test_a_kubelet_may_say_that_it_is_not_ready(virtual: Virtual) -> None:
    boot(virtual, "n1")
    virtual.sleep(3)
    virtual.cluster.kubelets.set_ready("n1", ready=False)
    virtual._next_ms = virtual.cluster.step(virtual.now_ms)
    assert ready(virtual, "n1")["status"] == "False"
    assert taints(virtual, "n1") == {"not-ready:NoSchedule", "not-ready:NoExecute"}


def test_a_gpu_is_allocatable_when_its_device_plugin_registers(virtual: Virtual) -> None:
    boot(virtual, "n1", gpus=1, gpus_after_ms=30_000)
    boot(virtual, "n2", gpus=1, gpus_after_ms=None)
    virtual.sleep(5)
    assert ready(virtual, "n1")["status"] == "True"
    gpu = pod("g")
    gpu["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": "1"}}
    virtual.send("POST", pods_path("default"), gpu)
    assert "nodeName" not in virtual.send("GET", pods_path("default", "g")).body["spec"]
    virtual.sleep(30)
    allocatable = virtual.send("GET", f"{NODES}/n1").body["status"]["allocatable"]
    assert allocatable["nvidia.com/gpu"] == "1"
    assert "nvidia.com/gpu" not in virtual.send("GET", f"{NODES}/n2").body["status"]["allocatable"]
    assert (
        until(virtual, lambda: virtual.send("GET", pods_path("default", "g")).body["spec"].get("nodeName"))
        == "n1"
    )


def test_a_daemon_set_has_a_pod_on_each_node_also_on_cordoned_ones(virtual: Virtual) -> None:
    for name in ("n1", "n2"):
        boot(virtual, name)
    virtual.sleep(3)
    virtual.send("PATCH", f"{NODES}/n2", {"spec": {"unschedulable": True}})
    template = pod("x", labels={"app": "agent"}, restartPolicy="Always")
    template["metadata"].pop("name")
    body = {
        "metadata": {"name": "agent"},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": template},
    }
    assert virtual.send("POST", "/apis/apps/v1/namespaces/default/daemonsets", body).status == 201
    virtual.sleep(3)
    found = virtual.send("GET", pods_path("default"), labelSelector="app=agent").body["items"]
    assert {each["spec"]["nodeName"] for each in found} == {"n1", "n2"}
    assert all(each["metadata"]["ownerReferences"][0]["kind"] == "DaemonSet" for each in found)
    status = virtual.send("GET", "/apis/apps/v1/namespaces/default/daemonsets/agent").body["status"]
    assert (status["desiredNumberScheduled"], status["numberReady"]) == (2, 2)


def test_two_nodes_of_one_name_are_one_object(virtual: Virtual) -> None:
    boot(virtual, "n1")
    again = virtual.send("POST", NODES, {"metadata": {"name": "n1"}})
    assert (again.status, again.body["reason"]) == (409, "AlreadyExists")


def test_metrics_are_served_for_what_runs(virtual: Virtual) -> None:
    boot(virtual, "n1")
    virtual.sleep(3)
    virtual.send(
        "POST", pods_path("default"), pod("a", annotations={"use-cpu": "250m", "use-memory": "100Mi"})
    )
    virtual.sleep(1)
    found = virtual.send("GET", "/apis/metrics.k8s.io/v1beta1/nodes").body["items"]
    assert [(each["metadata"]["name"], each["usage"]) for each in found] == [
        ("n1", {"cpu": "250m", "memory": "102400Ki"})
    ]
    pods = virtual.send("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods").body["items"]
    assert pods[0]["containers"][0]["usage"]["cpu"] == "250m"
    virtual.cluster.service.subresources.metrics_served = False
    assert virtual.send("GET", "/apis/metrics.k8s.io/v1beta1/nodes").status == 503
