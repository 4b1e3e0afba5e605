"""The planner's input: the state of the engine at one moment, as `Observed`. Used by the scale loop, dry runs and `why`.

Never changes a decision by itself; only `note_pressure` remembers something, for the next one.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from herder import __version__
from herder.control.budgets.worker_leases import budgets_left
from herder.control.kernel.core import Core
from herder.decide.forecast.run_times import Kind, RunTime, kinds_of
from herder.decide.scaling.failed_triggers import Failures
from herder.decide.scaling.signals.pressure import pressed_since
from herder.decide.scaling.triggers.pending_pods import pods_since
from herder.engine.memory.restrictions import Restrictions
from herder.engine.memory.state import EngineState, LiveAttempt, WorkerLife
from herder.engine.workers.cluster.node_texts import unseen_text
from herder.engine.workers.cluster.nodes import cordoned_by_others, not_considered, pods_waiting
from herder.engine.workers.cluster.pod_counts import pods_counted
from herder.engine.workers.draining.drain_texts import until_ms
from herder.engine.workers.expiry import extension_limit
from herder.engine.workers.worker import history_of
from herder.model.fleet.pool import Consolidation, PoolSpec
from herder.model.fleet.pressure import WorkerUse
from herder.model.fleet.worker import WorkerState
from herder.model.ids import ClassId, PlanNumber
from herder.model.planning.budgets import RestrictedClass, UnpaidClass, bounded
from herder.model.planning.observed import Observed, ObservedWorker, PoolHistory, QueuedClass, RunningClass
from herder.model.planning.plan import Plan, ReasonKind
from herder.model.values.money import PICO_PER_CENT
from herder.model.values.resources import ZERO
from herder.model.work.demand import DemandGroup, DemandSource, ShapeGroup
from herder.model.work.job import JobClass
from herder.settings.openings import openings_shown
from herder.settings.schedule_windows import windows

#: From the kinds of a job class to what was learned of their run times.
Guess = Callable[[tuple[Kind, ...]], RunTime]
#: An expected end is one that this part of such jobs keeps: a drain that counts on it should seldom lose work.
PROBABLY = 0.9
#: Ended jobs of the same user and shape, before their run times say when a running one ends.
ENDS_TO_TRUST = 8


#: Classes that wait and are looked at in one plan, those that came first: a snapshot is made on the event loop, 1.5 ms a thousand.
OBSERVED_CLASSES_MAX = 20_000


def observe_now(core: Core) -> tuple[Observed, int]:
    """The picture of this moment, for questions."""
    now = core.clock.now_ms()
    return observation_at(core, now), now


def observation_at(core: Core, now_ms: int) -> Observed:
    """What the loop, dry runs and `why` plan from."""
    aged_ms = now_ms - core.placer.ageing_at(now_ms).reserve_after_ms
    observed = observe(core.state, now_ms, core.placer.run_times.guess, aged_ms)
    if core.state.restrictions is not None:
        without_place = _without_place(core.planning.last, observed.demand)
        restricted = _restricted(core.state.restrictions, observed, without_place)
        observed = replace(observed, restricted=restricted)
    if core.state.spot_only:
        observed = replace(observed, spot_only=core.state.spot_only)
    if not core.budgets.budgets:
        return observed
    return replace(observed, budgets=budgets_left(core, now_ms), unpaid=_unpaid(core, observed, now_ms))


def _without_place(last: Plan | None, demand: Sequence[DemandGroup]) -> dict[ClassId, int]:
    """By class: jobs that no pool could take, by the last plan, and all of those of which quotas or budgets let none start."""
    waiting = {each.class_id: each.count for each in demand}
    found: Counter[ClassId] = Counter()
    for each in last.unplaced if last is not None else ():
        class_id, reason = ClassId(each.class_id), each.reason
        kept = reason.kind is ReasonKind.QUOTA or "held_back" in dict(reason.evidence)
        in_part = kept and each.count < waiting.get(class_id, 0)
        if reason.kind is not ReasonKind.ALERT and not in_part:
            found[class_id] += each.count
    return found


def _restricted(
    restrictions: Restrictions, observed: Observed, without_place: Mapping[ClassId, int]
) -> tuple[RestrictedClass, ...]:
    return tuple(
        RestrictedClass(
            class_id=each.queued.class_id,
            count=each.count,
            alert=each.by.alert,
            policy=each.by.policy,
            action=each.by.action,
            below=each.by.below,
            until_ms=each.by.until_ms,
        )
        for each in restrictions.withheld(observed.demand, without_place)
    )


def _unpaid(core: Core, observed: Observed, now_ms: int) -> tuple[UnpaidClass, ...]:
    funds = core.state.funds
    return (
        ()
        if funds is None
        else tuple(
            UnpaidClass(
                class_id=each.queued.class_id,
                count=each.count,
                budget=each.budget,
                limit_cents=(core.budgets.budgets[each.budget].ceiling(now_ms) or 0) // PICO_PER_CENT,
                left=bounded(each.left),
                needs=each.needs,
            )
            for each in funds.unpaid(observed.demand)
            if each.budget in core.budgets.budgets
        )
    )


def observe(
    state: EngineState, now_ms: int, guess: Guess | None = None, aged_ms: int | None = None
) -> Observed:
    """What the engine knows now. It is the one writer, so its sections are never stale."""
    quotas = state.sharing.has_quotas
    return Observed(
        sharing=state.sharing,
        held=tuple((*whose, held) for whose, held in sorted(state.held.items())) if quotas else (),
        running_types=tuple(sorted(state.running_types.items())) if quotas else (),
        weights=tuple(sorted((u, w) for u, w in state.weights.items() if w != 1)) if quotas else (),
        aged_ms=aged_ms if quotas else None,
        plan_number=PlanNumber(state.next_plan),
        declared=state.resources.declared,
        pools=pools_shown(state),
        workers=tuple(_observed(state, worker, now_ms, guess) for worker in state.workers.values()),
        workers_as_of_ms=now_ms,
        demand=(*queued(state, now_ms, guess), *pods(state)),
        not_considered=not_considered(state),
        counted=pods_counted(state),
        demand_as_of_ms=now_ms,
        demand_left_out=max(0, len(state.queues) - OBSERVED_CLASSES_MAX),
        history=tuple(
            (
                pool,
                PoolHistory(
                    last_grown_at_ms=history.last_grown_at_ms,
                    last_shrunk_at_ms=history.last_shrunk_at_ms,
                    removals_ms=_recent(history.removals_ms, state.pools.get(pool), now_ms),
                    boot_s=history.boot_s,
                    pods_since_ms=history.pods_since_ms,
                    pressed_since_ms=tuple(sorted(history.pressed_since_ms.items())),
                    rises=tuple(sorted(history.rises.items())),
                ),
            )
            for pool, history in sorted(state.history.items())
        ),
        offers=tuple(state.offers[key] for key in sorted(state.offers)),
        windows=tuple(
            (name, windows(pool, now_ms)) for name, pool in sorted(state.pools.items()) if pool.size.schedules
        ),
        metrics=tuple(reading for _, reading in sorted(state.readings.items())),
        openings=openings_shown(state.pools.values(), now_ms),
        agent_version=__version__,
        agent_since_plan=PlanNumber(state.first_plan),
    )


def pools_shown(state: EngineState) -> tuple[PoolSpec, ...]:
    return tuple(_shown(state, state.pools[name]) for name in sorted(state.pools))


def _shown(state: EngineState, pool: PoolSpec) -> PoolSpec:
    """A pool one of whose drivers may not be called is planned for as a frozen one: what is frozen for safety is not worked around."""
    life = state.bootstraps.get(pool.bootstrap)
    if life is not None:
        pool = replace(pool, bootstrap_fingerprint=life.fingerprint, bootstrap_refused=life.refused)
    for driver in pool.drivers if state.frozen_drivers else ():
        frozen = state.frozen_drivers.get(driver)
        if frozen is not None:
            return replace(pool, frozen=True, driver_frozen=frozen.reason, frozen_driver=driver)
    unseen = unseen_text(state, pool)
    return replace(pool, frozen=True, unseen=unseen) if unseen else pool


def pods(state: EngineState) -> tuple[ShapeGroup, ...]:
    """What waits in the clusters, as they were seen last. The same shape has the same number from plan to plan."""
    return tuple(
        ShapeGroup(
            class_id=number,
            count=group.count,
            oldest_ready_at_ms=group.since_ms,
            source=DemandSource.PENDING_PODS,
            shape=shape,
        )
        for number, shape, group in pods_waiting(state)
    )


def queued(state: EngineState, now_ms: int, guess: Guess | None = None) -> tuple[QueuedClass, ...]:
    """What waits, and what will when machines are taken back: replacements are created before that."""
    waiting = {
        class_id: (queue.count, queue.oldest_ready_at_ms)
        for class_id, queue in state.queues.items()
        if queue.count
    }
    for (
        job
    ) in state.delayed.values():  # they are tried again within minutes: workers are wanted for them, too
        count, oldest_ms = waiting.get(job.class_id, (0, job.ready_at_ms))
        waiting[job.class_id] = (count + 1, min(oldest_ms, job.ready_at_ms))
    for attempt, since_ms in _going_on_elsewhere(state, now_ms, guess):
        count, oldest_ms = waiting.get(attempt.class_id, (0, since_ms))
        waiting[attempt.class_id] = (count + 1, min(oldest_ms, since_ms))
    return tuple(
        QueuedClass(
            class_id=ClassId(class_id),
            job_class=state.classes[class_id],
            count=count,
            oldest_ready_at_ms=oldest_ms,
        )
        for class_id, (count, oldest_ms) in sorted(islice(waiting.items(), OBSERVED_CLASSES_MAX))
    )


def _going_on_elsewhere(
    state: EngineState, now_ms: int, guess: Guess | None
) -> Iterator[tuple[LiveAttempt, int]]:
    """Attempts on machines that are taken back, but for those that will probably have ended before; with when that was announced."""
    for worker in state.workers.values():
        notice = worker.health.notice
        if notice is None or worker.state is not WorkerState.DRAINING:
            continue
        for attempt in worker.live.values():
            start_ms = attempt.started_at_ms or attempt.assigned_at_ms
            job_class = state.classes[attempt.class_id]
            ends_ms = None if guess is None else _last_end(guess, job_class, [start_ms], now_ms)
            if not attempt.cancelling and (ends_ms is None or ends_ms > (until_ms(worker) or now_ms)):
                yield attempt, notice.since_ms


def _recent(removals_ms: list[int], pool: PoolSpec | None, now_ms: int) -> tuple[int, ...]:
    if pool is None or pool.scale_down.fraction is None:
        return ()
    since = now_ms - int(pool.scale_down.period_s * 1000)
    return tuple(at for at in removals_ms if at > since)


def _observed(state: EngineState, worker: WorkerLife, now_ms: int, guess: Guess | None) -> ObservedWorker:
    """The same object as last time when nothing about it has changed: a plan looks at all workers, and few of them change.
    Whatever is shown of a worker and may change in its life must stand in `looks`."""
    on_it, use = running(state, worker, now_ms, guess), _use(state, worker)
    apart = worker.alone_for is not None or worker.probing
    free, free_slots = (ZERO, 0) if apart else (worker.free, worker.free_slots)
    pool = state.pools.get(worker.spec.pool)
    extendable = worker.expires_at_ms is None or pool is None or extension_limit(worker, pool) is None
    looks = (
        worker.state, free, free_slots, worker.busy, worker.idle_since_ms, worker.expires_at_ms,
        worker.cordoned or cordoned_by_others(worker), worker.manual, worker.extensions, worker.ready_at_ms,
        worker.agent_version, on_it, use, worker.health.quarantined_at_ms is not None, extendable,
    )  # fmt: skip
    if worker.seen is not None and worker.seen[0] == looks:
        return worker.seen[1]
    observed = ObservedWorker(
        spec=worker.spec,
        state=worker.state,
        cordoned=worker.cordoned or cordoned_by_others(worker),
        quarantined=worker.health.quarantined_at_ms is not None,
        free=free,
        free_slots=free_slots,
        live_attempts=worker.busy,
        requested_at_ms=worker.requested_at_ms,
        idle_since_ms=worker.idle_since_ms,
        expires_at_ms=worker.expires_at_ms,
        manual=worker.manual,
        running=on_it,
        use=use,
        ready_at_ms=worker.ready_at_ms,
        extended=worker.extensions > 0,
        extendable=extendable,
        agent_version=worker.agent_version,
    )
    worker.seen = (looks, observed)
    return observed


def _use(state: EngineState, worker: WorkerLife) -> WorkerUse | None:
    pool = state.pools.get(worker.spec.pool)
    return worker.use if pool is not None and pool.scale_up.measured else None


def note_pressure(state: EngineState, observed: Observed, now_ms: int) -> Failures:
    """Remember since when the pools are under pressure: part of the next observation. Answers what failed."""
    failures = Failures()
    since = pressed_since(observed, now_ms, failures)
    waiting = pods_since(observed, now_ms)
    for pool in observed.pools:
        if pool.cluster:
            history_of(state, pool.name).pods_since_ms = waiting.get(pool.name)
        if pool.scale_up.measured:
            history_of(state, pool.name).pressed_since_ms = since.get(pool.name, {})
    return failures


def running(
    state: EngineState, worker: WorkerLife, now_ms: int, guess: Guess | None = None
) -> tuple[RunningClass, ...] | None:
    """What runs on it, by class; None in pools whose settings look at no such thing, because it costs a little."""
    pool = state.pools.get(worker.spec.pool)
    if (
        pool is None
        or worker.spec.cluster
        or (pool.scale_down.fraction is None and pool.scale_down.consolidation is Consolidation.OFF)
    ):
        return None
    by_class: dict[ClassId, list[int]] = {}
    for attempt in worker.live.values():
        by_class.setdefault(attempt.class_id, []).append(attempt.started_at_ms or attempt.assigned_at_ms)
    return tuple(
        RunningClass(
            job_class=state.classes[class_id],
            count=len(starts),
            started_sum_ms=sum(starts),
            last_start_ms=max(starts),
            ends_at_ms=None if guess is None else _last_end(guess, state.classes[class_id], starts, now_ms),
        )
        for class_id, starts in sorted(by_class.items())
    )


def _last_end(guess: Guess, job_class: JobClass, starts: list[int], now_ms: int) -> int | None:
    """When the last of them has probably ended; None when too little was learned of such jobs."""
    known = guess(kinds_of(job_class))
    if known.ends < ENDS_TO_TRUST:
        return None
    oldest, newest = min(starts), max(starts)
    return now_ms + max(known.residual_ms(PROBABLY, now_ms - start) for start in (oldest, newest))
