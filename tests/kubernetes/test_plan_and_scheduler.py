"""What the plan calls fitting, the scheduler takes; what it calls not fitting, the scheduler refuses: on random clusters.

The scheduler shares no code with the planner. Each place that the plan gives a pod is asked of the scheduler's filters, pod by pod, so that
the order in which the scheduler itself would place them plays no part.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest

from herder.decide.plan.planner import plan_steps
from herder.decide.scaling.triggers import queued_jobs
from herder.memberships.kubernetes.demand.pod_rules import apart_for
from herder.memberships.kubernetes.demand.pods import Excluded, Waiting, fact_of
from herder.memberships.kubernetes.objects import Node, Pod
from herder.memberships.kubernetes.picture import Picture
from herder.model.fleet.offer import Offer
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import ClassId
from herder.model.planning.observed import Observed, ObservedWorker
from herder.model.work.apart import Topology
from herder.model.work.demand import DemandSource, Shape, ShapeGroup
from herder.testing.kubernetes.objects.resources import PODS
from herder.testing.kubernetes.scheduler.filters import Topologies, refuses
from herder.testing.kubernetes.scheduler.loop import Scheduler
from herder.testing.kubernetes.scheduler.pods import pod_info
from tests.kubernetes.random_clusters import World, boot, made
from tests.memberships.kubernetes.objects_made import rules
from tests.planning.test_pending_pods import NODES, scene
from tests.planning.world import NOW, worker

Key = tuple[str, str]
Boot = Callable[[Any, str, PoolSpec, Offer], None]


@dataclass
class Asked:
    """What the planner sees, and which pods are behind each class."""

    observed: Observed
    pods: dict[ClassId, list[Key]] = field(default_factory=dict)
    shapes: dict[Key, Shape] = field(default_factory=dict)


def asked_of(world: World) -> Asked:
    picture, given = Picture("here", rules()), rules()
    for each in world.cluster.send("GET", "/api/v1/nodes").body["items"]:
        picture.nodes.put(each["metadata"]["name"], _read(each, Node))
    pods = [_read(each, Pod) for each in world.cluster.send("GET", "/api/v1/pods").body["items"]]
    for each in pods:
        picture.pods.put(each.metadata.key, each)
    numbers = {group.shape: number for number, group in enumerate(picture.pods.pending(), 1)}
    groups = [
        ShapeGroup(
            class_id=ClassId(-number), count=group.count, oldest_ready_at_ms=NOW - 60_000,
            source=DemandSource.PENDING_PODS, shape=replace(group.shape, cluster="prod"),
        )
        for number, group in enumerate(picture.pods.pending(), 1)
    ]  # fmt: skip
    workers = _workers(world, picture)
    counted = tuple(
        replace(each, cluster="prod")
        for each in picture.counted()
        if each.topology is Topology.ZONE or each.domain in world.existing
    )
    found = Asked(replace(scene(list(world.pools), groups, *workers), counted=counted))
    for each in pods:
        fact = fact_of(each, given)
        assert not isinstance(fact, Excluded), fact
        if isinstance(fact, Waiting):
            shape = replace(fact.shape, apart=apart_for(fact.identity, picture.pods.terms()))
            key = each.metadata.namespace, each.metadata.name
            found.pods.setdefault(ClassId(-numbers[shape]), []).append(key)
            found.shapes[key] = shape
    return found


def _read(plain: Any, kind: type[Any]) -> Any:
    return msgspec.json.decode(json.dumps(plain).encode(), type=kind)


def _workers(world: World, picture: Picture) -> list[ObservedWorker]:
    seen = {each.name: each for each in picture.all_nodes()}
    found = []
    for number, (name, (spec, offer)) in enumerate(world.existing.items()):
        node = seen[name]
        bare = worker(number, spec, made=offer)
        assert bare.name == name
        found.append(
            replace(
                bare,
                spec=replace(bare.spec, membership=NODES, cluster="prod"),
                free=offer.allocatable.minus(node.requested),
                free_slots=offer.slots - node.workload_pods,
            )
        )
    return found


def planned(world: World, asked: Asked, monkeypatch: pytest.MonkeyPatch, boot: Boot = boot) -> dict[Key, str]:
    """The node of each pod that the plan gives a place; new nodes are made."""
    kept: list[Any] = []
    real = queued_jobs._homes

    def homes(snapshot: Any, workers: Any, packing: Any, held: Any) -> Any:
        kept.append((snapshot, workers, packing))
        return real(snapshot, workers, packing, held)

    with monkeypatch.context() as patched:
        patched.setattr(queued_jobs, "_homes", homes)
        plan_steps(asked.observed, NOW)
    if not kept:
        return {}
    snapshot, workers, packing = kept[-1]
    kinds = {number: kind for kind, number in snapshot.kinds.known.items()}
    new: dict[tuple[int, int], str] = {}
    for opened in packing.opened:
        view = snapshot.pool(kinds[opened.kind].pool)
        for copy in range(opened.copies):
            name = f"{view.spec.name}-0-{len(world.existing)}"
            new[opened.key, copy] = name
            world.existing[name] = view.spec, view.templates[opened.offer_key]
            boot(world.cluster, name, *world.existing[name])
    left = {class_id: list(keys) for class_id, keys in asked.pods.items()}
    found = {}
    for packed in packing.placed:
        keys = left[snapshot.queue[packed.item_key].class_id]
        for copy in range(packed.first_copy, packed.first_copy + packed.copies):
            known = packed.bin_key >= 0
            name = str(workers[packed.bin_key].name) if known else new[packed.bin_key, copy]
            for _ in range(packed.count):
                found[keys.pop()] = name
    world.cluster.sleep(5)
    return found


def compared(seed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Counter[str], list[str]]:
    world = made(seed)
    tally: Counter[str] = Counter()
    wrong: list[str] = []
    try:
        asked = asked_of(world)
        (scheduler,) = (each for each in world.cluster.cluster.parts if isinstance(each, Scheduler))
        world.cluster.cluster.parts.remove(scheduler)
        places = planned(world, asked, monkeypatch)
        _bind_as_planned(scheduler, world, places, tally, wrong)
        for key, shape in asked.shapes.items():
            if key in places:
                continue
            info = pod_info(_stored(world, key))
            topologies = Topologies(info, scheduler.state)
            fits = [
                node.name for node in scheduler.state.existing() if refuses(info, node, topologies) is None
            ]
            if not fits:
                tally["not planned, refused"] += 1
            elif _over_nodes(shape):
                tally["not planned, taken: a spread over nodes is planned as if an empty node existed"] += 1
            else:
                wrong.append(f"{key} was called not fitting and fits on {fits}: {shape.apart}")
    finally:
        world.cluster.cluster.close()
    return tally, [f"seed {seed}: {each}" for each in wrong]


PLANS = 6


def freely_bound(seed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Counter[str], list[str]]:
    """The scheduler binds as it likes, on the nodes that are there and on those that the plan makes; another plan follows, as often as it
    makes nodes."""
    world = made(seed)
    tally: Counter[str] = Counter()
    try:
        (scheduler,) = (each for each in world.cluster.cluster.parts if isinstance(each, Scheduler))
        left: dict[Key, str] = {}
        for number in range(1, PLANS + 1):
            nodes = len(world.existing)
            places = planned(world, asked_of(world), monkeypatch)
            left = places if number == 1 else {key: places.get(key, "") for key in left}
            world.cluster.sleep(400)  # longer than the longest pause of the scheduler
            bound = [key for key in left if pod_info(_stored(world, key)).node]
            tally[f"planned, bound after plan {number}"] += len(bound)
            left = {key: left[key] for key in left.keys() - set(bound)}
            if not left or (number > 1 and len(world.existing) == nodes):
                break
        limited = [key for key, name in left.items() if not name]
        tally["planned, not bound: other pods have its place, and the pools are at their maximum"] += len(
            limited
        )
        wrong = [_why(world, scheduler, key, name) for key, name in left.items() if name]
    finally:
        world.cluster.cluster.close()
    return tally, [f"seed {seed}: {each}" for each in wrong]


def _why(world: World, scheduler: Scheduler, key: Key, name: str) -> str:
    info = pod_info(_stored(world, key))
    return f"{key} waits, and {name} refuses it for {refuses(info, scheduler.state.nodes[name], Topologies(info, scheduler.state))}"


def _bind_as_planned(
    scheduler: Scheduler, world: World, places: dict[Key, str], tally: Counter[str], wrong: list[str]
) -> None:
    """In any order: a spread wants its zones filled in turn."""
    left, why = dict(places), {}
    while True:
        before = len(left)
        for key, name in list(left.items()):
            stored = _stored(world, key)
            info, node = pod_info(stored), scheduler.state.nodes[name]
            reasons = refuses(info, node, Topologies(info, scheduler.state))
            if reasons is None:
                scheduler._bind(info, stored, node, world.cluster.now_ms)
                tally["planned, taken"] += 1
                del left[key]
            else:
                why[key] = f"{key} on {name}: {reasons.texts}"
        if not left or len(left) == before:
            break
    wrong += [why[key] for key in left]


def _stored(world: World, key: Key) -> Any:
    found = world.cluster.cluster.store.get(PODS, key)
    assert found is not None
    return found


def _over_nodes(shape: Shape) -> bool:
    return shape.apart is not None and any(
        rule.group.startswith("spread worker") for rule in shape.apart.rules
    )


@pytest.mark.parametrize("seed", range(8))
def test_the_scheduler_takes_what_is_planned_and_refuses_the_rest(
    seed: int, monkeypatch: pytest.MonkeyPatch, virtual: object
) -> None:
    assert compared(seed, monkeypatch)[1] == []


def _tell(total: Counter[str], wrong: list[str]) -> None:
    for text, count in sorted(total.items()):
        print(f"\n{count:>7,}  {text}", end="")
    print(f"\n{len(wrong):>7,}  not explained")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_hundred_clusters_whose_scheduler_binds_as_it_likes(
    monkeypatch: pytest.MonkeyPatch, virtual: object, capsys: pytest.CaptureFixture[str]
) -> None:
    total: Counter[str] = Counter()
    wrong: list[str] = []
    for seed in range(200):
        tally, found = freely_bound(seed, monkeypatch)
        total += tally
        wrong += found
    with capsys.disabled():
        _tell(total, wrong)
    assert wrong == [], "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_hundred_random_clusters(
    monkeypatch: pytest.MonkeyPatch, virtual: object, capsys: pytest.CaptureFixture[str]
) -> None:
    total: Counter[str] = Counter()
    wrong: list[str] = []
    for seed in range(200):
        tally, found = compared(seed, monkeypatch)
        total += tally
        wrong += found
    with capsys.disabled():
        _tell(total, wrong)
    assert total["planned, taken"] > 1_000
    assert wrong == [], "\n".join(wrong)
