"""Interruption notices: a worker whose machine the provider takes back is drained within the time that it has left.

Called by `exchange.py` for what agents report and by `control/loops/interruptions.py` for what drivers announce. The first notice begins
the drain, and one that says an earlier time shortens it; a later time, a repeat or a withdrawal changes nothing, because the replacement
may be on its way. Time left is counted by whoever reports it, so that clocks need not agree. It never removes a worker by itself: the
drain does, when the worker is empty or at its deadline.
"""

from dataclasses import replace

from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.workers import offers
from herder.engine.workers.draining.drain_orders import change_deadline
from herder.engine.workers.draining.drain_texts import until_ms
from herder.engine.workers.worker import drain
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.notice import Notice, NoticeSource
from herder.model.fleet.offer import FailureCause
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.values.phrases import counted
from herder.model.values.times import span

#: A notice that is earlier by less says nothing new: it is the way of the messages.
EARLIER_MS = 2_000
#: More than this is no notice but a date.
LEFT_MAX_MS = 24 * 3_600_000


def announced(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    left_ms: int,
    source: NoticeSource,
    now_ms: int,
) -> None:
    """The provider takes its machine back in `left_ms`. May be said again and again."""
    if worker.state is WorkerState.TERMINATING or worker.state.ended:
        return
    at_ms, known = now_ms + min(max(0, left_ms), LEFT_MAX_MS), worker.health.notice
    if known is not None and (known.dismissed or at_ms > known.at_ms - EARLIER_MS):
        return
    worker.health.notice_told = False
    state.dirty_workers[worker.spec.name] = worker
    if known is None:
        worker.health.notice = Notice(since_ms=now_ms, at_ms=at_ms, source=source)
        _first(state, changes, worker, at_ms - now_ms, source, now_ms)
    else:
        worker.health.notice = replace(known, at_ms=at_ms)
        change_deadline(worker, now_ms, _runs_s(state, worker, now_ms))
        changes.wake.add(worker.spec.name)
        text = f"The provider takes the machine of {worker.spec.name} back earlier than announced, in {span(at_ms - now_ms)}."
        _tell(state, changes, worker, text, now_ms)


def _first(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    left_ms: int,
    source: NoticeSource,
    now_ms: int,
) -> None:
    name, runs_s = worker.spec.name, _runs_s(state, worker, now_ms)
    key = worker.spec.pool, source
    state.interruptions = {each: n for each, n in state.interruptions.items() if each[0] in state.pools}
    state.interruptions[key] = state.interruptions.get(key, 0) + 1
    state.fresh_demand = True  # what runs on it may have to go on elsewhere
    text = f"The provider takes the machine of {name} back in {span(left_ms)}."
    if worker.spec.spot:
        offers.failed(state, changes, worker, FailureCause.INTERRUPTED, text, now_ms)
    runs = (
        f" {counted(len(worker.live), 'attempt')} may run for another {span(int(runs_s * 1000))}."
        if worker.live
        else ""
    )
    _tell(state, changes, worker, f"{text} It gets no new work.{runs}", now_ms)
    if worker.state is WorkerState.DRAINING:
        change_deadline(worker, now_ms, runs_s)
        changes.wake.add(name)
        return
    evidence = (("left_s", left_ms // 1000), ("source", source.value))
    reason = Reason(kind=ReasonKind.INTERRUPTED, text=text, evidence=evidence)
    drain(state, changes, worker, reason, now_ms, timeout_s=runs_s)


def _runs_s(state: EngineState, worker: WorkerLife, now_ms: int) -> float:
    """How long its attempts may run: until `notice_margin` before the end, so that theirs are still reported; at most half of a short
    notice is given up. In a pool that forces drains no longer than `drain_grace` or a drain that is under way."""
    pool = state.pools.get(worker.spec.pool) or PoolSpec(name=worker.spec.pool)
    assert worker.health.notice is not None
    left_ms = max(0, worker.health.notice.at_ms - now_ms)
    runs_ms = left_ms - min(int(pool.lifetime.notice_margin_s * 1000), left_ms // 2)
    if pool.lifetime.on_blocked is OnBlocked.FORCE:
        limit_ms = until_ms(worker)
        grace_ms = int(pool.lifetime.drain_grace_s * 1000)
        runs_ms = min(runs_ms, grace_ms if limit_ms is None else max(0, limit_ms - now_ms))
    return runs_ms / 1000


def _tell(state: EngineState, changes: Changes, worker: WorkerLife, text: str, now_ms: int) -> None:
    notice = worker.health.notice
    assert notice is not None
    data: dict[str, object] = {
        "pool": worker.spec.pool,
        "state": worker.state.value,
        "source": notice.source.value,
        "left_s": (notice.at_ms - now_ms) // 1000,
    }
    record_event(state, changes, now_ms, "worker.interrupted", f"worker/{worker.spec.name}", text, data=data)
