"""The planner's history, read from the store at start: cooldowns, removals, boot times, and failures of offers.

Called once by `recover`. Without it a restart would forget that a template is out of capacity, and a pool could shrink
twice by its degree. Reads a bounded number of rows. What has ended keeps the times of a clock that was set back since: none of
them may lie after now, or a pool would cool down, and an offer rest, for as long as the clock was wrong.
"""

import json
from dataclasses import replace

from sqlalchemy import Connection, func, select

from herder.engine.jobs.backoff import add_fault
from herder.engine.jobs.next_class import TAKEN_BACK
from herder.engine.memory.create_history import REMOVALS_MOST
from herder.engine.memory.failed_lately import MINUTE_MS, MINUTES
from herder.engine.memory.state import EngineState
from herder.engine.memory.totals import ENDED_STATES, JOBS, USE_SAMPLED
from herder.engine.memory.waiting_jobs import JobFaults, RetriedAs
from herder.engine.workers import bootstraps, drivers
from herder.engine.workers.offers import META_PREFIX, from_meta
from herder.engine.workers.worker import BOOT_WEIGHT, LESS_NEEDED, history_of
from herder.model.fleet.offer import OfferMemory
from herder.model.ids import BatchId, ClassId, JobId, PoolName, WorkerName
from herder.model.planning.plan import ReasonKind
from herder.model.work.job import FAULTS_OF_WORKERS, AttemptState, Cause, JobState
from herder.store.rows import tables as t

UNENDED = [int(state) for state in JobState if not state.ended]
#: Workers made or drained longer ago than this say nothing of the present: a day.
REACH_MS = 24 * 3_600_000


def recover_history(connection: Connection, state: EngineState, now_ms: int) -> None:
    """Pools must be known already: of others nothing is kept."""
    _offers(connection, state, now_ms)
    _frozen_drivers(connection, state)
    _bootstraps(connection, state)
    _growth(connection, state, now_ms)
    _shrinkage(connection, state, now_ms)
    _repairs(state)


def read_totals(connection: Connection, state: EngineState) -> None:
    """What people see of everything that has ended; however long ago, it costs no more to read."""
    labels = {each.label: each for each in JobState}
    for name, value in connection.execute(select(t.totals.c.name, t.totals.c.value)):
        kind, _, what = name.partition("/")
        if kind == JOBS:
            state.counts[labels[what]] += int(value)
        elif name == USE_SAMPLED:
            state.use_sampled_ms = int(value)
    state.counts_written = {number: state.counts[number] for number in ENDED_STATES}


def recover_preemptions(connection: Connection, state: EngineState) -> None:
    """How often each job that has not ended was preempted; queues and live attempts must be known already."""
    query = (
        select(t.jobs.c.id, t.jobs.c.batch_id, func.count())
        .join(t.attempts, t.attempts.c.job_id == t.jobs.c.id)
        .where(t.jobs.c.state.in_(UNENDED), t.NOT_SUCCEEDED, t.jobs.c.attempts > 0)
        .where(t.attempts.c.state == int(AttemptState.CANCELLED), t.attempts.c.cause == Cause.PREEMPTED.value)
        .group_by(t.jobs.c.id, t.jobs.c.batch_id)
    )
    for job, batch, count in connection.execute(query):
        attempt = state.live.get(JobId(job))
        if attempt is not None:
            attempt.preempted = count
        elif batch is None or BatchId(batch) in state.batches:
            state.preempted_of(None if batch is None else BatchId(batch))[JobId(job)] = count


def recover_taken_back(connection: Connection, state: EngineState) -> None:
    """How many spot workers were taken back under each job that has not ended, where that matters; classes must be known already."""
    a, j, w = t.attempts.c, t.jobs.c, t.workers.c
    concerned = [number for number, each in state.classes.items() if each.retry.on_demand_after is not None]
    if not concerned:
        return
    query = (
        select(j.id, j.batch_id, j.class_id, func.count())
        .join(t.attempts, a.job_id == j.id)
        .join(t.workers, w.name == a.worker)
        .where(j.state.in_(UNENDED), t.NOT_SUCCEEDED, j.attempts > 0, j.class_id.in_(concerned))
        .where(a.state.in_([int(AttemptState.FAILED), int(AttemptState.LOST)]))
        .where(a.cause.in_(sorted(TAKEN_BACK)), w.spec.contains('"spot":true'))
        .group_by(j.id, j.batch_id, j.class_id)
    )
    for job, batch, class_id, count in connection.execute(query):
        batch_id = None if batch is None else BatchId(batch)
        if _goes_on(state, job, batch_id):
            life = RetriedAs(batch=batch_id, class_id=ClassId(class_id), taken_back=count)
            state.retried_as[JobId(job)] = life


def _goes_on(state: EngineState, job: int, batch: BatchId | None) -> bool:
    """Whether a job that was tried is in memory: one of a cancelled batch only waits to be marked."""
    if batch is not None and batch not in state.batches:
        return False
    return job in state.live or job in state.tried_of(batch)


