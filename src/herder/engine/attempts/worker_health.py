"""The health of a worker: consecutive attempts that failed on it, and the problems that its agent reports.

Called by `attempt.py` for each end that counts and by `engine/workers/worker.py` for each tick. A worker on which `FAULTS_MOST` attempts in a row
failed through no fault of theirs takes no work. After a pause it gets one attempt, as a test: it is back when that ends well or has
run for a while, and is replaced when that fails too. So is one whose agent reports troubles for minutes. Of each pool one is
replaced at a time: what makes all of them fail is no fault of the workers, and new ones would not mend it.

All this is in memory only: after a restart of the server a sick worker shows again that it is.
"""

from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState, LiveAttempt, WorkerLife
from herder.model.fleet.worker import Health, WorkerState
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause

#: Attempts that fail in a row until a worker takes no more.
FAULTS_MOST = 3
#: Until it is tested, and again after a test that failed but could not be followed by a replacement.
PAUSE_MS = 30_000
#: A test that has run so long is passed.
TESTED_AFTER_MS = 30_000
#: Its agent may report troubles so long before it is replaced.
TROUBLED_MAX_MS = 300_000
#: Between two replacements of sick workers in one pool.
REPLACE_EVERY_MS = 60_000
#: A suspect that has run alone so long may have company: it is kept apart from others for a bounded time.
ALONE_MAX_MS = 600_000
#: Of a message, as it is told.
SAID_MAX = 200

_OPEN = frozenset({WorkerState.READY, WorkerState.UNHEALTHY})


def count_fault(state: EngineState, changes: Changes, worker: WorkerLife, said: str, now_ms: int) -> None:
    """An attempt failed on it through no fault of its own."""
    if not worker.faults:
        worker.faulty_since_ms = now_ms
    worker.faults += 1
    if worker.state not in _OPEN or worker.probe_at_ms is not None:
        return
    last = clause(said[:SAID_MAX]) or "no reason was given"
    if worker.probing:
        worker.probing = False
        worker.probes_failed += 1
        text = f"The test attempt on {worker.spec.name} failed as well ({last})"
    elif worker.faults >= FAULTS_MOST:
        text = f"{worker.faults} attempts in a row failed on {worker.spec.name} (the last: {last})"
    else:
        return
    worker.probe_at_ms = now_ms + PAUSE_MS
    worker.state = WorkerState.UNHEALTHY
    text = f"{text}. It takes no work for {PAUSE_MS // 1000} s, then one attempt as a test."
    _tell(state, changes, worker, now_ms, "worker.quarantined", text)


def count_success(
    state: EngineState, changes: Changes, worker: WorkerLife, attempt: LiveAttempt, now_ms: int
) -> None:
    """An attempt ended by itself. One that began before the faults says nothing of now."""
    if attempt.assigned_at_ms >= worker.faulty_since_ms:
        _clear(state, changes, worker, now_ms)


