"""Deadlines of workers: steps of their creation, silence, expiry, drain grace; and the look at their health and repair.

Called by the lifecycle loop twice a second. The changes themselves are those of
`worker.py`. It must never judge by a time in which the server itself was away: the loop has excused that before.
"""

from herder.engine.attempts import worker_health
from herder.engine.memory.state import EngineState, WorkerLife, pool_of
from herder.engine.memory.worker_repair import SERVER
from herder.engine.workers import creation, expiry
from herder.engine.workers.draining import drains
from herder.engine.workers.draining.drain_texts import on_blocked
from herder.engine.workers.repairs import conditions, repair
from herder.engine.workers.worker import suspect, terminate
from herder.model.fleet.membership import LivesBy
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.repair import Condition
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.work.job import Cause

#: Exchanges missed before a worker gets no new work.
SUSPECT_AFTER_BEATS = 2
_JOINED = frozenset({WorkerState.READY, WorkerState.UNHEALTHY, WorkerState.DRAINING})


def tick(state: EngineState, changes: Changes, now_ms: int) -> None:
    """What time alone brings: boots that take too long, silence, drains whose grace is over."""
    for worker in list(state.workers.values()):
        pool = pool_of(state, worker)
        if worker.state.in_flight:
            late = creation.look(state, changes, worker, pool, now_ms)
            if late is not None:
                terminate(state, changes, worker, late, now_ms)
        elif worker.state in _JOINED and worker.spec.membership.lives_by is LivesBy.EXCHANGE:
            _check_silence(state, changes, worker, pool, now_ms)
        expiry.look(state, changes, worker, pool, now_ms)
        worker_health.look(state, changes, worker, now_ms)
        if worker.drain is None or not worker.drain.keep:
            repair.look(state, changes, worker, pool, now_ms)
        drains.look(state, changes, worker, on_blocked(state, worker), now_ms)


def _check_silence(
    state: EngineState, changes: Changes, worker: WorkerLife, pool: PoolSpec, now_ms: int
) -> None:
    """After `dead_after` its attempts are retried elsewhere, in any case; the worker itself is replaced, or repaired where its driver can."""
    name, dead_after_s = worker.spec.name, pool.lifetime.dead_after_s
    last_ms = worker.last_seen_at_ms or now_ms
    silent_s = (now_ms - last_ms) / 1000
    if (
        silent_s > SUSPECT_AFTER_BEATS * pool.lifetime.heartbeat_s
        and worker.state is not WorkerState.DRAINING
    ):
        text = f"{name} has been silent for {silent_s:.0f} s and takes no new work."
        suspect(state, changes, worker, text, now_ms)
        silence = conditions.Found("it is silent")
        conditions.note(
            state, changes, worker, SERVER, Condition.NOT_READY, silence, now_ms, since_ms=last_ms, told=True
        )
    if silent_s <= dead_after_s:
        return
    text = f"{name} has been silent for {silent_s:.0f} s (dead_after {dead_after_s:g} s)."
    if not repair.keeps(state, worker, pool):
        evidence = (("silent_s", round(silent_s, 1)), ("dead_after_s", dead_after_s))
        terminate(state, changes, worker, Reason(kind=ReasonKind.DEAD, text=text, evidence=evidence), now_ms)
    elif worker.live:
        repair.lose_attempts(state, changes, worker, f"Worker {text}", now_ms, Cause.WORKER_LOST)
