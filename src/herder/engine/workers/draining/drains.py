"""Drains: emptying a worker that stays, the end of a drain, and what its deadline brings.

Called by `control/workers/worker_actions.py` for what people order, and by `deadlines.py` for what time brings. A drain that ends with
the worker's removal begins in `worker.py`. A worker that stays is cordoned and otherwise as it was, so placement and the planner need
to know nothing of its drain. Nothing here may remove a worker that is to stay.
"""

from dataclasses import replace

from herder.engine.attempts.attempt import lose
from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.workers.draining.drain_orders import change_deadline, drain_order
from herder.engine.workers.draining.drain_texts import ALARM_EVERY_MS, blocked_text, until_ms
from herder.engine.workers.worker import terminate
from herder.model.fleet.drain import Drain, OnBlocked
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.values.phrases import sentence, sentences
from herder.model.values.times import span
from herder.model.work.job import Cause

#: In which the pods of a node are deleted before its machine is removed with what is left.
FORCED_MS = 60_000


def keep(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    now_ms: int,
    *,
    actor: str,
    message: str,
    timeout_s: float | None,
    force: bool,
) -> None:
    """A person has it emptied, and it stays. A repeated order changes the deadline if it names one, and nothing else."""
    if worker.drain is None:
        worker.cordoned = True
        worker.drain = drain_order(state, worker, now_ms, timeout_s, keep=True, by_hand=True)
        text = f"{worker.spec.name} is being drained and stays until it is uncordoned or removed."
        _tell(state, changes, worker, now_ms, "worker.draining", sentences(text, sentence(message)), actor)
    elif timeout_s is not None:
        hasten(state, changes, worker, now_ms, actor, message, timeout_s)
    state.dirty_workers[worker.spec.name] = worker
    if force:
        end_attempts(state, changes, worker, now_ms)
    if not worker.occupied:
        _emptied(state, changes, worker, now_ms)


def hasten(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    now_ms: int,
    actor: str,
    message: str,
    timeout_s: float,
) -> None:
    """A person gives a drain that is under way another deadline."""
    change_deadline(worker, now_ms, timeout_s)
    state.dirty_workers[worker.spec.name] = worker
    text = f"The attempts on {worker.spec.name} may run for another {span(int(timeout_s * 1000))}."
    _tell(state, changes, worker, now_ms, "worker.draining", sentences(text, sentence(message)), actor)


def take_back(
    state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int, *, actor: str, message: str
) -> None:
    """Its drain ends, also one that was to end with its removal; it gets work again. Its agent is told with the next answer."""
    worker.cordoned, worker.drain = False, None
    if worker.node is not None:
        worker.node.begin_emptying()
    if worker.health.notice is not None:
        worker.health.notice = replace(worker.health.notice, dismissed=True)
    if worker.state is WorkerState.DRAINING:
        worker.state = WorkerState.UNHEALTHY if worker.sick else WorkerState.READY
        worker.draining_at_ms = worker.reason_removed = None
        changes.wake.add(worker.spec.name)
    if worker.state is WorkerState.READY:
        state.open_workers.add(worker.spec.name)
    state.dirty_workers[worker.spec.name] = worker
    text = f"The drain of {worker.spec.name} was ended: it gets new work again."
    _tell(state, changes, worker, now_ms, "worker.uncordoned", sentences(text, sentence(message)), actor)


def look(
    state: EngineState, changes: Changes, worker: WorkerLife, on_blocked: OnBlocked, now_ms: int
) -> None:
    """What time brings to a worker with a drain."""
    drain = worker.drain
    if drain is None or worker.state is WorkerState.TERMINATING or worker.state.ended:
        return
    late_ms = now_ms - (until_ms(worker) or now_ms)
    if not worker.occupied:
        _emptied(state, changes, worker, now_ms)
    elif late_ms > 0 and on_blocked is OnBlocked.FORCE and not _waits_for_pods(state, worker, late_ms):
        end_attempts(state, changes, worker, now_ms)
    elif late_ms > 0:
        _blocked(state, changes, worker, drain, now_ms)


def _waits_for_pods(state: EngineState, worker: WorkerLife, late_ms: int) -> bool:
    """Past the deadline of a drain that is forced, its node gets some time in which its pods are deleted instead of evicted. While its
    cluster is not seen, nothing is ended."""
    node = worker.node
    if node is None:
        return False
    node.forced = True
    cluster = state.clusters.get(worker.spec.cluster)
    return late_ms <= FORCED_MS or cluster is None or bool(cluster.stale)


def end_attempts(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    """They are retried elsewhere; the worker is told to stop them."""
    if worker.drain is None or not worker.drain.keep:
        terminate(state, changes, worker, _why(worker), now_ms, cause=Cause.DRAINED)
        return
    message = sentences(f"Worker {worker.spec.name} was drained", _why(worker).text)
    for attempt in list(worker.live.values()):
        lose(state, changes, attempt, Cause.DRAINED, message, now_ms)
    changes.wake.add(worker.spec.name)
    if worker.node is not None:
        worker.node.forced = True
    if not worker.occupied:
        _emptied(state, changes, worker, now_ms)


def _emptied(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    drain = worker.drain
    if drain is None or not drain.keep:
        terminate(state, changes, worker, _why(worker), now_ms, cause=Cause.DRAINED)
    elif drain.empty_at_ms is None:
        worker.drain = replace(drain, empty_at_ms=now_ms, blocked_at_ms=None, alarmed_at_ms=None)
        state.dirty_workers[worker.spec.name] = worker
        text = f"{worker.spec.name} is drained. It stays, and costs, until it is uncordoned or removed."
        _tell(state, changes, worker, now_ms, "worker.drained", text)


def _blocked(state: EngineState, changes: Changes, worker: WorkerLife, drain: Drain, now_ms: int) -> None:
    if drain.alarmed_at_ms is not None and now_ms - drain.alarmed_at_ms < ALARM_EVERY_MS:
        return
    since_ms = drain.blocked_at_ms if drain.blocked_at_ms is not None else now_ms
    worker.drain = replace(drain, blocked_at_ms=since_ms, alarmed_at_ms=now_ms)
    state.dirty_workers[worker.spec.name] = worker
    _tell(state, changes, worker, now_ms, "worker.drain_blocked", blocked_text(state, worker, now_ms))


def _why(worker: WorkerLife) -> Reason:
    return worker.reason_removed or Reason(
        kind=ReasonKind.BY_HAND, text=f"{worker.spec.name} was drained by hand."
    )


def _tell(
    state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int, kind: str, text: str,
    actor: str = "herder",
) -> None:  # fmt: skip
    data: dict[str, object] = {"pool": worker.spec.pool, "plan": worker.spec.plan}
    data["state"] = worker.state.value
    record_event(state, changes, now_ms, kind, f"worker/{worker.spec.name}", text, actor=actor, data=data)
