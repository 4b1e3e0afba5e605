"""The health of a worker: consecutive attempts that failed on it, and the problems that its agent reports.

Called by `attempt.py` for each end that counts and by `engine/workers/worker.py` for each tick. A worker on which `FAULTS_MOST` attempts in a row
failed through no fault of theirs takes no work. After a pause it gets one attempt, as a test: it is back when that ends well or has
run for a while. Each test that fails is counted in its condition FailedAttempts, for which the repair ladder has a rung
(`engine/workers/repairs/repair.py`).

All this is in memory only: after a restart of the server a sick worker shows again that it is.
"""

from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState, LiveAttempt, WorkerLife
from herder.engine.memory.worker_repair import SERVER, ConditionSeen
from herder.model.fleet.repair import BLOCKING, Condition
from herder.model.fleet.worker import Health, WorkerState
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause, counted

#: Attempts that fail in a row until a worker takes no more.
FAULTS_MOST = 3
#: Until it is tested, and again after a test that failed but could not be followed by a replacement.
PAUSE_MS = 30_000
#: A test that has run so long is passed.
TESTED_AFTER_MS = 30_000
#: A suspect that has run alone so long may have company: it is kept apart from others for a bounded time.
ALONE_MAX_MS = 600_000
#: Of a message, as it is told.
SAID_MAX = 200

_FAILED = (SERVER, Condition.FAILED_ATTEMPTS)
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
    as_test = ", the last as a test" if worker.probes_failed else ""
    worker.health.conditions[_FAILED] = ConditionSeen(
        since_ms=worker.faulty_since_ms,
        last_seen_ms=now_ms,
        message=f"{worker.faults} attempts in a row failed on it{as_test}: {last}",
        count=worker.probes_failed,
    )
    worker.probe_at_ms = now_ms + PAUSE_MS
    worker.state = WorkerState.UNHEALTHY
    text = f"{text}. It takes no work for {PAUSE_MS // 1000} s, then one attempt as a test."
    _tell(state, changes, worker, now_ms, "worker.excluded", text)


def count_success(
    state: EngineState, changes: Changes, worker: WorkerLife, attempt: LiveAttempt, now_ms: int
) -> None:
    """An attempt ended by itself. One that began before the faults says nothing of now."""
    if attempt.assigned_at_ms >= worker.faulty_since_ms:
        _clear(state, changes, worker, now_ms)


def look(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    """What time brings to a worker that is there."""
    if worker.alone_for is not None:
        _end_isolation(state, worker, now_ms)
    if worker.state not in _OPEN:
        return
    if worker.probe_at_ms is not None:
        if now_ms >= worker.probe_at_ms and not worker.troubles and not worker.health.blocks:
            _begin_test(state, changes, worker, now_ms)
    elif worker.probing and any(
        now_ms - attempt.assigned_at_ms >= TESTED_AFTER_MS for attempt in worker.live.values()
    ):
        _clear(state, changes, worker, now_ms)


def forget(worker: WorkerLife) -> None:
    """Its faults; somebody looks after it."""
    worker.faults = worker.probes_failed = 0
    worker.probing, worker.probe_at_ms = False, None
    worker.health.conditions.pop(_FAILED, None)


def health_of(worker: WorkerLife, now_ms: int) -> tuple[Health | None, str]:
    """How it is, and a sentence why it is not well; None before it has joined and after it has gone."""
    name = worker.spec.name
    if worker.state not in _OPEN and worker.state is not WorkerState.DRAINING:
        return None, ""
    told = _told_by_others(worker)
    if told is not None:
        return told
    if worker.probe_at_ms is not None or (worker.probing and worker.state is not WorkerState.UNHEALTHY):
        return _tested(worker, now_ms)
    if worker.state is WorkerState.UNHEALTHY:
        silent_s = (now_ms - (worker.last_seen_at_ms or now_ms)) // 1000
        return Health.SILENT, f"Worker {name} takes no work: it was last heard from {silent_s} s ago."
    if worker.alone_for is not None:
        return (
            Health.ALONE,
            f"Worker {name} is kept for job {worker.alone_for} alone, because workers died while that job ran.",
        )
    return Health.HEALTHY, ""


def _told_by_others(worker: WorkerLife) -> tuple[Health, str] | None:
    """What repair and its own agent say of it."""
    name, repair = worker.spec.name, worker.health.repair
    if worker.health.quarantined_at_ms is not None:
        return (
            Health.QUARANTINED,
            f"Worker {name} is kept for inspection. Release it with `herder worker uncordon {name}`.",
        )
    if repair is not None and (repair.under_way or repair.rejoins):
        waits = (
            f", which waits for {counted(len(worker.live), 'attempt')}"
            if repair.blocked_at_ms is not None
            else ""
        )
        return Health.REPAIRING, f"Worker {name} takes no work: it is repaired ({repair.rung}{waits})."
    if worker.troubles:
        reported = clause("; ".join(worker.troubles)[:SAID_MAX])
        return Health.TROUBLED, f"Worker {name} takes no work: its agent reports: {reported}."
    for (source, condition), seen in worker.health.conditions.items():
        if condition in BLOCKING and source != SERVER:
            return Health.TROUBLED, f"Worker {name} takes no work: {condition}: {clause(seen.message)}."
    return None


def _tested(worker: WorkerLife, now_ms: int) -> tuple[Health, str]:
    name, failed = worker.spec.name, f"{worker.faults} attempts in a row failed on it"
    if worker.probe_at_ms is None:
        return Health.ON_TEST, f"Worker {name} runs one attempt as a test: {failed}."
    wait_s = max(0, -(-(worker.probe_at_ms - now_ms) // 1000))
    return Health.EXCLUDED, f"Worker {name} gets no work: {failed}. It gets a test attempt in {wait_s} s."


def _begin_test(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    worker.probe_at_ms, worker.probing = None, True
    worker.state = WorkerState.READY
    state.open_workers.add(worker.spec.name)
    _tell(state, changes, worker, now_ms, "worker.tested", f"{worker.spec.name} takes one attempt as a test.")


def _clear(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    told = worker.probing or worker.probe_at_ms is not None
    forget(worker)
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
