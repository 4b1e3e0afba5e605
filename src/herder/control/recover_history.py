"""What the planner must remember, from the store at start: cooldowns, removals, boot times and the memory of offers.

Called once by `recover`. Without it a restart would forget that a template is out of capacity, and a pool could shrink
twice by its degree. Reads a bounded number of rows. What has ended keeps the times of a clock that was set back since: none of
them may lie after now, or a pool would cool down, and an offer rest, for as long as the clock was wrong.
"""

import json
from dataclasses import replace

from sqlalchemy import Connection, func, select

from herder.engine.offers import META_PREFIX, from_meta
from herder.engine.state import REMOVALS_MOST, EngineState
from herder.engine.worker import BOOT_WEIGHT, LESS_NEEDED, history_of
from herder.model.ids import BatchId, JobId, PoolName
from herder.model.job import AttemptState, Cause, JobState
from herder.model.offer import OfferMemory
from herder.store import tables as t

#: Workers made or drained longer ago than this say nothing of the present: a day.
REACH_MS = 24 * 3_600_000


def recover_history(connection: Connection, state: EngineState, now_ms: int) -> None:
    """Pools must be known already: of others nothing is kept."""
    _offers(connection, state, now_ms)
    _growth(connection, state, now_ms)
    _shrinkage(connection, state, now_ms)


def recover_preemptions(connection: Connection, state: EngineState) -> None:
    """How often each job that has not ended was preempted; queues and live attempts must be known already."""
    query = (
        select(t.jobs.c.id, t.jobs.c.batch_id, func.count())
        .join(t.attempts, t.attempts.c.job_id == t.jobs.c.id)
        .where(t.jobs.c.state < int(JobState.SUCCEEDED), t.jobs.c.attempts > 0)
        .where(t.attempts.c.state == int(AttemptState.CANCELLED), t.attempts.c.cause == Cause.PREEMPTED.value)
        .group_by(t.jobs.c.id, t.jobs.c.batch_id)
    )
    for job, batch, count in connection.execute(query):
        attempt = state.live.get(JobId(job))
        if attempt is not None:
            attempt.preempted = count
        elif batch is None or BatchId(batch) in state.batches:
            state.preempted_of(None if batch is None else BatchId(batch))[JobId(job)] = count


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


def _growth(connection: Connection, state: EngineState, now_ms: int) -> None:
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
        history.last_grown_at_ms = min(requested, now_ms)
        if ready is not None:
            boot_s = (ready - requested) / 1000
            old = boot_s if history.boot_s is None else history.boot_s
            history.boot_s = (1 - BOOT_WEIGHT) * old + BOOT_WEIGHT * boot_s


def _shrinkage(connection: Connection, state: EngineState, now_ms: int) -> None:
    kinds = {kind.value for kind in LESS_NEEDED}
    query = (
        select(t.workers.c.pool, t.workers.c.draining_at_ms, t.workers.c.reason_removed)
        .where(t.workers.c.draining_at_ms > now_ms - REACH_MS)
        .order_by(t.workers.c.draining_at_ms.desc())
        .limit(REMOVALS_MOST)
    )
    for pool, drained, reason in reversed(connection.execute(query).all()):
        if pool not in state.pools:
            continue
        history = history_of(state, PoolName(pool))
        history.last_shrunk_at_ms = min(drained, now_ms)
        if json.loads(reason).get("kind") in kinds:
            history.removals_ms.append(min(drained, now_ms))
