"""A cluster in memory that implements the port: tests move its nodes and pods, and see what was asked of it.

`node_membership` makes a membership of workers that are its nodes known under the name `nodes`, for tests that read settings.
"""

import asyncio
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from herder.memberships import registry
from herder.model.fleet.cluster import WORKER_LABEL, ClusterSettings
from herder.model.fleet.driver_capabilities import Check
from herder.model.fleet.membership import LivesBy, Membership
from herder.model.fleet.node import NodeSeen
from herder.model.fleet.pool import Taint
from herder.model.ids import WorkerName
from herder.model.planning.cluster import ClusterSeen, NotConsidered, PodGroup, PodSeen
from herder.model.values.resources import Resources
from herder.ports.cluster import Blocked, Cluster, ClusterContext, ClusterError, Emptying, NodeGone

NODES = Membership(name="nodes", takes_pods=True, lives_by=LivesBy.NODE, reports_use=True)
MEMBERSHIP = NODES
SIZE = Resources(4000, 8192, 100_000)


def node(name: str, uid: str = "", **more: Any) -> NodeSeen:
    given: dict[str, Any] = {
        "uid": uid or f"uid-{name}",
        "worker": None,
        "ready": True,
        "allocatable": SIZE,
        "requested": Resources(),
    }
    return NodeSeen(name=name, **given | more)


@dataclass(slots=True)
class FakeCluster:
    name: str = "prod"
    nodes: dict[str, NodeSeen] = field(default_factory=dict)
    """By uid."""
    pods: dict[str, PodSeen] = field(default_factory=dict)
    pending: tuple[PodGroup, ...] = ()
    not_considered: tuple[NotConsidered, ...] = ()
    as_of_ms: int | None = None
    fault: str = ""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    calls: list[tuple[str, str]] = field(default_factory=list)
    """What was asked, and of which node."""
    blocked: tuple[Blocked, ...] = ()
    fails: ClusterError | None = None
    """What every change raises."""
    evicts: bool = True
    now: Any = None
    """A clock, when the picture is to be always fresh."""
    closed: bool = False

    def put(self, *nodes: NodeSeen) -> None:
        for each in nodes:
            self.nodes[each.uid] = each
        self.changed.set()

    def drop(self, uid: str) -> None:
        self.nodes.pop(uid, None)
        self.changed.set()

    def seen(self) -> ClusterSeen:
        return ClusterSeen(
            cluster=self.name,
            as_of_ms=self.as_of_ms if self.now is None else self.now(),
            fault=self.fault,
            version="v1.36.2",
            nodes=tuple(sorted(self.nodes.values(), key=lambda each: (each.name, each.uid))),
            pending=self.pending,
            not_considered=self.not_considered,
        )

    def pod(self, namespace: str, name: str) -> PodSeen | None:
        return self.pods.get(f"{namespace}/{name}")

    async def follow(self) -> None:
        await asyncio.Event().wait()

    def _asked(self, verb: str, of: NodeSeen) -> NodeSeen:
        self.calls.append((verb, of.name))
        if self.fails is not None:
            raise self.fails
        found = self.nodes.get(of.uid)
        if found is None:
            raise NodeGone(f"Node {of.name} no longer exists.")
        return found

    async def cordon(self, node: NodeSeen, cordoned: bool) -> None:
        found = self._asked("cordon" if cordoned else "uncordon", node)
        self.put(replace(found, cordoned=cordoned))

    async def mark(self, node: NodeSeen, labels: Mapping[str, str], taints: Sequence[Taint]) -> None:
        found = self._asked("mark", node)
        merged = {**dict(found.labels), **labels}
        worker = WorkerName(merged[WORKER_LABEL])
        self.put(
            replace(
                found, worker=worker, labels=tuple(sorted(merged.items())), taints=(*found.taints, *taints)
            )
        )

    async def empty(self, node: NodeSeen, *, grace_s: float | None, at_once: int, force: bool) -> Emptying:
        found = self._asked("force" if force else "empty", node)
        held = 0 if force else len(self.blocked)
        evicted = min(at_once, found.workload_pods - held) if self.evicts else 0
        self.put(replace(found, workload_pods=found.workload_pods - evicted))
        return Emptying(
            left=found.workload_pods - evicted, evicted=evicted, blocked=() if force else self.blocked
        )

    async def remove(self, node: NodeSeen) -> None:
        self._asked("remove", node)
        self.drop(node.uid)

    async def check(self) -> Sequence[Check]:
        if self.fails is not None:
            raise self.fails
        return ()

    async def close(self) -> None:
        self.closed = True


def _is_one(cluster: FakeCluster) -> Cluster:
    """Held by the type checker."""
    return cluster


def make_cluster(settings: ClusterSettings, context: ClusterContext) -> Cluster:
    return FakeCluster(name=settings.name, now=context.clock.now_ms)


def know_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The membership `nodes` can be named in settings."""
    point = importlib.metadata.EntryPoint(
        name="nodes", value="tests.support.fake_cluster", group=registry.GROUP
    )
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    registry.load.cache_clear()
    registry.memberships.cache_clear()
