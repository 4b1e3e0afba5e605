"""Rules of deadlines, each minute: a boot ends, a drain ends, and an agent that died is noticed. Only time counts in which one and the
same server runs: a restart begins its deadlines anew."""

from collections.abc import Iterator

from herder.model.fleet.creation import Step
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.worker import WorkerState
from herder.simulate.chaos.actors.crowd import DRAINS
from herder.simulate.chaos.rules.fleet_news import FleetNews, WorkerNews
from herder.simulate.chaos.world import World

#: A person may give a drain so long.
LONGEST_ORDER_S = max(each.get("timeout_s", 0.0) for each in DRAINS)
#: What the loops, the store and stops of a minute may add.
LATER = 1.5
LATER_S = 120.0


class DeadlineRules:
    def __init__(self, world: World, news: FleetNews, on: dict[str, set[int]]) -> None:
        """`on`: jobs with live attempts by worker, as rows have it."""
        self._world, self._news, self._on = world, news, on
        self._host = ""
        self._since: dict[tuple[str, str], float] = {}
        """Seconds by (rule, worker)."""

    def look(self, seconds: float) -> Iterator[tuple[str, str]]:
        server = self._world.server
        if server is None or server.host != self._host:
            self._host = "" if server is None else server.host
            self._since = {}
            return
        passed = seconds if self._world.loop.running(server.host) else 0.0
        now: dict[tuple[str, str], float] = {}
        for worker in self._news.workers.values():
            for rule, most_s in self._waits(worker):
                key = rule, worker.name
                now[key] = self._since.get(key, 0.0) + (passed if self._sees(worker) else 0.0)
                if now[key] > LATER * most_s + LATER_S:
                    yield (
                        rule,
                        f"Worker {worker.name} has been {worker.state.value} for {now[key]:.0f} s; the limit is {most_s:g} s.",
                    )
        self._since = now

    def _sees(self, worker: WorkerNews) -> bool:
        """While the cluster of a node is not seen, nothing is decided about it."""
        spec, kube = self._news.pools.get(worker.pool), self._world.kube
        return kube is None or spec is None or not spec.cluster or not kube.troubled

    def _waits(self, worker: WorkerNews) -> Iterator[tuple[str, float]]:
        spec = self._news.pools.get(worker.pool)
        if spec is None:
            return
        times = spec.lifetime
        if worker.state.in_flight:
            yield "boots end", times.boot_timeout_s + times.steps.of(Step.CLAIM)  # it may wait for its turn
        elif worker.state is WorkerState.DRAINING and times.on_blocked is OnBlocked.FORCE:
            by_hand = worker.name in self._news.by_hand
            yield "drains end", max(times.drain_grace_s, LONGEST_ORDER_S if by_hand else 0.0)
        elif not self._world.machines.lives(worker.name) and self._counts(worker):
            yield "the dead are noticed", times.dead_after_s

    def _counts(self, worker: WorkerNews) -> bool:
        """Whether anything is still expected of it. One that can be repaired may stay as it is meanwhile, without attempts."""
        if worker.state is WorkerState.READY or self._on.get(worker.name):
            return True
        repairs = (
            worker.driver in self._world.providers and self._world.provider_settings(worker.driver).repairs
        )
        return worker.state is WorkerState.UNHEALTHY and not repairs
