"""Rules of growth, after each commit that makes workers: the live maximum, the limit per plan, offers that rest, and capacity in flight
that counts. Workers that a person asked for are judged by the maximum alone."""

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import func, select

from herder.model.fleet.offer import FailureCause
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import ReasonKind
from herder.model.stored.changes import Changes
from herder.model.work.job import AttemptState, JobState
from herder.simulate.chaos.ports.store import LATE_S
from herder.simulate.chaos.rules.fleet_news import FleetNews, Sold, WorkerNews
from herder.simulate.chaos.world import World
from herder.store.rows.tables import jobs

#: Workers in flight beyond the jobs that wait: the plan saw a moment before this commit.
AHEAD = 3
_UNMADE = (WorkerState.REQUESTED, WorkerState.PROVISIONING)
_MADE = (WorkerState.JOINING, WorkerState.READY)
_UNSTARTED = [int(state) for state in JobState if state < JobState.RUNNING]


class GrowthRules:
    def __init__(self, world: World, news: FleetNews) -> None:
        self._world, self._news = world, news
        self._failed_s: dict[Sold, float] = {}
        """When a creation of the offer was last refused for want of capacity."""
        self._asked_s: dict[str, float] = {}
        """By worker that has not ended: when its claim became durable."""

    def look(self, changes: Changes, news: list[WorkerNews]) -> Iterator[tuple[str, str]]:
        made = [each for each in news if each.before is None and not each.state.ended]
        planned = [each for each in made if not each.manual and each.why_made != ReasonKind.REQUESTED.value]
        if made:
            yield from self._live_maximum(made)
        if planned:
            yield from self._per_plan(planned)
            yield from self._resting(planned)
            yield from self._in_flight(changes, planned)
        for each in news:
            self._note(each)

    def _spec(self, pool: str) -> tuple[PoolSpec | None, PoolSpec | None]:
        """Now, and before this commit."""
        spec = self._news.pools.get(pool)
        return spec, self._news.pools_before.get(pool, spec)

    def _live_maximum(self, made: list[WorkerNews]) -> Iterator[tuple[str, str]]:
        for pool in sorted({each.pool for each in made}):
            limits = [each.size.max_live_workers for each in self._spec(pool) if each is not None]
            if not limits or None in limits:
                continue
            most = max(each for each in limits if each is not None)
            staying = sum(
                each.pool == pool and not each.state.leaving for each in self._news.workers.values()
            )
            if staying > most:
                yield (
                    "a pool never exceeds its live maximum",
                    f"Pool {pool} has {staying} workers that stay; max_live_workers is {most}.",
                )

    def _per_plan(self, planned: list[WorkerNews]) -> Iterator[tuple[str, str]]:
        for (pool, plan), count in sorted(Counter((each.pool, each.plan) for each in planned).items()):
            most = max(
                (each.size.new_workers_per_cycle for each in self._spec(pool) if each is not None),
                default=count,
            )
            if count > most:
                yield (
                    "limits per cycle are respected",
                    f"Plan {plan} made {count} workers of pool {pool}; new_workers_per_cycle is {most}.",
                )

    def _resting(self, planned: list[WorkerNews]) -> Iterator[tuple[str, str]]:
        now_s = self._world.loop.time()
        for each in planned:
            failed_s, (spec, _) = self._failed_s.get(each.sold), self._spec(each.pool)
            if failed_s is None or spec is None:
                continue
            rest_s = spec.scale_up.offer_backoff_s
            if now_s - failed_s < rest_s - LATE_S:
                yield (
                    "offers rest after a failure",
                    f"Worker {each.name} was made {now_s - failed_s:.1f} s after its offer {each.sold} was out of capacity; "
                    f"offer_backoff is {rest_s:g} s.",
                )

    def _in_flight(self, changes: Changes, planned: list[WorkerNews]) -> Iterator[tuple[str, str]]:
        """Each one in flight takes a job at least: more of the same are made only when all of them are full."""
        wanted = ReasonKind.QUEUED_JOBS.value
        kinds = {each.sold[:2] for each in planned if each.why_made == wanted}
        if not kinds:
            return
        with self._world.engine.connect() as connection:
            count = select(func.count()).where(jobs.c.state.in_(_UNSTARTED))
            waiting = int(connection.execute(count).scalar_one())
        waiting += sum(row.state == AttemptState.ASSIGNED for row in changes.attempts.values())
        for pool, template in sorted(kinds):
            coming = sum(
                each.sold[:2] == (pool, template) and each.state.in_flight and each.why_made == wanted
                for each in self._news.workers.values()
            )
            if coming > waiting + AHEAD:
                yield (
                    "capacity in flight counts",
                    f"{coming} workers of template {template} in pool {pool} are in flight for queued jobs, and {waiting} jobs wait.",
                )

    def _note(self, each: WorkerNews) -> None:
        now_s = self._world.loop.time()
        if each.before is None:
            self._asked_s[each.name] = now_s
        short = each.evidence.get("cause") == FailureCause.OUT_OF_CAPACITY.value
        if each.goes and short and each.why_removed == ReasonKind.CREATE_FAILED.value:
            # Of several that were asked for together the first one's failure counts.
            if self._asked_s.get(each.name, 0.0) >= self._failed_s.get(each.sold, -1.0):
                self._failed_s[each.sold] = now_s
        elif each.before in _UNMADE and each.state in _MADE:
            self._failed_s.pop(each.sold, None)  # one has come: nothing is held against the offer
        if each.state.ended:
            self._asked_s.pop(each.name, None)
