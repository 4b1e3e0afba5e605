"""The clusters loop: follows the picture of each cluster, hands it to the engine, and does to nodes what the engine asks for. Tasks of its own
for each cluster, so that a slow one holds up nobody.

It decides nothing about workers: `engine/workers/cluster/nodes.py` does. Every call may be repeated; what is to be done is found again after a
restart. A Node object is removed when its machine is known to be gone, and never before: the row of its worker says so.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from herder.control.drivers.boot_data import marks
from herder.control.kernel.core import Core
from herder.control.recovery.supervision import supervise
from herder.control.workers.ended_nodes import Leftover, leftovers
from herder.engine.memory.state import WorkerLife
from herder.engine.memory.worker_node import ClusterLife
from herder.engine.workers.cluster import nodes
from herder.model.fleet.cluster import STALE_AFTER_S
from herder.model.fleet.node import NodeSeen
from herder.model.ids import WorkerName
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause
from herder.ports.cluster import Cluster, ClusterError, NodeGone

log = logging.getLogger(__name__)

#: What is to be done is looked for this often: a drain that was ordered begins as soon.
LOOK_S = 1.0
#: A picture that has not changed is looked at anew this often, for its age.
UNCHANGED_S = 5.0
#: Between two passes of the emptying of one node; and when the last has found nothing.
PASS_S, LAST_PASS_S = 5.0, 2.5
#: After a call that failed, doubled up to the longest.
PAUSE_S, PAUSE_LONGEST_S = 2.0, 60.0
#: Longer than any call takes by itself.
CALL_S = 180.0
#: Nodes of one cluster that something is done to at a time.
AT_A_TIME = 16
#: Nodes without a worker are compared with the store this often, and at once when there is another one.
LEFTOVERS_S = 15.0


async def run(core: Core) -> None:
    tasks = [
        asyncio.create_task(supervise(core, f"{what} of cluster {name}", loop), name=f"{what}-{name}")
        for name, cluster in core.clusters.items()
        for what, loop in (("watch", partial(_follow, cluster=cluster)), ("nodes", partial(mind, name=name)))
    ]
    try:
        await (asyncio.gather(*tasks) if tasks else asyncio.Event().wait())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(_core: Core, cluster: Cluster) -> None:
    await cluster.follow()


async def mind(core: Core, name: str) -> None:
    """Until cancelled."""
    hands = _Hands(core, name)
    looked_ms = None
    try:
        while True:
            now_ms = core.clock.monotonic_ms()
            changed = hands.cluster.changed.is_set()
            if changed or looked_ms is None or now_ms - looked_ms >= UNCHANGED_S * 1000:
                looked_ms = now_ms
                hands.cluster.changed.clear()
                await hands.look()
            if core.leadership.holds():
                await hands.tidy_up()
                hands.act()
            await asyncio.sleep(LOOK_S)
    finally:
        await hands.close()


@dataclass(slots=True)
class _Pause:
    """Of one node: when it may be called again, in monotonic milliseconds, and how long the next pause is."""

    until_ms: int = 0
    next_s: float = PAUSE_S


@dataclass(slots=True)
class _Hands:
    """What is being done to the nodes of one cluster. Bounded by its workers and leftovers."""

    core: Core
    name: str
    work: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    """By the uid of the node."""
    pauses: dict[str, _Pause] = field(default_factory=dict)
    strangers: frozenset[str] = frozenset()
    """Nodes that the store knows nothing of, by uid: they are nobody's, and not asked for again."""
    alone: frozenset[str] = frozenset()
    """Nodes without a worker, when the store was asked last."""
    tidied_ms: int | None = None

    @property
    def cluster(self) -> Cluster:
        return self.core.clusters[self.name]

    @property
    def life(self) -> ClusterLife:
        return self.core.state.clusters[self.name]

    async def look(self) -> None:
        core, seen = self.core, self.cluster.seen()
        before = core.state.clusters.get(self.name)
        was = None if before is None else (before.seen.pending, before.seen.not_considered, before.stale)
        with core.change(Changes()) as changes:
            stale_ms = int(core.settings.stale_after_s.get(self.name, STALE_AFTER_S) * 1000)
            life = nodes.look(core.state, changes, seen, stale_ms, core.clock.now_ms())
        if was != (seen.pending, seen.not_considered, life.stale):
            core.demand_changed.set()
        if not changes.empty or changes.wake or core.state.dirty_workers:
            await core.commit(changes)

    def act(self) -> None:
        """Begin what the engine asks for."""
        if self.life.stale:
            return  # what is known of its nodes is old, and a call would fail as well
        now_ms = self.core.clock.monotonic_ms()
        for worker in self.core.state.workers.values():
            if len(self.work) >= AT_A_TIME:
                return
            node = worker.node
            if worker.spec.cluster != self.name or node is None or node.uid in self.work:
                continue
            asked = nodes.to_do(self.core.state, worker)
            if asked is not None and now_ms >= self._pause(node.uid).until_ms:
                self._begin(asked.node, partial(self._do, worker, asked))

    async def tidy_up(self) -> None:
        """Nodes whose worker has ended: they are removed when its machine is gone."""
        if self.life.stale:
            return
        now_ms = self.core.clock.monotonic_ms()
        workers = self.core.state.workers
        mine = {worker.node.uid for worker in workers.values() if worker.node is not None}
        alone = [
            node
            for node in self.life.seen.nodes
            if node.uid not in mine
            and node.uid not in self.strangers
            and WorkerName(node.worker or node.name) not in workers
        ]
        uids = frozenset(node.uid for node in alone)
        due = self.tidied_ms is None or now_ms - self.tidied_ms >= LEFTOVERS_S * 1000
        if not due and uids <= self.alone:
            return  # a new one is that of a worker that has just ended, mostly
        self.tidied_ms, self.alone = now_ms, uids
        self._forget()
        found = await leftovers(self.core, alone)
        self.strangers |= {each.node.uid for each in found if each.unknown}
        for each in found:
            if each.remove and len(self.work) < AT_A_TIME and each.node.uid not in self.work:
                self._begin(each.node, partial(self._remove, each))
        nodes.strangers(
            self.core.state, self.name, [each.node for each in found if each.claims and not each.remove]
        )

    def _forget(self) -> None:
        there = {node.uid for node in self.life.seen.nodes}
        self.strangers &= there
        for uid in [uid for uid in self.pauses if uid not in there]:
            del self.pauses[uid]

    def _pause(self, uid: str) -> _Pause:
        return self.pauses.setdefault(uid, _Pause())

    def _begin(self, node: NodeSeen, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(node, work), name=f"node-{node.name}")
        self.work[node.uid] = task
        task.add_done_callback(partial(self._finished, node))

    def _finished(self, node: NodeSeen, task: "asyncio.Task[None]") -> None:
        self.work.pop(node.uid, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(
                "Node %s of cluster %s: %s. Herder tries again.", node.name, self.name, error, exc_info=error
            )
            self._put_off(self._pause(node.uid))

    async def _guarded(self, node: NodeSeen, work: Callable[[], Awaitable[None]]) -> None:
        """A call that fails is tried again, less and less often; what is wrong is told once, and shown as long as it lasts."""
        pause = self._pause(node.uid)
        try:
            async with asyncio.timeout(CALL_S):
                await work()
        except NodeGone:
            self._put_off(pause)  # the picture is about to say so
        except (ClusterError, TimeoutError) as error:
            text = clause(error) or f"It did not answer within {CALL_S:g} s"
            if nodes.troubled(self.core.state, self.name, text):
                log.warning("Cluster %s: node %s: %s.", self.name, node.name, text)
            self._put_off(pause)
        else:
            pause.next_s = PAUSE_S
            nodes.troubled(self.core.state, self.name, "")

    def _put_off(self, pause: _Pause) -> None:
        pause.until_ms = self.core.clock.monotonic_ms() + int(pause.next_s * 1000)
        pause.next_s = min(pause.next_s * 2, PAUSE_LONGEST_S)

    async def _do(self, worker: WorkerLife, asked: nodes.ToDo) -> None:
        core, node = self.core, asked.node
        if asked.mark:
            await self.cluster.mark(node, marks(self.core, worker), worker.spec.taints)
            nodes.marked(core.state, worker, node.uid)
            self.cluster.changed.set()  # the picture may have shown the marks before it was known that they are ours
            self._pause(node.uid).until_ms = core.clock.monotonic_ms() + int(PASS_S * 1000)
        elif asked.cordon is True:
            nodes.cordoning(core.state, worker, True)
            await core.settle()  # so that it is known whose it is, whatever happens next
            await self.cluster.cordon(node, True)
        elif asked.cordon is False:
            await self.cluster.cordon(node, False)
            nodes.cordoning(core.state, worker, False)
        elif asked.empty:
            await self._empty(worker, asked)
        if core.state.dirty_workers:
            await core.settle()

    async def _empty(self, worker: WorkerLife, asked: nodes.ToDo) -> None:
        core, node = self.core, asked.node
        times = core.state.pools[worker.spec.pool].lifetime if worker.spec.pool in core.state.pools else None
        found = await self.cluster.empty(
            node,
            grace_s=None if times is None else times.eviction_grace_s,
            at_once=5 if times is None else times.evictions_at_once,
            force=asked.force,
        )
        with core.change(Changes()) as changes:
            nodes.emptying(core.state, changes, worker, node.uid, found, core.clock.now_ms())
        again_s = PASS_S if found.left else LAST_PASS_S
        self._pause(node.uid).until_ms = core.clock.monotonic_ms() + int(again_s * 1000)
        await core.commit(changes)

    async def _remove(self, leftover: Leftover) -> None:
        await self.cluster.remove(leftover.node)
        log.info("Node %s of cluster %s was removed: its machine is gone.", leftover.node.name, self.name)

    async def close(self) -> None:
        tasks: Iterable[asyncio.Task[None]] = list(self.work.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
