"""What a pod means: load of a node, demand, or a sentence that says why it is no demand."""

from typing import Any

import pytest

from herder.decide.eligibility.affinity import labels_fulfil
from herder.memberships.kubernetes.demand.pod_rules import Identity
from herder.memberships.kubernetes.demand.pods import Bound, Excluded, Waiting, fact_of
from herder.model.fleet.pool import TaintEffect, Toleration
from herder.model.values.resources import Dimensions, Resources, declare
from herder.model.work.apart import Topology
from herder.model.work.demand import Work
from tests.memberships.kubernetes.objects_made import (
    MIRROR,
    STARTED_MS,
    UNSCHEDULABLE,
    owned_by,
    pod,
    rules,
)
from tests.words.rules import faults

RULES = rules()


def waiting(**given: Any) -> Waiting:
    fact = fact_of(pod(**given), RULES)
    assert isinstance(fact, Waiting)
    return fact


def excluded(**given: Any) -> str:
    fact = fact_of(pod(**given), RULES)
    assert isinstance(fact, Excluded)
    assert faults(fact.because) == []
    return fact.because


def test_a_pod_that_fits_nowhere_is_demand_since_its_scheduler_says_so() -> None:
    fact = waiting(priority=500)
    assert fact.since_ms == STARTED_MS
    assert fact.shape.request == Resources(cpu_milli=500, memory_mib=256)
    assert fact.shape.work is Work.PODS
    assert (fact.shape.priority, fact.shape.pool) == (500, "auto")


@pytest.mark.parametrize(
    "given",
    [
        {"phase": "Succeeded"},
        {"phase": "Failed", "node": "w1"},
        {"metadata": {"deletionTimestamp": "2026-11-27T05:00:30Z"}},
        {"conditions": []},
        {"conditions": [{**UNSCHEDULABLE, "status": "True", "reason": ""}]},
        {"conditions": [{**UNSCHEDULABLE, "reason": "SchedulerError"}]},
    ],
    ids=["succeeded", "failed", "going", "not looked at", "scheduled", "an error of the scheduler"],
)
def test_what_has_ended_is_going_or_was_not_looked_at_is_nothing(given: dict[str, Any]) -> None:
    assert fact_of(pod(**given), RULES) is None


def test_a_bound_pod_is_load_whatever_its_phase_and_also_while_it_is_going() -> None:
    for phase in ("Pending", "Running"):
        going = {"deletionTimestamp": "2026-11-27T05:00:30Z"}
        fact = fact_of(pod(node="w1", phase=phase, metadata=going), RULES)
        assert fact == Bound(
            node="w1",
            request=Resources(cpu_milli=500, memory_mib=256),
            workload=True,
            identity=Identity(namespace="default", going=True),
        )


@pytest.mark.parametrize(
    ("metadata", "workload"),
    [
        ({}, True),
        (owned_by("ReplicaSet"), True),
        (owned_by("DaemonSet"), False),
        (MIRROR, False),
        (owned_by("Node") | MIRROR, False),
    ],
    ids=["bare", "replica set", "daemon set", "mirror", "mirror with its node"],
)
def test_bare_pods_are_work_and_those_of_daemon_sets_and_mirrors_are_not(
    metadata: dict[str, Any], workload: bool
) -> None:
    fact = fact_of(pod(node="w1", metadata=metadata), RULES)
    assert isinstance(fact, Bound)
    assert fact.workload == workload


def test_a_bound_pod_whose_request_cannot_be_read_still_counts() -> None:
    fact = fact_of(pod(node="w1", requests={"cpu": "lots"}), rules(Dimensions((declare("pods"),))))
    assert isinstance(fact, Bound)
    assert fact.request.declared() == {"pods": 1}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"schedulingGates": [{"name": "x"}], "conditions": []}, "scheduling gate"),
        ({"conditions": [{**UNSCHEDULABLE, "reason": "SchedulingGated"}]}, "scheduling gate"),
        ({"schedulerName": "volcano"}, "scheduler volcano"),
        ({"metadata": owned_by("DaemonSet")}, "DaemonSets"),
        ({"status": {"nominatedNodeName": "w1"}}, "about to be placed"),
        ({"resourceClaims": [{"name": "gpu"}]}, "ResourceClaim"),
        ({"requests": {"cpu": "much"}}, "cannot be read"),
        ({"requests": {"example.com/dongle": "1"}}, "example.com/dongle, which this server does not know"),
        (
            {"topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "example.com/rack", "whenUnsatisfiable": "DoNotSchedule"}]},
            "a rule about example.com/rack",
        ),
        (
            {"topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule",
                 "nodeTaintsPolicy": "Honor"}]},
            "nodeTaintsPolicy",
        ),
    ],
)  # fmt: skip
def test_pods_that_cannot_be_demand_are_named_with_a_reason(given: dict[str, Any], words: str) -> None:
    assert words in excluded(**given)


