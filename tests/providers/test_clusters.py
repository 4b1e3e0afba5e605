"""The clusters loop with machines of a provider and a cluster in memory: marks, cordons, drains, removals, and what goes wrong with them."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from herder.control.pools.pool_actions import store_pool
from herder.engine.memory.state import WorkerLife
from herder.engine.workers import worker as life
from herder.memberships import registry
from herder.model.fleet.cluster import INSTALLATION_LABEL, POOL_LABEL, WORKER_LABEL
from herder.model.fleet.node import Blocked, BlockedBy, NodeSeen
from herder.model.fleet.pool import PoolSpec, Taint
from herder.model.fleet.worker import WorkerSpec, WorkerState
from herder.model.ids import PlanNumber, PoolName, UserName, WorkerName
from herder.model.planning.cluster import PodGroup
from herder.model.planning.plan import CreateWorker
from herder.model.stored.changes import Changes
from herder.model.values.money import PicoUsd
from herder.model.work.demand import Shape
from herder.ports.cluster import ClusterForbidden, ClusterUnavailable
from herder.settings import pool_from_plain
from tests.providers.conftest import MakeFleet
from tests.providers.fleet import BY_HAND, Fleet
from tests.support.fake_cluster import NODES, SIZE, FakeCluster, know_nodes, node

pytestmark = pytest.mark.virtual_time

NAME = WorkerName("burst-1-1")
ALL = ("launch", "sweep", "lifecycle", "clusters")
TAINT = Taint(key="workload-type", value="burst")
TEMPLATE = {"name": "n", "cpu": 4, "memory": "8Gi", "disk": "100000Mi", "price_per_hour": "0.10"}


class Watched(FakeCluster):
    """Notes which machines there are when a Node object is removed."""

    machines: Callable[[], list[str]]

    def __init__(self) -> None:
        super().__init__()
        self.left: list[list[str]] = []

    async def remove(self, node: NodeSeen) -> None:
        self.left.append(self.machines())
        await super().remove(node)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    know_nodes(monkeypatch)
    yield
    registry.load.cache_clear()
    registry.memberships.cache_clear()


def pool(**more: Any) -> PoolSpec:
    plain = {
        "name": "burst",
        "driver": "cloud",
        "membership": "nodes",
        "cluster": "prod",
        "templates": [TEMPLATE],
    }
    return pool_from_plain({**plain, **more})


async def fleet_of(
    make_fleet: MakeFleet, cluster: FakeCluster, spec: PoolSpec | None = None, loops: tuple[str, ...] = ALL
) -> Fleet:
    fleet = make_fleet("cloud", clusters={cluster.name: cluster}, loops=loops)
    cluster.now = fleet.clock.now_ms
    changes = Changes()
    store_pool(fleet.core, changes, spec or pool(), fleet.clock.now_ms())
    await fleet.core.commit(changes)
    return fleet


async def want(fleet: Fleet, name: str = NAME) -> WorkerLife:
    spec = WorkerSpec(
        name=WorkerName(name),
        pool=PoolName("burst"),
        template="n",
        driver="cloud",
        allocatable=SIZE,
        slots=110,
        price_pico_per_hour=PicoUsd(1000),
        plan=PlanNumber(1),
        membership=NODES,
        cluster="prod",
        labels=(("worker-type", "temporary"),),
        taints=(TAINT,),
    )
    changes = Changes()
    action = CreateWorker(spec=spec, expires_at_ms=None, reason=BY_HAND)
    worker = life.claim(fleet.core.state, changes, action, fleet.clock.now_ms())
    fleet.core.workers_changed.set()
    await fleet.core.commit(changes)
    await fleet.until(lambda: worker.state is WorkerState.JOINING)
    return worker


async def drain(fleet: Fleet, worker: WorkerLife) -> None:
    changes = Changes()
    life.drain(fleet.core.state, changes, worker, BY_HAND, fleet.clock.now_ms())
    await fleet.core.commit(changes)


async def ready(fleet: Fleet, cluster: FakeCluster, **more: Any) -> WorkerLife:
    worker = await want(fleet)
    cluster.put(node(NAME, **more))
    await fleet.until(lambda: worker.state is WorkerState.READY)
    return worker


async def test_the_whole_life_of_a_node(make_fleet: MakeFleet) -> None:
    cluster = FakeCluster()
    fleet = await fleet_of(make_fleet, cluster)
    worker = await ready(fleet, cluster, workload_pods=7)
    (marked,) = cluster.nodes.values()
    assert dict(marked.labels) == {
        "worker-type": "temporary",
        WORKER_LABEL: NAME,
        INSTALLATION_LABEL: "test",
        POOL_LABEL: "burst",
    }
    assert marked.taints == (TAINT,)
    await drain(fleet, worker)
    await fleet.until(lambda: fleet.states()[NAME] == "terminated")
    await fleet.until(lambda: not cluster.nodes)
    verbs = [verb for verb, _ in cluster.calls]
    assert [each for i, each in enumerate(verbs) if verbs[i - 1 : i] != [each]] == [
        "mark",
        "cordon",
        "empty",
        "remove",
    ]
    assert verbs.count("empty") >= 3
    assert fleet.machines() == []


async def test_the_node_object_outlives_its_machine_and_not_the_other_way_round(
    make_fleet: MakeFleet,
) -> None:
    cluster = Watched()
    fleet = await fleet_of(make_fleet, cluster)
    worker = await ready(fleet, cluster)
    cluster.machines = fleet.machines
    await drain(fleet, worker)
    await fleet.until(lambda: not cluster.nodes)
    assert cluster.left == [[]]


class Late(FakeCluster):
    """Its answer to a mark comes after the picture has shown the marks."""

    async def mark(self, node: NodeSeen, labels: Mapping[str, str], taints: Sequence[Taint]) -> None:
        await super().mark(node, labels, taints)
        await asyncio.sleep(1.5)


async def test_nothing_waits_for_the_next_look_at_all_nodes(make_fleet: MakeFleet) -> None:
    cluster = Late()
    fleet = await fleet_of(make_fleet, cluster)
    worker = await want(fleet)
    cluster.put(node(NAME))
    await fleet.until(lambda: ("mark", NAME) in cluster.calls)
    await fleet.until(lambda: worker.state is WorkerState.READY, limit_s=4)
    await asyncio.sleep(10)
    await drain(fleet, worker)
    await fleet.until(lambda: fleet.states()[NAME] == "terminated")
    await fleet.until(lambda: not cluster.nodes, limit_s=4)


async def test_a_restart_in_the_middle_of_a_drain_goes_on(make_fleet: MakeFleet) -> None:
    cluster = FakeCluster(evicts=False)
    fleet = await fleet_of(make_fleet, cluster)
    worker = await ready(fleet, cluster, workload_pods=2)
    await drain(fleet, worker)
    await fleet.until(lambda: ("empty", NAME) in cluster.calls)
    await fleet.crash()
    again = fleet.core.state.workers[NAME]
    assert again.node is not None
    assert (again.node.cordoned, again.state) == (True, WorkerState.DRAINING)
    cluster.evicts = True
    await fleet.until(lambda: not cluster.nodes)
    assert fleet.states()[NAME] == "terminated"


async def test_a_restart_after_the_machine_is_gone_removes_the_node(make_fleet: MakeFleet) -> None:
    cluster = FakeCluster()
    fleet = await fleet_of(make_fleet, cluster)
    worker = await ready(fleet, cluster)
    cluster.fails = ClusterUnavailable("The API server does not answer.")
    changes = Changes()
    life.terminate(fleet.core.state, changes, worker, BY_HAND, fleet.clock.now_ms())
    fleet.core.workers_changed.set()
    await fleet.core.commit(changes)
    await fleet.until(lambda: fleet.states()[NAME] == "terminated")
    await fleet.until(lambda: ("remove", NAME) in cluster.calls)
    assert fleet.core.state.clusters["prod"].trouble == "The API server does not answer"
    await fleet.crash()
    cluster.fails = None
    await fleet.until(lambda: not cluster.nodes)


async def test_nodes_of_others_are_left_alone(make_fleet: MakeFleet) -> None:
    cluster = FakeCluster()
    cluster.put(node("control-plane"), node("x", worker=WorkerName("burst-9-9"), uid="x"))
    fleet = await fleet_of(make_fleet, cluster)
    worker = await ready(fleet, cluster)
    await fleet.until(lambda: fleet.core.state.clusters["prod"].strangers == ("x",))
    await drain(fleet, worker)
    await fleet.until(lambda: len(cluster.nodes) == 2)
    assert {name for _, name in cluster.calls} == {NAME}


async def test_a_budget_that_never_allows_is_waited_for_and_named(make_fleet: MakeFleet) -> None:
    held = Blocked(pod="shop/web-1", by=BlockedBy.BUDGET, text="Budget web allows no eviction now.")
    cluster = FakeCluster(blocked=(held,))
    fleet = await fleet_of(make_fleet, cluster, pool(drain_grace="1m"))
    worker = await ready(fleet, cluster, workload_pods=3)
    await drain(fleet, worker)
    await fleet.until(lambda: bool(fleet.events("worker.drain_blocked")))
    assert worker.busy == 1
    assert "Pod shop/web-1: Budget web allows no eviction now." in fleet.events("worker.drain_blocked")[0]
    assert "force" not in {verb for verb, _ in cluster.calls}
    cluster.blocked = ()
    await fleet.until(lambda: not cluster.nodes)


async def test_on_blocked_force_deletes_what_an_eviction_cannot(make_fleet: MakeFleet) -> None:
    held = Blocked(pod="shop/web-1", by=BlockedBy.SEVERAL_BUDGETS, text="Two budgets select it.")
    cluster = FakeCluster(blocked=(held,))
    fleet = await fleet_of(make_fleet, cluster, pool(drain_grace="1m", on_blocked="force"))
    worker = await ready(fleet, cluster, workload_pods=1)
    await drain(fleet, worker)
    await fleet.until(lambda: not cluster.nodes)
    assert ("force", NAME) in cluster.calls


async def test_an_uncordon_takes_back_our_own_cordon_only(make_fleet: MakeFleet) -> None:
    cluster = FakeCluster()
    fleet = await fleet_of(make_fleet, cluster)
    worker = await ready(fleet, cluster)
    for cordoned in (True, False):
        changes = Changes()
        life.set_cordon(
            fleet.core.state, changes, worker, cordoned, fleet.clock.now_ms(), actor="x", message=""
        )
        await fleet.core.commit(changes)
        await fleet.until(lambda cordoned=cordoned: cluster.nodes[f"uid-{NAME}"].cordoned is cordoned)
    cluster.put(replace(cluster.nodes[f"uid-{NAME}"], cordoned=True))
    before = len(cluster.calls)
    await fleet.until(
        lambda: worker.node is not None and worker.node.seen is not None and worker.node.seen.cordoned
    )
    await drain(fleet, worker)
    await fleet.until(lambda: not cluster.nodes)
    assert "cordon" not in {verb for verb, _ in cluster.calls[before:]}


async def test_a_missing_right_is_told_once_and_tried_less_and_less_often(make_fleet: MakeFleet) -> None:
    cluster = FakeCluster(fails=ClusterForbidden("It may not patch nodes. Apply the manifest."))
    fleet = await fleet_of(make_fleet, cluster)
    worker = await want(fleet)
    cluster.put(node(NAME))
    began_ms = fleet.clock.monotonic_ms()
    await fleet.until(lambda: cluster.calls.count(("mark", NAME)) >= 5)
    assert fleet.clock.monotonic_ms() - began_ms >= 28_000
    assert fleet.core.state.clusters["prod"].trouble == "It may not patch nodes. Apply the manifest"
    assert worker.state is WorkerState.JOINING
    cluster.fails = None
    await fleet.until(lambda: worker.state is WorkerState.READY)
    assert fleet.core.state.clusters["prod"].trouble == ""


async def test_a_cluster_that_hangs_holds_up_no_other(make_fleet: MakeFleet) -> None:
    slow, prod = FakeCluster(name="slow"), FakeCluster()
    fleet = make_fleet("cloud", clusters={"slow": slow, "prod": prod}, loops=ALL)
    prod.now = fleet.clock.now_ms
    slow.fault = "The API server does not answer."
    changes = Changes()
    store_pool(fleet.core, changes, pool(), fleet.clock.now_ms())
    await fleet.core.commit(changes)
    await ready(fleet, prod)
    await fleet.until(lambda: bool(fleet.events("cluster.stale")))
    assert fleet.events("cluster.stale") == [
        "Cluster slow is not seen, so its pools create and remove no workers. It has not been seen since the server started. "
        "The API server does not answer."
    ]
    slow.now, slow.fault = fleet.clock.now_ms, ""
    await fleet.until(lambda: fleet.events("cluster.seen") == ["Cluster slow is seen again."])


async def test_pending_pods_become_nodes_and_an_unseen_cluster_makes_none(make_fleet: MakeFleet) -> None:
    cluster = FakeCluster(fault="The API server does not answer.")
    shape = Shape(request=SIZE, user=UserName("kubernetes"))
    fleet = await fleet_of(
        make_fleet, cluster, pool(pending_pods=2, pending_pods_for="30s"), loops=(*ALL, "scale")
    )
    cluster.now = None
    cluster.pending = (PodGroup(shape=shape, count=2, since_ms=fleet.clock.now_ms(), example="shop/web-1"),)
    await fleet.until(lambda: bool(fleet.events("cluster.stale")))
    assert fleet.states() == {}
    cluster.now, began_ms = fleet.clock.now_ms, fleet.clock.monotonic_ms()
    cluster.changed.set()
    await fleet.until(lambda: len(fleet.states()) == 2)
    assert fleet.clock.monotonic_ms() - began_ms >= 30_000
    (first, second) = sorted(fleet.core.state.workers.values(), key=lambda each: each.spec.name)
    assert (first.spec.cluster, second.spec.membership) == ("prod", NODES)
    assert "pending pod" in first.reason_made.text
    cluster.pending = ()
    cluster.put(node(first.spec.name, workload_pods=1), node(second.spec.name, workload_pods=1))
    await fleet.until(lambda: {first.state, second.state} == {WorkerState.READY})
    await fleet.until(lambda: bool(fleet.clock.monotonic_ms() > began_ms + 300_000))
    assert len(fleet.states()) == 2
