"""The scheduler: what fits where, in which order, and what it says of a pod that fits nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kubernetes.clusters import Json, Virtual
from tests.kubernetes.objects import pod, pods_path

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"


@pytest.fixture
def cluster(virtual: Virtual) -> Virtual:
    """n1 and n2 in zone a, n3 in zone b, 4 CPUs each."""
    for name, zone in (("n1", "a"), ("n2", "a"), ("n3", "b")):
        capacity = {"cpu": "4", "memory": "8Gi", "pods": "10"}
        virtual.cluster.kubelets.boot(
            name, virtual.now_ms, labels={ZONE: zone, "name": name}, capacity=capacity
        )
    virtual._next_ms = virtual.cluster.step(virtual.now_ms)
    virtual.sleep(3)
    return virtual


def place(cluster: Virtual, name: str, cpu: str = "100m", **more: Any) -> str:
    """The node that it was bound to; empty: none."""
    reply = cluster.send("POST", pods_path("default"), pod(name, cpu=cpu, **more))
    assert reply.status == 201, reply.body
    found: str = get(cluster, name)["spec"].get("nodeName", "")
    return found


def get(cluster: Virtual, name: str) -> Json:
    found: Json = cluster.send("GET", pods_path("default", name)).body
    return found


def why(cluster: Virtual, name: str) -> str:
    condition = get(cluster, name)["status"]["conditions"][0]
    assert (condition["type"], condition["reason"]) == ("PodScheduled", "Unschedulable")
    return str(condition["message"])


def affinity(kind: str, *terms: Json) -> Json:
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}


def apart(topology: str, **labels: str) -> Json:
    return affinity("podAntiAffinity", {"topologyKey": topology, "labelSelector": {"matchLabels": labels}})


def test_requests_fill_a_node_exactly(cluster: Virtual) -> None:
    only = {"nodeSelector": {"name": "n1"}}
    assert [place(cluster, f"a{number}", "1", **only) for number in range(5)] == ["n1", "n1", "n1", "n1", ""]
    assert why(cluster, "a4").startswith(
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match Pod's node affinity/selector."
    )


def test_a_pod_that_fits_later_is_bound_then(cluster: Virtual) -> None:
    place(cluster, "a", "4", nodeSelector={"name": "n1"})
    assert place(cluster, "b", "4", nodeSelector={"name": "n1"}) == ""
    cluster.send("DELETE", pods_path("default", "a"))
    cluster.sleep(12)
    assert get(cluster, "b")["spec"]["nodeName"] == "n1"


def test_a_new_node_takes_what_waited(cluster: Virtual) -> None:
    assert place(cluster, "a", "4", nodeSelector={"name": "n4"}) == ""
    cluster.cluster.kubelets.boot("n4", cluster.now_ms, labels={"name": "n4"})
    cluster._next_ms = cluster.cluster.step(cluster.now_ms)
    cluster.sleep(15)
    assert get(cluster, "a")["spec"]["nodeName"] == "n4"


def test_init_containers_count_by_their_largest_and_sidecars_beside_all(cluster: Virtual) -> None:
    def init(cpu: str, **more: str) -> Json:
        return {"name": f"i{cpu}", "image": "x", "resources": {"requests": {"cpu": cpu}}, **more}

    assert place(cluster, "largest", "1", initContainers=[init("3"), init("4")]) != ""
    assert place(cluster, "sum", "2", initContainers=[init("1", restartPolicy="Always"), init("3500m")]) == ""
    assert place(cluster, "sidecar", "2", initContainers=[init("1", restartPolicy="Always"), init("3")]) != ""


def test_overhead_counts(cluster: Virtual) -> None:
    assert place(cluster, "a", "3500m", overhead={"cpu": "1"}) == ""
    assert place(cluster, "b", "3", overhead={"cpu": "1"}) != ""


def test_a_node_has_places_for_so_many_pods(cluster: Virtual) -> None:
    found = [place(cluster, f"a{number}", "1m", nodeSelector={"name": "n1"}) for number in range(11)]
    assert found.count("n1") == 10
    assert "Too many pods" in why(cluster, "a10")


def test_taints_need_tolerations(cluster: Virtual) -> None:
    taint = {"key": "gpu", "value": "true", "effect": "NoSchedule"}
    cluster.send("PATCH", "/api/v1/nodes/n1", {"spec": {"taints": [taint]}})
    only = {"nodeSelector": {"name": "n1"}}
    assert place(cluster, "a", **only) == ""
    assert "1 node(s) had untolerated taint(s)" in why(cluster, "a")
    assert (
        place(cluster, "b", tolerations=[{"key": "gpu", "operator": "Equal", "value": "true"}], **only)
        == "n1"
    )
    assert place(cluster, "c", tolerations=[{"key": "gpu", "operator": "Exists"}], **only) == "n1"


def test_a_cordoned_node_takes_nothing(cluster: Virtual) -> None:
    cluster.send("PATCH", "/api/v1/nodes/n1", {"spec": {"unschedulable": True}})
    assert place(cluster, "a", nodeSelector={"name": "n1"}) == ""
    assert "unschedulable" in why(cluster, "a")


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ({"key": ZONE, "operator": "In", "values": ["b"]}, True),
        ({"key": ZONE, "operator": "NotIn", "values": ["a"]}, True),
        ({"key": ZONE, "operator": "In", "values": ["c"]}, False),
        ({"key": "none", "operator": "Exists"}, False),
    ],
)
def test_node_affinity(cluster: Virtual, expression: Json, fits: bool) -> None:
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    wanted = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    assert place(cluster, "a", affinity=wanted) == ("n3" if fits else "")


def test_anti_affinity_on_the_host(cluster: Virtual) -> None:
    found = [
        place(cluster, f"a{number}", labels={"app": "x"}, affinity=apart(HOST, app="x"))
        for number in range(4)
    ]
    assert sorted(found) == ["", "n1", "n2", "n3"]
    assert "3 node(s) didn't match pod anti-affinity rules" in why(cluster, "a3")


def test_anti_affinity_on_the_zone_also_of_pods_that_are_there(cluster: Virtual) -> None:
    assert (
        place(
            cluster, "alone", labels={"app": "x"}, affinity=apart(ZONE, app="y"), nodeSelector={"name": "n1"}
        )
        == "n1"
    )
    assert place(cluster, "y", labels={"app": "y"}) == "n3"


def test_affinity_to_pods(cluster: Virtual) -> None:
    beside = affinity("podAffinity", {"topologyKey": ZONE, "labelSelector": {"matchLabels": {"app": "db"}}})
    assert place(cluster, "lonely", affinity=beside) == ""
    place(cluster, "db", labels={"app": "db"}, nodeSelector={"name": "n3"})
    assert place(cluster, "web", affinity=beside) == "n3"
    cluster.sleep(12)
    assert get(cluster, "lonely")["spec"]["nodeName"] == "n3"


def test_spread_over_zones(cluster: Virtual) -> None:
    rule = {
        "maxSkew": 1,
        "topologyKey": ZONE,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "x"}},
    }
    zones = {"n1": "a", "n2": "a", "n3": "b"}
    found = [
        zones[place(cluster, f"a{number}", labels={"app": "x"}, topologySpreadConstraints=[rule])]
        for number in range(6)
    ]
    assert sorted(found) == ["a", "a", "a", "b", "b", "b"]
    cluster.send("PATCH", "/api/v1/nodes/n3", {"spec": {"unschedulable": True}})
    assert place(cluster, "a6", labels={"app": "x"}, topologySpreadConstraints=[rule]) != ""
    assert place(cluster, "a7", labels={"app": "x"}, topologySpreadConstraints=[rule]) == ""
    assert "topology spread constraints" in why(cluster, "a7")


def test_a_higher_priority_takes_the_place_of_a_lower(cluster: Virtual) -> None:
    for name, value in (("low", 100), ("high", 1000)):
        cluster.send(
            "POST", "/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": name}, "value": value}
        )
    for number in range(3):
        assert place(cluster, f"low{number}", "4", priorityClassName="low")
    cluster.sleep(1)
    place(cluster, "high", "4", priorityClassName="high")
    cluster.sleep(2)
    assert get(cluster, "high")["spec"]["nodeName"]
    left = cluster.send("GET", pods_path("default")).body["items"]
    assert len(left) == 3


def test_who_never_preempts_waits(cluster: Virtual) -> None:
    polite = {"metadata": {"name": "polite"}, "value": 1000, "preemptionPolicy": "Never"}
    cluster.send("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", polite)
    for number in range(3):
        place(cluster, f"low{number}", "4")
    assert place(cluster, "high", "4", priorityClassName="polite") == ""
    assert "not eligible due to preemptionPolicy=Never" in why(cluster, "high")


def test_the_reserved_place_is_not_given_to_a_lower_pod(cluster: Virtual) -> None:
    high = {"metadata": {"name": "high"}, "value": 1000}
    cluster.send("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", high)
    only = {"nodeSelector": {"name": "n1"}}
    place(cluster, "slow", "4", annotations={"stop-s": "20"}, **only)
    cluster.sleep(1)
    assert place(cluster, "high", "4", priorityClassName="high", **only) == ""
    assert get(cluster, "high")["status"]["nominatedNodeName"] == "n1"
    place(cluster, "late", "4", **only)
    cluster.sleep(40)
    assert get(cluster, "high")["spec"]["nodeName"] == "n1"
    assert "nodeName" not in get(cluster, "late")["spec"]


def test_a_gated_pod_waits_for_its_gate(cluster: Virtual) -> None:
    assert place(cluster, "a", schedulingGates=[{"name": "herder.dev/hold"}]) == ""
    cluster.send("PATCH", pods_path("default", "a"), {"spec": {"schedulingGates": None}})
    assert get(cluster, "a")["spec"]["nodeName"]


def test_a_pod_waits_for_its_volume(cluster: Virtual) -> None:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    assert place(cluster, "a", volumes=volumes) == ""
    assert 'persistentvolumeclaim "data" not found' in why(cluster, "a")
    claims = "/api/v1/namespaces/default/persistentvolumeclaims"
    cluster.send("POST", claims, {"metadata": {"name": "data"}, "spec": {}})
    cluster.sleep(12)
    assert "unbound immediate PersistentVolumeClaims" in why(cluster, "a")
    cluster.send("PATCH", f"{claims}/data/status", {"status": {"phase": "Bound"}})
    cluster.sleep(12)
    assert get(cluster, "a")["spec"]["nodeName"]


def test_a_volume_that_waits_for_its_pod_is_bound_with_it(cluster: Virtual) -> None:
    late = {"metadata": {"name": "late"}, "provisioner": "x", "volumeBindingMode": "WaitForFirstConsumer"}
    cluster.send("POST", "/apis/storage.k8s.io/v1/storageclasses", late)
    claims = "/api/v1/namespaces/default/persistentvolumeclaims"
    cluster.send("POST", claims, {"metadata": {"name": "data"}, "spec": {"storageClassName": "late"}})
    assert place(cluster, "a", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])
    assert cluster.send("GET", f"{claims}/data").body["status"]["phase"] == "Bound"


def test_another_scheduler_binds_itself(cluster: Virtual) -> None:
    assert place(cluster, "a", schedulerName="mine") == ""
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "a"},
        "target": {"kind": "Node", "name": "n2"},
    }
    assert cluster.send("POST", pods_path("default", "a", "binding"), binding).status == 201
    assert get(cluster, "a")["spec"]["nodeName"] == "n2"
    again = cluster.send("POST", pods_path("default", "a", "binding"), binding)
    assert (again.status, again.body["reason"]) == (409, "Conflict")


def test_without_nodes_there_is_a_sentence_too(virtual: Virtual) -> None:
    assert place(virtual, "a") == ""
    assert why(virtual, "a") == "no nodes available to schedule pods"