def required(kind: str, key: str) -> dict[str, Any]:
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": "web"}}}
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def test_rules_about_other_pods_are_not_guessed() -> None:
    host, zone = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
    assert "a rule about example.com/rack" in excluded(
        affinity=required("podAntiAffinity", "example.com/rack")
    )
    for key, topology in ((host, Topology.WORKER), (zone, Topology.ZONE)):
        (term,) = waiting(affinity=required("podAntiAffinity", key)).identity.terms
        assert (term.topology, term.skew) == (topology, None)
        assert term.selector.means("default", {"app": "web"})
        assert not term.selector.means("default", {"app": "db"})
        assert not term.selector.means("other", {"app": "web"})
    assert "beside other pods" in excluded(affinity=required("podAffinity", host))
    preferred = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 100, "podAffinityTerm": {"topologyKey": host}}]}}  # fmt: skip
    anyway = [{"maxSkew": 1, "topologyKey": zone, "whenUnsatisfiable": "ScheduleAnyway"}]
    assert waiting(affinity=preferred, topologySpreadConstraints=anyway).shape == waiting().shape


VOLUMES = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]


@pytest.mark.parametrize(
    "message",
    [
        "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        '0/2 nodes are available: persistentvolumeclaim "data" not found.',
        "0/2 nodes are available: 2 node(s) had volume node affinity conflict.",
        "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.",
    ],
)
def test_a_pod_that_waits_for_its_volume_is_no_demand(message: str) -> None:
    condition = {**UNSCHEDULABLE, "message": message}
    assert "wait for a volume" in excluded(volumes=VOLUMES, conditions=[condition])
    assert waiting(conditions=[condition]).shape == waiting().shape, "without a claim the words mean nothing"
    assert waiting(volumes=VOLUMES), "a claim alone is no reason"


def test_selector_affinity_and_tolerations_are_those_of_the_pod() -> None:
    shape = waiting(
        nodeSelector={"node-pool": "burst"},
        affinity={"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "storage-tier", "operator": "In", "values": ["ssd", "nvme"]}]}]},
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 100, "preference": {"matchExpressions": [{"key": "worker-type", "operator": "Exists"}]}}],
        }},
        tolerations=[
            {"key": "workload-type", "operator": "Equal", "value": "burst", "effect": "NoSchedule"},
            {"operator": "Exists"},
            {"key": "size", "operator": "Gt", "value": "3"},
            {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
        ],
    ).shape  # fmt: skip
    assert labels_fulfil(shape, (("node-pool", "burst"), ("storage-tier", "ssd")))
    assert not labels_fulfil(shape, (("node-pool", "burst"), ("storage-tier", "hdd")))
    assert [weight for weight, _ in shape.affinity.preferred] == [100]
    assert shape.tolerations == (
        Toleration(),
        Toleration(key="workload-type", value="burst", effect=TaintEffect.NO_SCHEDULE),
    )


def test_pods_that_differ_only_in_order_and_in_what_the_server_adds_are_one_shape() -> None:
    one = [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}]
    assert waiting(tolerations=one).shape == waiting(tolerations=one[::-1]).shape


def test_a_pod_for_one_named_node_and_an_operator_of_tomorrow_are_excluded() -> None:
    def affinity(term: dict[str, Any]) -> dict[str, Any]:
        terms = {"nodeSelectorTerms": [term]}
        return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}

    fields = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["w1"]}]}
    assert "by its name" in excluded(affinity=affinity(fields))
    like = {"matchExpressions": [{"key": "a", "operator": "Like", "values": ["x"]}]}
    assert "operator" in excluded(affinity=affinity(like))


def test_only_the_named_namespaces_are_demand_and_all_are_load() -> None:
    some = rules(RULES.resources.table, "shop")
    assert fact_of(pod(), some) is None
    assert isinstance(fact_of(pod(namespace="shop"), some), Waiting)
    assert isinstance(fact_of(pod(node="w1"), some), Bound)
