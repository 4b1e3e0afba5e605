"""Rules of scale-down: who is drained as idle is idle, and of a gradual pool no more workers go in a period than its fraction allows."""

from collections.abc import Iterator

from herder.model.planning.plan import ReasonKind
from herder.simulate.chaos.ports.store import LATE_S
from herder.simulate.chaos.rules.fleet_news import FleetNews, WorkerNews
from herder.simulate.chaos.rules.worker_rules import LESS_NEEDED
from herder.simulate.chaos.world import World

#: Workers that may have gone for other reasons between the plan and its commit.
GONE_MEANWHILE = 2


class ShrinkRules:
    def __init__(self, world: World, news: FleetNews) -> None:
        self._world, self._news = world, news
        self._drained_s: dict[str, list[float]] = {}
        """By pool: when workers were drained as not needed, within its period."""

    def look(self, news: list[WorkerNews], on: dict[str, set[int]]) -> Iterator[tuple[str, str]]:
        """`on`: jobs with live attempts by worker, after this commit."""
        for each in news:
            if each.goes and each.why_removed == ReasonKind.IDLE.value and on.get(each.name):
                yield (
                    "who is drained as idle is idle",
                    f"Worker {each.name} was drained as idle, and jobs {sorted(on[each.name])[:5]} run on it.",
                )
        yield from self._gradual(news)

    def _gradual(self, news: list[WorkerNews]) -> Iterator[tuple[str, str]]:
        now_s = self._world.loop.time()
        for pool in sorted({each.pool for each in news if each.goes and each.why_removed in LESS_NEEDED}):
            spec = self._news.pools.get(pool)
            fraction = None if spec is None else spec.scale_down.fraction
            if spec is None or fraction is None:
                continue
            mine = sum(each.pool == pool and each.goes and each.why_removed in LESS_NEEDED for each in news)
            since_s = now_s - (spec.scale_down.period_s - 2 * LATE_S)
            before = [at_s for at_s in self._drained_s.get(pool, ()) if at_s > since_s]
            stay = sum(each.pool == pool and not each.state.leaving for each in self._news.workers.values())
            most = max(1, int(fraction * (stay + mine + len(before) + GONE_MEANWHILE)))
            if len(before) + mine > most:
                yield (
                    "gradual limits are respected",
                    f"Pool {pool} drained {len(before) + mine} workers in {spec.scale_down.period_s:g} s; its fraction allows {most}.",
                )
            self._drained_s[pool] = [*before, *[now_s] * mine]
