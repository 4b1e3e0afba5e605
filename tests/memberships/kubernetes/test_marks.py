"""Cordon, labels and taints: what others have set stays, and a lost race is run again."""

import pytest

from herder.memberships.kubernetes.node_calls import Current, change_of
from herder.model.fleet.pool import Taint, TaintEffect
from herder.ports.cluster import ClusterUnavailable
from herder.remote.kubernetes.objects import Metadata
from herder.testing.kubernetes.faults import Rule
from tests.memberships.kubernetes.lab import Lab

pytestmark = pytest.mark.virtual_time

BURST = Taint(key="workload-type", value="burst")
LABELS = {"herder.dev/worker": "burst-1-1", "node-pool": "burst"}
OTHERS = {
    "key": "maintenance",
    "value": "soon",
    "effect": "PreferNoSchedule",
    "timeAdded": "2026-11-27T04:00:00Z",
}


async def test_a_node_is_cordoned_and_uncordoned_and_each_may_be_repeated(lab: Lab) -> None:
    node = lab.node()
    for cordoned in (True, True, False, False):
        await lab.cluster.cordon(node, cordoned)
        found = lab.ask("GET", "/api/v1/nodes/w1")
        assert found["spec"].get("unschedulable", False) is cordoned


async def test_marks_are_added_and_nothing_else_is_touched(lab: Lab) -> None:
    node = lab.node(labels={"kubernetes.io/arch": "amd64", "node-pool": "none"}, spec={"taints": [OTHERS]})
    await lab.cluster.mark(node, LABELS, (BURST,))
    found = lab.ask("GET", "/api/v1/nodes/w1")
    assert found["metadata"]["labels"] == {"kubernetes.io/arch": "amd64", **LABELS}
    assert found["spec"]["taints"] == [
        OTHERS,
        {"key": "workload-type", "value": "burst", "effect": "NoSchedule"},
    ]
    await lab.cluster.mark(node, LABELS, (BURST,))
    again = lab.ask("GET", "/api/v1/nodes/w1")
    assert again["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"], "nothing was written"


async def test_a_lost_race_is_run_again_with_what_the_other_wrote(lab: Lab) -> None:
    node = lab.node()
    kept = lab.connection.call
    raced: list[str] = []

    async def call(call, **more):  # type: ignore[no-untyped-def]
        answer = await kept(call, **more)
        if call.verb == "get" and not raced:
            raced.append("once")
            lab.ask("PATCH", "/api/v1/nodes/w1", {"spec": {"taints": [OTHERS]}})
        return answer

    lab.connection.call = call  # type: ignore[method-assign]
    await lab.cluster.mark(node, LABELS, (BURST,))
    keys = [each["key"] for each in lab.ask("GET", "/api/v1/nodes/w1")["spec"]["taints"]]
    assert keys == ["maintenance", "workload-type"]


async def test_a_race_that_is_always_lost_is_given_up_for_now(lab: Lab) -> None:
    node = lab.node()
    lab.api.faults.add(Rule(method="PATCH", status=409, times=-1))
    with pytest.raises(ClusterUnavailable, match="changes faster than it can be patched"):
        await lab.cluster.cordon(node, True)


def test_a_taint_is_known_by_key_and_effect() -> None:
    found = Current(metadata=Metadata(labels=dict(LABELS)))
    found.spec.taints = [{"key": "workload-type", "value": "spot", "effect": "NoSchedule"}]
    hard = Taint(key="workload-type", value="burst", effect=TaintEffect.NO_EXECUTE)
    change = change_of(found, LABELS, (BURST, hard, Taint(key="bare")))
    assert change == {
        "spec": {
            "taints": [
                {"key": "workload-type", "effect": "NoSchedule", "value": "burst"},
                {"key": "workload-type", "effect": "NoExecute", "value": "burst"},
                {"key": "bare", "effect": "NoSchedule"},
            ]
        }
    }
