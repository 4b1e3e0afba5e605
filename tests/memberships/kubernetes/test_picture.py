"""The picture after any changes is the one that a first look would give, and what has not changed is not made again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.memberships.kubernetes.demand.pod_facts import EXCLUDED_MAX
from herder.memberships.kubernetes.picture import Picture
from herder.model.fleet.node import NodeSeen
from herder.model.fleet.pressure import WorkerUse
from herder.model.planning.cluster import PodSeen
from herder.model.values.resources import Resources
from tests.memberships.kubernetes.objects_made import (
    MIRROR,
    STARTED_MS,
    UNSCHEDULABLE,
    node,
    owned_by,
    pod,
    rules,
)


@pytest.fixture
def picture() -> Picture:
    return Picture("here", rules())


def by_name(picture: Picture) -> dict[str, NodeSeen]:
    return {each.name: each for each in picture.all_nodes()}


def test_pods_load_their_node_until_they_end_or_are_gone(picture: Picture) -> None:
    picture.nodes.put("w1", node("w1"))
    picture.pods.put("default/a", pod("a", node="w1"))
    picture.pods.put("default/b", pod("b", node="w1", metadata=owned_by("DaemonSet")))
    picture.pods.put("default/c", pod("c", node="w1", metadata=MIRROR))
    found = by_name(picture)["w1"]
    assert found.requested == Resources(cpu_milli=1500, memory_mib=768)
    assert (found.workload_pods, found.daemon_pods, found.empty) == (1, 2, False), (
        "a mirror takes a place, too"
    )
    picture.pods.put("default/a", pod("a", node="w1", phase="Succeeded"))
    assert by_name(picture)["w1"].empty
    for key in ("default/b", "default/c"):
        picture.pods.drop(key)
    assert by_name(picture)["w1"].requested == Resources()


def test_one_pod_is_found_with_what_it_is(picture: Picture) -> None:
    picture.pods.put("default/bound", pod("bound", node="w1"))
    picture.pods.put("default/waits", pod("waits", conditions=[UNSCHEDULABLE]))
    picture.pods.put("default/gated", pod("gated", schedulingGates=[{"name": "x"}], conditions=[]))
    (group,) = picture.pods.pending()
    assert picture.pods.pod("default/bound") == PodSeen(node="w1")
    assert picture.pods.pod("default/waits") == PodSeen(shape=group.shape, since_ms=group.since_ms)
    gated = picture.pods.pod("default/gated")
    assert gated is not None
    assert "scheduling gate" in gated.because
    assert picture.pods.pod("default/lost") is None


def test_pods_may_be_seen_before_their_node_and_after_it(picture: Picture) -> None:
    picture.pods.put("default/a", pod("a", node="w1"))
    assert by_name(picture) == {}
    picture.nodes.put("w1", node("w1"))
    assert by_name(picture)["w1"].workload_pods == 1
    picture.nodes.drop("w1")
    assert by_name(picture) == {}
    picture.pods.drop("default/a")
    picture.nodes.put("w1", node("w1", uid="later"))
    assert by_name(picture)["w1"].workload_pods == 0


def test_equal_pods_are_one_group_since_the_first_of_them(picture: Picture) -> None:
    for minute, name in ((3, "c"), (1, "a"), (2, "b")):
        condition = {**UNSCHEDULABLE, "lastTransitionTime": f"2026-11-27T05:0{minute}:00Z"}
        picture.pods.put(f"default/{name}", pod(name, conditions=[condition]))
    picture.pods.put("default/other", pod("other", requests={"cpu": "4"}))
    small, large = picture.pods.pending()
    assert (small.count, small.since_ms, small.example) == (3, STARTED_MS + 60_000, "default/c")
    assert large.count == 1
    picture.pods.put("default/a", pod("a", node="w1"))
    assert picture.pods.pending()[0].since_ms == STARTED_MS + 120_000
    assert picture.pods.pending()[1] is large, "what has not changed is the same object"


def test_pods_that_are_no_demand_are_counted_by_their_reason(picture: Picture) -> None:
    for name in "ab":
        picture.pods.put(f"default/{name}", pod(name, schedulingGates=[{"name": "x"}]))
    picture.pods.put("default/c", pod("c", schedulerName="volcano"))
    told = picture.pods.not_considered()
    assert [(each.count, each.example) for each in told] == [(2, "default/a"), (1, "default/c")]
    picture.pods.put("default/c", pod("c"))
    assert len(picture.pods.not_considered()) == 1
    assert sum(group.count for group in picture.pods.pending()) == 1


def test_reasons_are_bounded(picture: Picture) -> None:
    for number in range(3 * EXCLUDED_MAX):
        picture.pods.put(f"default/{number}", pod(str(number), schedulerName=f"s{number}"))
    told = picture.pods.not_considered()
    assert len(told) == EXCLUDED_MAX + 1
    assert sum(each.count for each in told) == 3 * EXCLUDED_MAX
    for number in range(3 * EXCLUDED_MAX):
        picture.pods.drop(f"default/{number}")
    assert picture.pods.not_considered() == ()


def test_a_heart_beat_changes_nothing_and_other_nodes_stay_the_same_object(picture: Picture) -> None:
    for name in ("w1", "w2"):
        picture.nodes.put(name, node(name))
    first = by_name(picture)
    before = picture.changes
    picture.nodes.put("w1", node("w1", heartbeat="2026-11-27T05:00:10Z", version="9"))
    assert picture.changes == before
    assert by_name(picture)["w1"] is first["w1"]
    picture.nodes.put("w1", node("w1", ready="Unknown"))
    assert picture.changes > before
    assert by_name(picture)["w1"].ready is None
    assert by_name(picture)["w2"] is first["w2"]


def test_use_is_shown_while_it_is_known(picture: Picture) -> None:
    picture.nodes.put("w1", node("w1"))
    use = WorkerUse(cpu_milli=100, memory_mib=200, at_ms=1)
    assert picture.use({"w1": use})
    assert by_name(picture)["w1"].use == use
    assert not picture.use({"w1": use})
    assert picture.use({})
    assert by_name(picture)["w1"].use is None


_NAMES = ("a", "b", "c", "d")
_STATES: tuple[dict[str, Any] | None, ...] = (
    None,
    {"node": "w1"},
    {"node": "w2", "requests": {"cpu": "2"}},
    {"node": "w2", "metadata": owned_by("DaemonSet")},
    {"node": "w1", "metadata": MIRROR, "requests": {}},
    {"node": "w1", "phase": "Failed"},
    {},
    {"requests": {"cpu": "4"}},
    {"schedulingGates": [{"name": "x"}]},
    {"conditions": []},
)
_CHANGES = st.lists(st.tuples(st.sampled_from(_NAMES), st.sampled_from(range(len(_STATES)))), max_size=30)


@given(_CHANGES, st.lists(st.sampled_from(["w1", "w2", "-w1", "-w2", "look"]), max_size=8), st.randoms())
def test_after_any_changes_it_is_what_a_first_look_gives(
    changes: list[tuple[str, int]], nodes: list[str], order: Any
) -> None:
    lived, last, there = Picture("here", rules()), dict[str, int](), set[str]()
    steps: list[Any] = [*changes, *nodes]
    order.shuffle(steps)
    for step in steps:
        if step == "look":
            lived.all_nodes()
            lived.pods.pending()
            lived.pods.not_considered()
        elif isinstance(step, str):
            name = step.removeprefix("-")
            if step == name:
                lived.nodes.put(name, node(name))
                there.add(name)
            elif name in there:
                lived.nodes.drop(name)
                there.remove(name)
        else:
            name, state = step
            given = _STATES[state]
            if given is None:
                lived.pods.drop(f"default/{name}")
                last.pop(name, None)
            else:
                lived.pods.put(f"default/{name}", pod(name, **given))
                last[name] = state
    fresh = Picture("here", rules())
    for name in there:
        fresh.nodes.put(name, node(name))
    for name, state in last.items():
        fresh.pods.put(f"default/{name}", pod(name, **(_STATES[state] or {})))
    assert lived.all_nodes() == fresh.all_nodes()
    assert summed(lived) == summed(fresh)


def summed(picture: Picture) -> tuple[Any, Any]:
    """Without the examples: which one is named depends on the order."""
    pending = {(each.shape, each.count, each.since_ms) for each in picture.pods.pending()}
    return pending, {(each.because, each.count) for each in picture.pods.not_considered()}
