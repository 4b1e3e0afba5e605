"""What is shown of the end of a live worker: the time left, its extensions, and what happens next. Used by the views of workers."""

from herder.control.kernel.core import Core
from herder.engine.memory.state import WorkerLife, pool_of
from herder.engine.workers.expiry import is_frozen, next_step, soft_expiry_ms
from herder.model.values.times import iso_or_none
from herder.wire.api.resources import WorkerView


def add_expiry(core: Core, worker: WorkerLife, view: WorkerView) -> None:
    known, pool, now_ms = (
        core.state.pools.get(worker.spec.pool),
        pool_of(core.state, worker),
        core.clock.now_ms(),
    )
    step, at_ms = next_step(worker, pool, is_frozen(core.state, pool), now_ms)
    view.next_step, view.next_at = step.value, iso_or_none(at_ms)
    view.extensions_max = None if known is None else known.lifetime.extensions_max
    view.soft_expires_at = iso_or_none(soft_expiry_ms(worker, pool))
    if worker.expires_at_ms is not None:
        view.time_left_s = (worker.expires_at_ms - now_ms) // 1000
