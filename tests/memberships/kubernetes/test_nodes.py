"""What a Node object says: readiness that may be unknown, conditions, taints, capacity, and whose worker it is."""

from typing import Any

import pytest

from herder.memberships.kubernetes.nodes import node_seen
from herder.memberships.kubernetes.objects import NodeAddress
from herder.model.fleet.node import NodeSeen
from herder.model.fleet.pool import Taint, TaintEffect
from herder.model.fleet.repair import Condition
from herder.model.values.resources import Resources
from tests.memberships.kubernetes.objects_made import STARTED, STARTED_MS, node, rules


def seen(**given: Any) -> NodeSeen:
    return node_seen(node(**given), "here", rules().resources)


def test_a_ready_node() -> None:
    found = seen(labels={"topology.kubernetes.io/zone": "dc1-rack-a", "node-pool": "burst"})
    assert (found.name, found.uid, found.ready, found.text) == ("w1", "uid-w1", True, "")
    assert found.allocatable == Resources(cpu_milli=8000, memory_mib=32768)
    assert (found.zone, found.kubelet_version, found.created_at_ms) == ("dc1-rack-a", "v1.36.2", STARTED_MS)
    assert found.labels == (("node-pool", "burst"), ("topology.kubernetes.io/zone", "dc1-rack-a"))
    assert found.conditions == ()
    assert found.worker is None


@pytest.mark.parametrize(
    ("status", "ready"),
    [("False", False), ("Unknown", None), (None, False)],
    ids=["no", "silent", "just born"],
)
def test_not_ready_and_not_known_are_two_things(status: str | None, ready: bool | None) -> None:
    found = seen(ready=status)
    assert found.ready is ready
    assert found.text.endswith(".")
    told = [(each.condition, each.since_ms) for each in found.conditions]
    assert told == ([] if status is None else [(Condition.NOT_READY, STARTED_MS)])


@pytest.mark.parametrize(
    ("kind", "condition"),
    [
        ("MemoryPressure", Condition.MEMORY_PRESSURE),
        ("DiskPressure", Condition.DISK_PRESSURE),
        ("PIDPressure", Condition.PID_PRESSURE),
        ("NetworkUnavailable", Condition.NETWORK_UNAVAILABLE),
    ],
)
def test_each_pressure_is_a_condition_while_it_is_true(kind: str, condition: Condition) -> None:
    def told(status: str) -> list[Condition]:
        given = {"type": kind, "status": status, "message": "x", "lastTransitionTime": STARTED}
        return [each.condition for each in seen(conditions=[given]).conditions]

    assert told("True") == [condition]
    assert told("False") == []


def test_taints_and_the_cordon_are_seen_and_who_evicts() -> None:
    ours = {"key": "workload-type", "value": "burst", "effect": "NoSchedule"}
    unreachable = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": STARTED}
    found = seen(spec={"unschedulable": True, "taints": [ours]})
    assert found.cordoned
    assert not found.draining_by_taint
    assert found.taints == (Taint(key="workload-type", value="burst"),)
    found = seen(spec={"taints": [ours, unreachable]})
    assert found.draining_by_taint
    assert found.taints[1] == Taint(key="node.kubernetes.io/unreachable", effect=TaintEffect.NO_EXECUTE)
    by_hand = {"key": "maintenance", "effect": "NoExecute"}
    assert not seen(spec={"taints": [by_hand]}).draining_by_taint, "not set by the cluster itself"


@pytest.mark.parametrize(
    ("labels", "worker"),
    [
        ({}, None),
        ({"herder.dev/worker": "burst-7-1"}, "burst-7-1"),
        ({"herder.dev/worker": "burst-7-1", "herder.dev/installation": "here"}, "burst-7-1"),
        ({"herder.dev/worker": "burst-7-1", "herder.dev/installation": "elsewhere"}, None),
        ({"herder.dev/installation": "here"}, None),
    ],
)
def test_a_node_is_a_worker_of_this_installation_by_its_label(
    labels: dict[str, str], worker: str | None
) -> None:
    assert seen(labels=labels).worker == worker


def test_a_capacity_that_cannot_be_read_is_none_and_said() -> None:
    found = seen(allocatable={"cpu": "many"})
    assert found.allocatable == Resources()
    assert "cannot be read" in found.text


def test_capacity_is_rounded_down() -> None:
    assert seen(allocatable={"cpu": "1999900u", "memory": "1048575"}).allocatable == Resources(cpu_milli=1999)


def test_addresses_of_its_own_network_come_first_and_names_are_none() -> None:
    made = node()
    made.status.addresses = [
        NodeAddress(type="ExternalIP", address="203.0.113.7"),
        NodeAddress(type="Hostname", address="w1"),
        NodeAddress(type="InternalIP", address="192.0.2.7"),
        NodeAddress(type="InternalIP", address="2001:db8::7"),
    ]
    found = node_seen(made, "here", rules().resources)
    assert found.addresses == ("192.0.2.7", "2001:db8::7", "203.0.113.7")
    assert seen().addresses == ()
