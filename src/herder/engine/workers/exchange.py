"""One exchange with a worker: processes its report, and collects the answer.

Called by `control/workers/exchange.py`. Taking in and gathering are apart because the answer may be held back (long poll) until there
is something to say, and leaves only after the commit of what it says.
"""

from collections.abc import Mapping, Sequence

from herder.engine.attempts.attempt import lose, started
from herder.engine.memory.state import EngineState, LiveAttempt, WorkerLife, pool_of
from herder.engine.memory.worker_repair import AGENT
from herder.engine.workers import notices
from herder.engine.workers.repairs import conditions, repair
from herder.engine.workers.worker import seen, terminate
from herder.model.fleet.notice import NoticeSource
from herder.model.fleet.pressure import WorkerUse
from herder.model.fleet.repair import Condition
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.work.job import Cause


def take_in(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    *,
    number: int,
    ack: int,
    begun: Sequence[tuple[int, int, int]],
    held: Sequence[tuple[int, int]] | None,
    finished: frozenset[tuple[int, int]],
    use: tuple[int, int] | None = None,
    troubles: tuple[str, ...] = (),
    typed: Mapping[Condition, conditions.Found] | None = None,
    clock_ms: int | None = None,
    cleaned: str = "",
    interrupted_ms: int | None = None,
    now_ms: int,
) -> None:
    """Everything of a report but the endings. Parts that only hold for the newest report are dropped from an older one."""
    seen(state, changes, worker, now_ms)
    for job, attempt, at_ms in begun:
        if not started(changes, worker, job, attempt, min(at_ms, now_ms)):
            worker.cancels.add((job, attempt))  # type: ignore[arg-type]
    if number <= worker.exchange_number:
        return
    worker.exchange_number = number
    _take_in_health(state, changes, worker, troubles, typed or {}, clock_ms, cleaned, now_ms)
    if interrupted_ms is not None:
        notices.announced(state, changes, worker, interrupted_ms, NoticeSource.AGENT, now_ms)
    if use is not None and min(use) >= 0:
        worker.use = WorkerUse(cpu_milli=use[0], memory_mib=use[1], at_ms=now_ms)
    if worker.unacked:
        for job in [j for j, carried in worker.unacked.items() if 0 < carried <= ack]:
            del worker.unacked[job]
    if held is not None:
        _compare(state, changes, worker, frozenset((j, a) for j, a in held) | finished, now_ms)


def _take_in_health(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    troubles: tuple[str, ...],
    typed: Mapping[Condition, conditions.Found],
    clock_ms: int | None,
    cleaned: str,
    now_ms: int,
) -> None:
    health = worker.health
    worker.troubles = troubles
    if clock_ms is not None:
        health.skew_ms, health.cleans = clock_ms - now_ms, True
    if troubles or typed or health.conditions or health.skew_ms:
        skew_most_s = pool_of(state, worker).repair.clock_skew_s
        found = conditions.of_agent(troubles, typed, health.skew_ms, skew_most_s)
        conditions.report(state, changes, worker, AGENT, found, now_ms)
    if cleaned and repair.wants_clean_up(worker) and health.repair is not None:
        text = f"The agent of {worker.spec.name} has cleaned up. {cleaned}"
        repair.acted(state, changes, worker, health.repair.since_ms, text, now_ms, done=True)
    if worker.state is WorkerState.UNHEALTHY:
        seen(state, changes, worker, now_ms)


def _compare(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    held: frozenset[tuple[int, int]],
    now_ms: int,
) -> None:
    """Both ways: what the worker holds and we do not count as its own is stopped; what it lost is tried again."""
    ours = {(attempt.job, attempt.number) for attempt in worker.live.values()}
    worker.cancels |= held - ours  # type: ignore[arg-type]
    for attempt in list(worker.live.values()):
        if attempt.cancelling or attempt.preempted_for:
            worker.cancels.add((attempt.job, attempt.number))  # the first asking may have been lost
        if attempt.job not in worker.unacked and (attempt.job, attempt.number) not in held:
            lose(
                state,
                changes,
                attempt,
                Cause.INFRASTRUCTURE,
                f"Worker {worker.spec.name} no longer runs this attempt.",
                now_ms,
            )


def leave(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    """The worker says it is about to go: drained, or asked to by its machine."""
    reason = worker.reason_removed or Reason(
        kind=ReasonKind.DEAD, text=f"{worker.spec.name} stopped by itself."
    )
    terminate(state, changes, worker, reason, now_ms, cause=Cause.DRAINED)


def leave_after_one(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    """A worker for one job goes when that has ended; its agent is told so in the answer to the report of the end."""
    pool = state.pools.get(worker.spec.pool)
    if pool is None or not pool.jobs.one_per_worker or worker.live or not worker.attempts_done:
        return
    text = f"The one job of {worker.spec.name} has ended (one_job_per_worker)."
    terminate(state, changes, worker, Reason(kind=ReasonKind.JOB_DONE, text=text), now_ms)


def has_news(state: EngineState, worker: WorkerLife) -> bool:
    """Whether a held-back answer should leave now. Assignments already sent once wait for the next exchange."""
    if worker.cancels or (worker.state.leaving and worker.told is not worker.state):
        return True
    if worker.told is WorkerState.DRAINING and not worker.state.leaving:
        return True  # its drain was taken back
    if worker.health.interrupted and not worker.health.notice_told:
        return True
    if worker.health.repair is not None and repair.wants_clean_up(worker) and not worker.health.clean_told:
        return True
    durable = state.durable
    return any(
        carried == 0 and worker.live[job].hand_over <= durable for job, carried in worker.unacked.items()
    )


def gather(state: EngineState, worker: WorkerLife) -> tuple[int, list[LiveAttempt], list[tuple[int, int]]]:
    """(answer number, attempts to start, attempts to stop). Unconfirmed attempts are told again each time."""
    cancels = sorted(worker.cancels)
    worker.cancels.clear()
    worker.told = worker.state
    worker.health.clean_told = True
    worker.health.notice_told = worker.health.notice is not None
    attempts = [worker.live[job] for job in worker.unacked if worker.live[job].hand_over <= state.durable]
    if not attempts:
        return 0, [], list(cancels)
    worker.answer_number += 1
    for attempt in attempts:
        worker.unacked[attempt.job] = worker.answer_number
    return worker.answer_number, attempts, list(cancels)


def not_carried(worker: WorkerLife, attempt: LiveAttempt, number: int) -> None:
    """An attempt that `gather` gave for this answer and that did not fit: it is news for the next one."""
    if worker.unacked.get(attempt.job) == number:
        worker.unacked[attempt.job] = 0
