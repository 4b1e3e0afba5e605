"""Whatever happens: a watch from any version leads to the state of now, and no node gets more than it has."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herder.testing.kubernetes import ClusterSettings
from tests.kubernetes.clusters import Json, Virtual
from tests.kubernetes.conftest import KUBECONFIG
from tests.kubernetes.objects import config, configs_path, pod, pods_path

pytestmark = pytest.mark.skipif(bool(KUBECONFIG), reason="thousands of small clusters of our own")
CONFIGS = configs_path("default")
NAMES = ("a", "b", "c")
STEPS = st.lists(
    st.tuples(st.sampled_from(("create", "label", "data", "delete")), st.sampled_from(NAMES), st.integers(0, 2)),
    min_size=1, max_size=25,
)  # fmt: skip


def act(cluster: Virtual, what: str, name: str, number: int) -> None:
    if what == "create":
        cluster.send("POST", CONFIGS, config(name, {"n": str(number)}))
    elif what == "label":
        cluster.send("PATCH", configs_path("default", name), {"metadata": {"labels": {"n": str(number)}}})
    elif what == "data":
        cluster.send("PATCH", configs_path("default", name), {"data": {"n": str(number)}})
    else:
        cluster.send("DELETE", configs_path("default", name))


def listed(cluster: Virtual, selector: str) -> tuple[str, dict[str, Json]]:
    found = cluster.send("GET", CONFIGS, labelSelector=selector).body
    return found["metadata"]["resourceVersion"], {each["metadata"]["name"]: each for each in found["items"]}


def followed(cluster: Virtual, selector: str, version: str, state: dict[str, Json]) -> dict[str, Json]:
    """The state after what a watch tells."""
    watch = cluster.open("GET", CONFIGS, watch="true", resourceVersion=version, labelSelector=selector)
    found, seen = dict(state), int(version)
    for line in watch.take():
        event = json.loads(line)
        obj = {key: value for key, value in event["object"].items() if key not in ("kind", "apiVersion")}
        assert int(obj["metadata"]["resourceVersion"]) > seen
        seen, name = int(obj["metadata"]["resourceVersion"]), obj["metadata"]["name"]
        assert (name in found) is (event["type"] != "ADDED")
        if event["type"] == "DELETED":
            del found[name]
        else:
            found[name] = obj
    return found


@settings(max_examples=60)
@given(steps=STEPS, selector=st.sampled_from(("", "n=1", "n!=0", "n in (0,2)")))
def test_a_watch_from_any_version_leads_to_the_state_of_now(
    steps: list[tuple[str, str, int]], selector: str
) -> None:
    cluster = Virtual()
    states = [listed(cluster, selector)]
    for step in steps:
        act(cluster, *step)
        states.append(listed(cluster, selector))
    now = states[-1][1]
    for version, state in states:
        assert followed(cluster, selector, version, state) == now


# --- the scheduler

CPU = st.sampled_from(("100m", "500m", "1", "2", "3500m"))
PODS = st.lists(
    st.tuples(CPU, st.sampled_from(("", "z1", "z2")), st.booleans(), st.booleans()), min_size=1, max_size=14
)
ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"


def a_pod(name: str, cpu: str, zone: str, alone: bool, tolerant: bool) -> Json:
    spec: dict[str, Any] = {}
    if zone:
        spec["nodeSelector"] = {ZONE: zone}
    if alone:
        term = {"topologyKey": HOST, "labelSelector": {"matchLabels": {"alone": "1"}}}
        spec["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    if tolerant:
        spec["tolerations"] = [{"key": "special", "operator": "Exists"}]
    return pod(name, cpu=cpu, labels={"alone": "1"} if alone else {}, **spec)


def fits(one: Json, node: Json, others: list[Json]) -> bool:
    """As simply as it can be said."""
    milli = {"100m": 100, "500m": 500, "1": 1000, "2": 2000, "3500m": 3500}
    use = sum(milli[each["spec"]["containers"][0]["resources"]["requests"]["cpu"]] for each in (one, *others))
    if use > 4000:
        return False
    if one["spec"].get("nodeSelector", {}).get(ZONE) not in (None, node["metadata"]["labels"][ZONE]):
        return False
    special = bool(node["spec"].get("taints"))
    if special and not any(each.get("key") == "special" for each in one["spec"]["tolerations"]):
        return False
    alone = [each for each in (one, *others) if (each["metadata"].get("labels") or {}).get("alone")]
    return len(alone) < 2 or one not in alone


@settings(max_examples=60)
@given(wanted=PODS, special=st.booleans())
def test_what_is_bound_fits_and_what_is_not_fits_nowhere(
    wanted: list[tuple[str, str, bool, bool]], special: bool
) -> None:
    cluster = Virtual(ClusterSettings(default_capacity={"cpu": "4", "memory": "64Gi", "pods": "110"}))
    for name, zone in (("n1", "z1"), ("n2", "z1"), ("n3", "z2")):
        taints = [{"key": "special", "effect": "NoSchedule"}] if special and name == "n2" else None
        cluster.cluster.kubelets.boot(name, cluster.now_ms, labels={ZONE: zone}, taints=taints)
    cluster._next_ms = cluster.cluster.step(cluster.now_ms)
    cluster.sleep(2)
    for number, each in enumerate(wanted):
        cluster.send("POST", pods_path("default"), a_pod(f"p{number}", *each))
    nodes = {each["metadata"]["name"]: each for each in cluster.send("GET", "/api/v1/nodes").body["items"]}
    pods = cluster.send("GET", pods_path("default")).body["items"]
    on = {name: [each for each in pods if each["spec"].get("nodeName") == name] for name in nodes}
    for one in pods:
        place = one["spec"].get("nodeName")
        if place:
            assert fits(one, nodes[place], [each for each in on[place] if each is not one])
        else:
            assert one["status"]["conditions"][0]["reason"] == "Unschedulable"
            assert not any(fits(one, node, on[name]) for name, node in nodes.items())