def look(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> Reason | None:
    """What time brings to a worker that is there; the answer is why it is to be replaced."""
    if worker.alone_for is not None:
        _end_isolation(state, worker, now_ms)
    if worker.state not in _OPEN:
        return None
    reason = _troubled(state, changes, worker, now_ms)
    if worker.probe_at_ms is not None:
        if worker.probes_failed:
            reason = Reason(
                kind=ReasonKind.UNHEALTHY,
                text=f"{worker.faults} attempts in a row failed on {worker.spec.name}, the last as a test.",
                evidence=(("faults", worker.faults), ("tests_failed", worker.probes_failed)),
            )
        if now_ms >= worker.probe_at_ms and not worker.troubles:
            _begin_test(state, changes, worker, now_ms)
    elif worker.probing and any(
        now_ms - attempt.assigned_at_ms >= TESTED_AFTER_MS for attempt in worker.live.values()
    ):
        _clear(state, changes, worker, now_ms)
    return reason if reason is not None and _may_replace(state, worker, now_ms) else None


def health_of(worker: WorkerLife, now_ms: int) -> tuple[Health | None, str]:
    """How it is, and a sentence why it is not well; None before it has joined and after it has gone."""
    name = worker.spec.name
    if worker.state not in _OPEN and worker.state is not WorkerState.DRAINING:
        return None, ""
    if worker.troubles:
        reported = clause("; ".join(worker.troubles)[:SAID_MAX])
        return Health.TROUBLED, f"Worker {name} takes no work: its agent reports: {reported}."
    if worker.probe_at_ms is not None:
        wait_s = max(0, -(-(worker.probe_at_ms - now_ms) // 1000))
        return (
            Health.QUARANTINED,
            f"Worker {name} gets no work: {worker.faults} attempts in a row failed on it. It gets a test attempt in {wait_s} s.",
        )
    if worker.state is WorkerState.UNHEALTHY:
        silent_s = (now_ms - (worker.last_seen_at_ms or now_ms)) // 1000
        return Health.SILENT, f"Worker {name} takes no work: it was last heard from {silent_s} s ago."
    if worker.probing:
        failed = f"{worker.faults} attempts in a row failed on it"
        return Health.ON_TEST, f"Worker {name} runs one attempt as a test: {failed}."
    if worker.alone_for is not None:
        return (
            Health.ALONE,
            f"Worker {name} is kept for job {worker.alone_for} alone, because workers died while that job ran.",
        )
    return Health.HEALTHY, ""


def _troubled(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> Reason | None:
    if not worker.troubles:
        worker.troubled_since_ms = None
        return None
    reported = clause("; ".join(worker.troubles)[:SAID_MAX])
    if worker.troubled_since_ms is None:
        worker.troubled_since_ms = now_ms
        worker.state = WorkerState.UNHEALTHY
        _tell(
            state,
            changes,
            worker,
            now_ms,
            "worker.unhealthy",
            f"The agent of {worker.spec.name} reports: {reported}. It takes no work.",
        )
    if now_ms - worker.troubled_since_ms < TROUBLED_MAX_MS:
        return None
    minutes = TROUBLED_MAX_MS // 60_000
    return Reason(
        kind=ReasonKind.UNHEALTHY,
        text=f"The agent of {worker.spec.name} has reported for {minutes} min: {reported}.",
    )


def _begin_test(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    worker.probe_at_ms, worker.probing = None, True
    worker.state = WorkerState.READY
    state.open_workers.add(worker.spec.name)
    _tell(state, changes, worker, now_ms, "worker.tested", f"{worker.spec.name} takes one attempt as a test.")


def _clear(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    told = worker.probing or worker.probe_at_ms is not None
    worker.faults = worker.probes_failed = 0
    worker.probing, worker.probe_at_ms = False, None
    if worker.state is WorkerState.UNHEALTHY and not worker.sick:
        worker.state = WorkerState.READY
    if worker.state is WorkerState.READY:
        state.open_workers.add(worker.spec.name)
    if told:
        _tell(
            state,
            changes,
            worker,
            now_ms,
            "worker.recovered",
            f"Attempts succeed on {worker.spec.name} again.",
        )


def _may_replace(state: EngineState, worker: WorkerLife, now_ms: int) -> bool:
    """One at a time; answered yes, it counts as done."""
    pool, history = state.pools.get(worker.spec.pool), state.history.get(worker.spec.pool)
    if pool is None or pool.frozen or history is None or worker.spec.driver in state.frozen_drivers:
        return False  # its driver would neither remove it nor make another
    if history.replaced_at_ms is not None and now_ms - history.replaced_at_ms < REPLACE_EVERY_MS:
        return False
    history.replaced_at_ms = now_ms
    return True


def _end_isolation(state: EngineState, worker: WorkerLife, now_ms: int) -> None:
    """When the job has run alone for long enough, or will not run here."""
    job = worker.alone_for
    assert job is not None
    attempt, waiting = worker.live.get(job), state.delayed.get(job)
    if attempt is not None:
        over = now_ms - attempt.assigned_at_ms >= ALONE_MAX_MS
    else:
        over = waiting is None or waiting.kept_on != worker.spec.name
    if over:
        worker.alone_for = None
        state.open_workers.add(worker.spec.name)


def _tell(
    state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int, kind: str, text: str
) -> None:
    state.dirty_workers[worker.spec.name] = worker
    data: dict[str, object] = {"pool": worker.spec.pool, "state": worker.state.value, "faults": worker.faults}
    record_event(state, changes, now_ms, kind, f"worker/{worker.spec.name}", text, data=data)
