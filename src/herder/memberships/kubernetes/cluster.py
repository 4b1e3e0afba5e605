"""One Kubernetes cluster as the port `Cluster`: its picture, and what is done to its nodes. Made by `make_cluster`, followed by the control
plane. It raises `ClusterError`s only, and each verb ends within its deadline.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from herder.memberships.kubernetes import drain, node_calls
from herder.memberships.kubernetes.access import preflight
from herder.memberships.kubernetes.demand.pods import Rules
from herder.memberships.kubernetes.demand.requests import NamesOfResources
from herder.memberships.kubernetes.objects import Node, Pod
from herder.memberships.kubernetes.picture import Picture
from herder.memberships.kubernetes.uses import NOT_KNOWN, MetricsApi, UseSource
from herder.model.fleet.driver_capabilities import Check
from herder.model.fleet.node import NodeSeen
from herder.model.fleet.pool import Taint
from herder.model.planning.cluster import ClusterSeen, PodSeen
from herder.model.values.phrases import sentences
from herder.ports.cluster import ClusterContext, ClusterError, ClusterUnavailable, Emptying
from herder.remote.kubernetes.calls import NODES, PODS
from herder.remote.kubernetes.connection import Connection
from herder.remote.kubernetes.informer import Informer, Pace

#: Of one verb, however many calls it makes: a node of 110 pods is emptied or removed in less.
VERB_DEADLINE_S = 120.0
#: The metrics server itself asks the nodes every 15 s, Prometheus mostly every 30 s.
USE_EVERY_S = 30.0
#: Where there is no metrics API, or no right to it.
NO_USE_EVERY_S = 300.0
#: Ended pods are not sent at all.
NOT_ENDED = "status.phase!=Succeeded,status.phase!=Failed"

USUAL_PACE = Pace()

T = TypeVar("T")


class KubernetesCluster:
    def __init__(
        self,
        name: str,
        connection: Connection,
        context: ClusterContext,
        *,
        namespaces: Sequence[str] = (),
        pace: Pace = USUAL_PACE,
        use: UseSource | None = None,
    ) -> None:
        self._name = name
        self._connection = connection
        self._clock = context.clock
        self._use = use or MetricsApi(connection)
        self._changed = asyncio.Event()
        rules = Rules(resources=NamesOfResources(context.resources), namespaces=frozenset(namespaces))
        self._picture = Picture(context.installation, rules)
        self._nodes = Informer(
            connection, NODES, Node, self._picture.nodes,
            clock=context.clock, chance=context.chance, changed=self._changed.set, pace=pace,
        )  # fmt: skip
        self._pods = Informer(
            connection, PODS, Pod, self._picture.pods,
            clock=context.clock, chance=context.chance, changed=self._changed.set, pace=pace, selector=NOT_ENDED,
        )  # fmt: skip
        self._seen = ClusterSeen(cluster=name)
        self._seen_changes = -1
        self._version = ""
        self._apart = self._use_fault = ""

    @property
    def name(self) -> str:
        return self._name

    @property
    def changed(self) -> asyncio.Event:
        return self._changed

    def seen(self) -> ClusterSeen:
        nodes_ms, pods_ms = self._nodes.heard_ms, self._pods.heard_ms
        as_of_ms = None if nodes_ms is None or pods_ms is None else min(nodes_ms, pods_ms)
        if as_of_ms is not None and self._picture.changes != self._seen_changes:
            self._seen_changes = self._picture.changes
            self._seen = replace(
                self._seen,
                nodes=self._picture.all_nodes(),
                pending=self._picture.pods.pending(),
                not_considered=self._picture.pods.not_considered(),
                counted=self._picture.counted(),
            )
        fault = self._nodes.fault or self._pods.fault
        notes = tuple(note for note in (self._apart, self._use_fault) if note)
        return replace(self._seen, as_of_ms=as_of_ms, fault=fault, notes=notes, version=self._version)

    def pod(self, namespace: str, name: str) -> PodSeen | None:
        return self._picture.pods.pod(f"{namespace}/{name}")

    async def follow(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._nodes.run())
            tasks.create_task(self._pods.run())
            tasks.create_task(self._follow_use())

    async def cordon(self, node: NodeSeen, cordoned: bool) -> None:
        await self._in_time(node_calls.cordon(self._connection, node, cordoned))

    async def mark(self, node: NodeSeen, labels: Mapping[str, str], taints: Sequence[Taint]) -> None:
        await self._in_time(node_calls.mark(self._connection, node, labels, taints))

    async def empty(self, node: NodeSeen, *, grace_s: float | None, at_once: int, force: bool) -> Emptying:
        return await self._in_time(
            drain.empty(
                self._connection,
                node,
                grace_s=grace_s,
                at_once=at_once,
                force=force,
                now_ms=self._clock.now_ms(),
            )
        )

    async def remove(self, node: NodeSeen) -> None:
        await self._in_time(drain.remove(self._connection, node))

    async def check(self) -> Sequence[Check]:
        return await self._in_time(self._checks())

    async def close(self) -> None:
        try:
            await self._use.close()
        finally:
            await self._connection.close()

    async def _checks(self) -> Sequence[Check]:
        checks = await preflight.check(self._connection, self._clock, self._use.wished)
        return (*checks, *await self._use.check(self._picture.nodes.by_address(), answers=checks[0].passed))

    async def _in_time(self, verb: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(VERB_DEADLINE_S):
                return await verb
        except TimeoutError:
            raise ClusterUnavailable(
                f"Cluster {self._name} needs longer than {VERB_DEADLINE_S:g} s. Herder tries again."
            ) from None

    async def _follow_use(self) -> None:
        """Of no importance to the rest of the picture."""
        while True:
            pause_s = USE_EVERY_S
            try:
                await self._ask_version()
                now_ms = self._clock.now_ms()
                if self._picture.use(await self._use.uses(self._picture.nodes.by_address(), now_ms)):
                    self._changed.set()
                self._use_fault = ""
            except ClusterError as error:
                self._picture.use({})
                self._use_fault = sentences(str(error), NOT_KNOWN) if self._use.named else ""
                pause_s = USE_EVERY_S if isinstance(error, ClusterUnavailable) else NO_USE_EVERY_S
            await asyncio.sleep(pause_s)

    async def _ask_version(self) -> None:
        """With the time of the API server."""
        asked_ms = self._clock.now_ms()
        self._version = await self._connection.version()
        apart = preflight.clocks_apart(self._connection, asked_ms, self._clock.now_ms())
        self._apart = sentences(f"Cluster {self._name}: {apart}", preflight.SYNCHRONISE) if apart else ""
