"""How long a drain that begins now may last. Called by `worker.py` and `drains.py`; it changes no state of a worker but its drain."""

from dataclasses import replace

from herder.engine.memory.state import EngineState, WorkerLife, pool_of
from herder.model.fleet.drain import Drain


def drain_order(
    state: EngineState, worker: WorkerLife, now_ms: int, timeout_s: float | None, *, keep: bool, by_hand: bool
) -> Drain:
    """The drain that begins now. One that is under way goes on with its deadline, unless the order has one of its own."""
    if worker.drain is not None:
        if timeout_s is not None:
            change_deadline(worker, now_ms, timeout_s)
        return replace(worker.drain, keep=keep, by_hand=by_hand, empty_at_ms=None)
    if not worker.state.in_flight:
        worker.excused_ms = 0
    if worker.node is not None:
        worker.node.begin_emptying()
    time_s = pool_of(state, worker).lifetime.drain_grace_s if timeout_s is None else timeout_s
    timeout_ms = int(time_s * 1000)
    return Drain(
        since_ms=now_ms,
        deadline_ms=now_ms + timeout_ms,
        keep=keep,
        attempts=worker.busy,
        by_hand=by_hand,
        timeout_ms=timeout_ms,
    )


def change_deadline(worker: WorkerLife, now_ms: int, timeout_s: float) -> None:
    """Attempts may run for so long from now on."""
    timeout_ms = int(timeout_s * 1000)
    if worker.drain is not None:
        worker.drain = worker.drain.until(now_ms + timeout_ms - worker.excused_ms, timeout_ms)