def recover_faults(connection: Connection, state: EngineState) -> None:
    """What workers did to the jobs that have not ended; queues and live attempts must be known already."""
    a, j = t.attempts.c, t.jobs.c
    query = (
        select(
            a.job_id, a.worker, a.cause, a.message, a.ended_at_ms - a.assigned_at_ms, j.batch_id, j.class_id
        )
        .join(t.jobs, j.id == a.job_id)
        .where(j.state.in_(UNENDED), t.NOT_SUCCEEDED, j.attempts > 0)
        .where(a.state.in_([int(AttemptState.FAILED), int(AttemptState.LOST)]))
        .where(a.cause.in_(sorted(FAULTS_OF_WORKERS)))
        .order_by(a.job_id, a.attempt)
    )
    for job, worker, cause, message, ran_ms, batch, class_id in connection.execute(query):
        batch_id = None if batch is None else BatchId(batch)
        if not _goes_on(state, job, batch_id):
            continue
        faults = state.faults.get(job)
        if faults is None:
            faults = state.faults[JobId(job)] = JobFaults(batch=batch_id, class_id=ClassId(class_id))
        add_fault(faults, WorkerName(worker), Cause(cause), message, ran_ms)


def recover_failed_lately(connection: Connection, state: EngineState, now_ms: int) -> None:
    j = t.jobs.c
    minute = j.ended_at_ms // MINUTE_MS
    query = (
        select(j.cause, minute, func.count())
        .where(j.state == int(JobState.FAILED), t.NOT_SUCCEEDED, j.ended_at_ms > now_ms - MINUTES * MINUTE_MS)
        .group_by(j.cause, minute)
    )
    for cause, at, count in connection.execute(query):
        state.failed_lately.add(cause, int(at) * MINUTE_MS, count)


def _not_after(memory: OfferMemory, now_ms: int) -> OfferMemory:
    failed_at_ms = None if memory.failed_at_ms is None else min(memory.failed_at_ms, now_ms)
    return replace(memory, as_of_ms=min(memory.as_of_ms, now_ms), failed_at_ms=failed_at_ms)


def _offers(connection: Connection, state: EngineState, now_ms: int) -> None:
    for row in connection.execute(select(t.meta).where(t.meta.c.key.startswith(META_PREFIX))):
        memory = from_meta(row.key, row.value)
        pool = None if memory is None else state.pools.get(memory.key.pool)
        if (
            memory is not None
            and pool is not None
            and any(template.name == memory.key.template for template in pool.templates)
        ):
            state.offers[memory.key] = _not_after(memory, now_ms)


def _frozen_drivers(connection: Connection, state: EngineState) -> None:
    for row in connection.execute(select(t.meta).where(t.meta.c.key.startswith(drivers.META_PREFIX))):
        found = drivers.from_meta(row.key, row.value)
        if found is not None:
            state.frozen_drivers[found[0]] = found[1]


def _bootstraps(connection: Connection, state: EngineState) -> None:
    for row in connection.execute(select(t.meta).where(t.meta.c.key.startswith(bootstraps.META_PREFIX))):
        bootstraps.recover(state, row.key, row.value)


def _growth(connection: Connection, state: EngineState, now_ms: int) -> None:
    w = t.workers.c
    last = (
        select(w.pool, func.max(w.requested_at_ms))
        .where(w.requested_at_ms > now_ms - REACH_MS)
        .group_by(w.pool)
    )
    for pool, requested in connection.execute(last):
        if pool in state.pools:
            history_of(state, PoolName(pool)).last_grown_at_ms = min(requested, now_ms)
    query = (
        select(t.workers.c.pool, t.workers.c.requested_at_ms, t.workers.c.ready_at_ms)
        .where(t.workers.c.requested_at_ms > now_ms - REACH_MS)
        .order_by(t.workers.c.requested_at_ms.desc())
        .limit(REMOVALS_MOST)
    )
    for pool, requested, ready in reversed(connection.execute(query).all()):
        if pool not in state.pools:
            continue
        history = history_of(state, PoolName(pool))
        if ready is not None:
            boot_s = (ready - requested) / 1000
            old = boot_s if history.boot_s is None else history.boot_s
            history.boot_s = (1 - BOOT_WEIGHT) * old + BOOT_WEIGHT * boot_s


def _shrinkage(connection: Connection, state: EngineState, now_ms: int) -> None:
    kinds = {kind.value for kind in LESS_NEEDED}
    query = (
        select(t.workers.c.name, t.workers.c.pool, t.workers.c.draining_at_ms, t.workers.c.reason_removed)
        .where(t.workers.c.draining_at_ms > now_ms - REACH_MS)
        .order_by(t.workers.c.draining_at_ms.desc())
        .limit(REMOVALS_MOST)
    )
    for name, pool, drained, reason in reversed(connection.execute(query).all()):
        if pool not in state.pools:
            continue
        history = history_of(state, PoolName(pool))
        history.last_shrunk_at_ms = min(drained, now_ms)
        kind = json.loads(reason).get("kind")
        if kind in kinds:
            history.removals_ms.append(min(drained, now_ms))
        elif kind == ReasonKind.UNHEALTHY.value:
            history.repairs_ms[WorkerName(name)] = min(drained, now_ms)


def _repairs(state: EngineState) -> None:
    """Of live workers; of those that were replaced, their rows have said it."""
    for name, worker in state.workers.items():
        repair = worker.health.repair
        if repair is not None and repair.rung.disrupts:
            history_of(state, worker.spec.pool).repairs_ms[name] = repair.since_ms
