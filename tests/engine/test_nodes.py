"""Workers that are nodes: they live by the picture of their cluster, a stale picture changes nothing, and nothing is done to another node."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.engine.memory.invariants import violations
from herder.engine.memory.state import WorkerLife
from herder.engine.workers import worker as life
from herder.engine.workers.cluster import nodes
from herder.engine.workers.cluster.node_texts import blocked_text
from herder.engine.workers.deadlines import tick
from herder.engine.workers.draining import drains
from herder.engine.workers.draining.drain_texts import drain_word, progress_text
from herder.memberships import registry
from herder.model.fleet.creation import Step
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.node import Blocked, BlockedBy, Emptying, NodeCondition, NodeSeen
from herder.model.fleet.pool import PoolSpec, Taint, Template
from herder.model.fleet.pressure import WorkerUse
from herder.model.fleet.repair import Condition
from herder.model.fleet.worker import WorkerState
from herder.model.ids import WorkerName
from herder.model.planning.cluster import ClusterSeen
from herder.model.planning.plan import CreateWorker, Reason, ReasonKind
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources
from herder.settings import pool_from_plain, pool_to_plain
from tests.support.engine_world import World
from tests.support.fake_cluster import NODES, SIZE, know_nodes, node

STALE_MS = 60_000
NAME = "burst-1-1"
REASON = Reason(kind=ReasonKind.REQUESTED, text="by hand")
TEMPLATE = Template(name="node", allocatable=SIZE, price_pico_per_hour=PicoUsd(360), slots=100)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    know_nodes(monkeypatch)
    yield
    registry.load.cache_clear()
    registry.memberships.cache_clear()


def pool(gpu: int = 0, **more: Any) -> PoolSpec:
    plain = {"name": "burst", "driver": "pretend", "membership": "nodes", "cluster": "prod", "max_workers": 0}
    made = pool_from_plain({**plain, **more})
    return replace(made, templates=(replace(TEMPLATE, allocatable=SIZE.replaced("gpu", gpu)),))


def world_of(spec: PoolSpec) -> tuple[World, WorkerLife]:
    """A worker whose machine runs, and whose node has not been seen."""
    world = World(spec)
    made = world.spec(1, spec)
    action = CreateWorker(
        spec=replace(made, membership=NODES, cluster="prod"), expires_at_ms=None, reason=REASON
    )
    worker = life.claim(world.state, world.changes, action, world.now_ms)
    life.provisioning(world.state, worker, "hash", world.now_ms)
    life.provisioned(world.state, world.changes, worker, "m-1", world.now_ms)
    return world, worker


def see(world: World, *seen: NodeSeen, age_ms: int = 0, fault: str = "") -> None:
    picture = ClusterSeen(cluster="prod", as_of_ms=world.now_ms - age_ms, fault=fault, nodes=seen)
    nodes.look(world.state, world.changes, picture, STALE_MS, world.now_ms)
    assert violations(world.state) == []


def joined(spec: PoolSpec | None = None, **more: Any) -> tuple[World, WorkerLife]:
    world, worker = world_of(spec or pool())
    see(world, node(NAME, **more))
    nodes.marked(world.state, worker, f"uid-{NAME}")
    see(world, node(NAME, **more))
    assert worker.state is WorkerState.READY
    return world, worker


def test_it_is_ready_when_marked_ready_and_schedulable() -> None:
    world, worker = world_of(pool())
    see(world, node("other"))
    assert (worker.state, worker.node) == (WorkerState.JOINING, None)
    see(world, node(NAME, ready=None))
    assert worker.creation is not None
    assert worker.creation.step is Step.READY
    asked = nodes.to_do(world.state, worker)
    assert asked is not None
    assert asked.mark
    nodes.marked(world.state, worker, "another")
    assert nodes.to_do(world.state, worker) == asked
    nodes.marked(world.state, worker, asked.node.uid)
    see(world, node(NAME, taints=(Taint(key="node.kubernetes.io/not-ready"),)))
    assert worker.state is WorkerState.JOINING
    see(world, node(NAME, taints=(Taint(key="workload-type", value="burst"),)))
    assert worker.state is WorkerState.READY
    assert nodes.to_do(world.state, worker) is None
    assert worker.idle_since_ms == world.now_ms


def test_a_gpu_that_its_node_does_not_show_fails_the_step_of_that_name() -> None:
    spec = pool(gpu=2, step_timeouts={"device_plugin": "40s"})
    world, worker = world_of(spec)
    few = node(NAME, allocatable=SIZE.replaced("gpu", 1))
    see(world, few)
    nodes.marked(world.state, worker, few.uid)
    see(world, few)
    assert worker.creation is not None
    assert worker.creation.step is Step.DEVICE_PLUGIN
    world.now_ms += 39_000
    tick(world.state, world.changes, world.now_ms)
    assert worker.state is WorkerState.JOINING
    world.now_ms += 2_000
    tick(world.state, world.changes, world.now_ms)
    assert worker.state is WorkerState.TERMINATING
    assert worker.reason_removed is not None
    assert (
        "step device_plugin within 40 s. Its node burst-1-1 shows 1 of 2 GPUs." in worker.reason_removed.text
    )


def test_free_capacity_and_idleness_follow_the_pods() -> None:
    world, worker = joined()
    busy = node(NAME, requested=Resources(1000, 1024, 0), workload_pods=3, daemon_pods=2)
    world.now_ms += 1000
    see(world, busy)
    assert worker.free == Resources(3000, 7168, 100_000)
    assert (worker.free_slots, worker.busy, worker.idle_since_ms) == (95, 3, None)
    world.now_ms += 1000
    computes = WorkerUse(cpu_milli=200, memory_mib=10, at_ms=world.now_ms)
    see(world, node(NAME, use=computes))
    assert (worker.use, worker.idle_since_ms) == (computes, None)
    see(world, node(NAME, daemon_pods=4, use=replace(computes, cpu_milli=199)))
    assert (worker.free, worker.idle_since_ms) == (SIZE, world.now_ms)
    see(world, node(NAME, allocatable=SIZE.times(2), requested=SIZE.times(2)))
    assert worker.free == Resources()


def test_conditions_come_and_go_with_the_clusters_word() -> None:
    world, worker = joined()
    since_ms = world.now_ms - 5_000
    sick = NodeCondition(
        condition=Condition.DISK_PRESSURE, since_ms=since_ms, text="kubelet has disk pressure"
    )
    see(world, node(NAME, conditions=(sick,)))
    assert worker.state is WorkerState.UNHEALTHY
    assert worker.health.conditions["cluster", Condition.DISK_PRESSURE].since_ms == since_ms
    see(world, node(NAME, ready=None, text=""))
    (found,) = worker.health.conditions.values()
    assert (worker.state, found.message) == (WorkerState.UNHEALTHY, "its kubelet is silent")
    see(world, node(NAME))
    assert worker.state is WorkerState.READY


def test_a_node_whose_kubelet_is_silent_is_not_heard_from() -> None:
    """The sweep believes no listing without a machine whose worker is heard: the machine of a silent node must not count as there."""
    world, worker = joined()
    before_ms = worker.last_seen_at_ms
    world.now_ms += 60_000
    for _ in range(2):
        see(world, node(NAME, ready=None))
        assert worker.last_seen_at_ms == before_ms
    see(world, node(NAME, ready=False))
    assert worker.last_seen_at_ms == world.now_ms, "a kubelet that says what is wrong is there"


def test_a_node_that_is_not_in_a_fresh_picture_is_unhealthy_and_in_a_stale_one_is_as_before() -> None:
    world, worker = joined(workload_pods=1)
    see(world, age_ms=STALE_MS + 1, fault="The API server does not answer.")
    assert (worker.state, worker.busy) == (WorkerState.READY, 1)
    assert "does not answer" in world.state.clusters["prod"].stale
    see(world)
    assert worker.state is WorkerState.UNHEALTHY
    (found,) = worker.health.conditions.values()
    assert found.message == "its node burst-1-1 is not in cluster prod"
    assert world.state.clusters["prod"].stale == ""
    see(world, node(NAME))
    assert worker.state is WorkerState.READY


def test_a_picture_that_has_none_of_the_nodes_of_several_workers_is_of_another_cluster() -> None:
    """After a wrong address or context: no worker is sick, empty or repaired because of it."""
    world, first = joined(workload_pods=1)
    workers, there = [first], [node(NAME, workload_pods=1)]
    for number in (2, 3):
        _, worker = world_of(pool())
        spec = replace(worker.spec, name=WorkerName(f"burst-{number}-1"))
        action = CreateWorker(spec=spec, expires_at_ms=None, reason=REASON)
        worker = life.claim(world.state, world.changes, action, world.now_ms)
        life.provisioning(world.state, worker, "hash", world.now_ms)
        life.provisioned(world.state, world.changes, worker, f"m-{number}", world.now_ms)
        there.append(node(spec.name))
        see(world, *there)
        nodes.marked(world.state, worker, f"uid-{spec.name}")
        workers.append(worker)
    see(world, *there)
    life.drain(world.state, world.changes, first, REASON, world.now_ms)
    cluster = world.state.clusters["prod"]

    see(world, node("stranger"))
    tick(world.state, world.changes, world.now_ms)
    states = [worker.state for worker in workers]
    assert states == [WorkerState.DRAINING, WorkerState.READY, WorkerState.READY]
    assert not any(worker.health.conditions for worker in workers)
    assert first.occupied, "what runs there is not given up"
    assert cluster.stale.startswith(
        "It has none of the 3 nodes of its workers, so another cluster may answer"
    )

    see(world, there[1])
    assert cluster.stale == ""
    assert [bool(worker.health.conditions) for worker in workers] == [True, False, True]


def test_a_later_node_of_the_same_name_is_not_ours_before_it_is_marked() -> None:
    world, worker = joined()
    drains.keep(
        world.state, world.changes, worker, world.now_ms, actor="x", message="", timeout_s=None, force=False
    )
    see(world, node(NAME, uid="second"))
    asked = nodes.to_do(world.state, worker)
    assert asked is not None
    assert (asked.mark, asked.cordon, asked.empty, asked.node.uid) == (True, None, False, "second")
    nodes.marked(world.state, worker, "second")
    asked = nodes.to_do(world.state, worker)
    assert asked is not None
    assert (asked.mark, asked.cordon) == (False, True)
    both = (node(NAME, uid="second"), node("x", uid="third", worker=worker.spec.name))
    see(world, *both)
    assert worker.node is not None
    assert worker.node.uid == "second"
    assert world.state.clusters["prod"].twins == {worker.spec.name: (NAME, "x")}


def test_a_node_that_was_given_to_another_worker_is_that_one_s_alone() -> None:
    """A provider has removed the node of `second`; the one that stayed is renamed."""
    world, first = joined()
    assert first.node is not None
    uid = first.node.uid
    made = replace(world.spec(2), membership=NODES, cluster="prod")
    action = CreateWorker(spec=made, expires_at_ms=None, reason=REASON)
    second = life.claim(world.state, world.changes, action, world.now_ms)
    life.provisioning(world.state, second, "hash", world.now_ms)
    life.provisioned(world.state, world.changes, second, "m-2", world.now_ms)
    see(world, node(NAME, uid=uid, worker=second.spec.name))
    assert first.node.seen is None
    assert nodes.to_do(world.state, first) is None
    assert second.node is not None
    assert second.node.uid == uid
    asked = nodes.to_do(world.state, second)
    assert asked is not None
    assert asked.mark


def _pass(world: World, worker: WorkerLife, left: int, *blocked: Blocked) -> None:
    assert worker.node is not None
    found = Emptying(left=left, blocked=blocked)
    nodes.emptying(world.state, world.changes, worker, worker.node.uid, found, world.now_ms)


def test_a_drain_ends_when_the_cordoned_node_is_empty_twice() -> None:
    world, worker = joined(workload_pods=2)
    life.drain(world.state, world.changes, worker, REASON, world.now_ms)
    asked = nodes.to_do(world.state, worker)
    assert asked is not None
    assert (asked.cordon, asked.empty) == (True, False)
    nodes.cordoning(world.state, worker, True)
    see(world, node(NAME, cordoned=True, workload_pods=2))
    asked = nodes.to_do(world.state, worker)
    assert asked is not None
    assert (asked.cordon, asked.empty, asked.force) == (None, True, False)
    _pass(world, worker, 1)
    assert "1 of 2 pods have left its node" in progress_text(world.state, worker, world.now_ms)
    _pass(world, worker, 0)
    tick(world.state, world.changes, world.now_ms)
    assert worker.state is WorkerState.DRAINING
    world.now_ms += nodes.EMPTY_FOR_MS
    _pass(world, worker, 0)
    assert worker.state is WorkerState.TERMINATING


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Pod default/web may not be evicted now.", "Pod default/web may not be evicted now."),
        ("Cluster prod does not allow it.", "Pod default/web: Cluster prod does not allow it."),
    ],
)
def test_a_pod_that_blocks_a_drain_is_named_once(text: str, said: str) -> None:
    assert blocked_text(Blocked(pod="default/web", by=BlockedBy.BUDGET, text=text)) == said


def test_an_idle_node_is_not_removed_before_it_was_cordoned() -> None:
    world, worker = joined()
    life.drain(world.state, world.changes, worker, REASON, world.now_ms)
    tick(world.state, world.changes, world.now_ms)
    assert worker.state is WorkerState.DRAINING


@pytest.mark.parametrize("rule", [OnBlocked.WAIT, OnBlocked.FORCE])
def test_what_blocks_a_drain_is_named_and_the_pools_rule_decides(rule: OnBlocked) -> None:
    world, worker = joined(pool(on_blocked=str(rule), drain_grace="1m"), workload_pods=1)
    life.drain(world.state, world.changes, worker, REASON, world.now_ms)
    held = node(NAME, cordoned=True, workload_pods=1)
    see(world, held)
    text = "Budget web allows no eviction now."
    _pass(world, worker, 1, Blocked(pod="shop/web-1", by=BlockedBy.BUDGET, text=text))
    world.now_ms += 61_000
    see(world, held)
    tick(world.state, world.changes, world.now_ms)
    told = progress_text(world.state, worker, world.now_ms)
    assert f"Pod shop/web-1: {text}" in told
    asked = nodes.to_do(world.state, worker)
    assert asked is not None
    assert asked.force is (rule is OnBlocked.FORCE)
    world.now_ms += drains.FORCED_MS
    tick(world.state, world.changes, world.now_ms)
    if rule is OnBlocked.WAIT:
        assert drain_word(world.state, worker) == "blocked"
        assert "on_blocked: wait" in progress_text(world.state, worker, world.now_ms)
    assert worker.state is (WorkerState.DRAINING if rule is OnBlocked.WAIT else WorkerState.TERMINATING)


def test_a_forced_drain_of_an_unseen_cluster_ends_nothing() -> None:
    world, worker = joined(pool(on_blocked="force", drain_grace="1m"), workload_pods=1)
    life.drain(world.state, world.changes, worker, REASON, world.now_ms)
    world.now_ms += 600_000
    see(world, age_ms=STALE_MS + 1, fault="The API server does not answer.")
    tick(world.state, world.changes, world.now_ms)
    assert worker.state is WorkerState.DRAINING
    assert "is not seen now" in progress_text(world.state, worker, world.now_ms)


def test_only_our_own_cordon_is_taken_away() -> None:
    world, worker = joined()
    see(world, node(NAME, cordoned=True))
    assert nodes.to_do(world.state, worker) is None
    see(world, node(NAME))
    life.set_cordon(world.state, world.changes, worker, True, world.now_ms, actor="x", message="")
    asked = nodes.to_do(world.state, worker)
    assert asked is not None
    assert asked.cordon is True
    nodes.cordoning(world.state, worker, True)
    see(world, node(NAME, cordoned=True))
    life.set_cordon(world.state, world.changes, worker, False, world.now_ms, actor="x", message="")
    asked = nodes.to_do(world.state, worker)
    assert asked is not None
    assert asked.cordon is False


def test_labels_mirror_the_end_of_a_ttl_also_when_it_was_extended() -> None:
    world, worker = joined()
    worker.expires_at_ms = world.now_ms + 4 * 3_600_000
    asked = nodes.to_do(world.state, worker)
    assert asked is not None
    assert asked.mark
    labels = nodes.node_labels(worker, {"herder.dev/pool": "burst"})
    assert labels == {
        "provisioned-at": "1700000000",
        "ttl": "1700014400",
        "ttl-hours": "4",
        "herder.dev/pool": "burst",
    }
    see(world, node(NAME, labels=tuple(labels.items())))
    assert nodes.to_do(world.state, worker) is None
    worker.expires_at_ms += 5_400_000
    asked = nodes.to_do(world.state, worker)
    assert asked is not None
    assert nodes.expiry_labels(worker)["ttl-hours"] == "5.5"


def test_a_restart_knows_the_node_its_mark_and_whose_the_cordon_is() -> None:
    world, worker = joined(workload_pods=1)
    nodes.cordoning(world.state, worker, True)
    world.commit()
    state, _ = world.recovered()
    again = state.workers[worker.spec.name]
    assert again.node is not None
    assert (again.node.name, again.node.uid) == (NAME, f"uid-{NAME}")
    assert (again.node.marked, again.node.cordoned, again.spec.cluster) == (True, True, "prod")
    assert again.idle_since_ms is None
    assert nodes.to_do(state, again) is None
    assert pool_from_plain(pool_to_plain(state.pools[again.spec.pool])) == state.pools[again.spec.pool]


PICTURES = st.lists(
    st.fixed_dictionaries(
        {
            "age_ms": st.sampled_from([0, 0, 0, STALE_MS + 1]),
            "uids": st.lists(st.sampled_from(["a", "b"]), max_size=2, unique=True),
            "ready": st.sampled_from([True, True, False, None]),
            "cordoned": st.booleans(),
            "pods": st.integers(0, 2),
            "then": st.sampled_from(["", "mark", "drain", "cordon", "keep", "back", "pass", "tick"]),
        }
    ),
    max_size=12,
)


@given(PICTURES)
def test_whatever_is_seen_no_rule_is_broken_and_a_stale_picture_moves_nothing(
    pictures: list[dict[str, Any]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        know_nodes(patch)
        world, worker = world_of(pool())
        for each in pictures:
            world.now_ms += 3_000
            before = (worker.state, worker.free, worker.idle_since_ms, dict(worker.health.conditions))
            more = {"ready": each["ready"], "cordoned": each["cordoned"], "workload_pods": each["pods"]}
            see(world, *(node(NAME, uid=uid, **more) for uid in each["uids"]), age_ms=each["age_ms"])
            if each["age_ms"]:
                assert before == (worker.state, worker.free, worker.idle_since_ms, worker.health.conditions)
            _then(world, worker, each["then"], each["pods"])
            assert violations(world.state) == []
            if worker.state.ended:
                break


def _then(world: World, worker: WorkerLife, what: str, pods: int) -> None:
    state, changes, now_ms = world.state, world.changes, world.now_ms
    asked = nodes.to_do(state, worker)
    joined_now = worker.state in (WorkerState.READY, WorkerState.UNHEALTHY)
    if asked is not None:
        assert worker.node is not None
        assert asked.node.uid == worker.node.uid
        if asked.mark and what == "mark":
            nodes.marked(state, worker, asked.node.uid)
        if asked.cordon is not None and what == "cordon":
            nodes.cordoning(state, worker, asked.cordon)
        if asked.empty and what == "pass":
            _pass(world, worker, pods)
    if what == "drain":
        life.drain(state, changes, worker, REASON, now_ms)
    elif what == "keep" and joined_now:
        drains.keep(state, changes, worker, now_ms, actor="x", message="", timeout_s=None, force=False)
    elif (
        what == "back"
        and worker.drain is not None
        and not worker.state.ended
        and worker.state is not WorkerState.TERMINATING
    ):
        drains.take_back(state, changes, worker, now_ms, actor="x", message="")
    elif what == "tick":
        tick(state, changes, now_ms)
