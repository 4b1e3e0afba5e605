"""Rules of workers that end by their time to live, after each commit: the successor of a minimum comes before the expiry, and lives that are
too short are made rarely. Workers and pools of which a person has just decided something are left out.
"""

from collections.abc import Iterator

from herder.model.fleet.lifetime import CHURN_PAUSE_S, TTL_SHORTEST_S
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import ReasonKind
from herder.simulate.chaos.ports.store import LATE_S
from herder.simulate.chaos.rules.fleet_news import FleetNews, WorkerNews
from herder.simulate.chaos.world import World

#: Judged of a pool whose settings nobody has changed for so long.
SETTLED_S = 1_800.0


class LifetimeRules:
    def __init__(self, world: World, news: FleetNews) -> None:
        self._world, self._news = world, news
        self._changed_s: dict[str, float] = {}
        """By pool: when its settings were changed last."""
        self._ready: set[str] = set()
        """Pools that have had a ready worker: only then it is known how long a boot takes."""
        self._grown: dict[str, tuple[float, int]] = {}
        """By pool: when it last made workers by itself, and with which plan."""

    def look(self, news: list[WorkerNews]) -> Iterator[tuple[str, str]]:
        now_s = self._world.loop.time()
        for pool, spec in self._news.pools.items():
            if spec is not self._news.pools_before.get(pool):
                self._changed_s[pool] = now_s
        for each in news:
            if each.goes and each.why_removed == ReasonKind.EXPIRED.value:
                yield from self._succeeded(each, now_s)
        for each in news:
            if each.before is None and not each.manual and not each.state.ended:
                yield from self._churn(each, now_s)
            elif each.state is WorkerState.READY:
                self._ready.add(each.pool)

    def _spec(self, pool: str) -> PoolSpec | None:
        """None: it has just been changed."""
        spec = self._news.pools.get(pool)
        return spec if spec == self._news.pools_before.get(pool) else None

    def _succeeded(self, worker: WorkerNews, now_s: float) -> Iterator[tuple[str, str]]:
        """In a world without faults: each of them may delay a successor, and some last for hours."""
        spec = self._spec(worker.pool)
        known = worker.before is WorkerState.READY and worker.pool in self._ready
        settled = now_s - self._changed_s.get(worker.pool, -SETTLED_S) >= SETTLED_S
        if spec is None or not known or spec.frozen or not settled or self._world.stats:
            return
        mine = [each for each in self._news.workers.values() if each.pool == worker.pool]
        ready = sum(each.state is WorkerState.READY for each in mine)
        if len(mine) < spec.size.max_workers and ready < spec.size.min_workers:
            yield (
                "a minimum is kept over an expiry",
                f"Worker {worker.name} expired, and pool {worker.pool} has {ready} ready workers; its minimum is {spec.size.min_workers}.",
            )

    def _churn(self, worker: WorkerNews, now_s: float) -> Iterator[tuple[str, str]]:
        last = self._grown.get(worker.pool)
        self._grown[worker.pool] = (now_s, worker.plan)
        spec = self._spec(worker.pool)
        if last is None or last[1] == worker.plan or spec is None:
            return
        lives = [each for each in (spec.lifetime.ttl_s, spec.lifetime.ttl_soft_s) if each is not None]
        if lives and min(lives) < TTL_SHORTEST_S and now_s - last[0] < CHURN_PAUSE_S - LATE_S:
            yield (
                "short lives are made rarely",
                f"Pool {worker.pool}, whose workers live for {min(lives):g} s, made worker {worker.name} {now_s - last[0]:.0f} s after others.",
            )
