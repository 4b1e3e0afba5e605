"""What is shown of the end of a live worker: the time left, its extensions, and what happens next. Used by the views of workers."""

from herder.control.kernel.core import Core
from herder.engine.memory.state import WorkerLife
from herder.engine.workers.expiry import next_step, soft_expiry_ms
from herder.model.fleet.pool import PoolSpec
from herder.model.values.times import iso_or_none
from herder.wire.resources import WorkerView


def add_expiry(core: Core, worker: WorkerLife, view: WorkerView) -> None:
    known = core.state.pools.get(worker.spec.pool)
    pool = known or PoolSpec(name=worker.spec.pool)
    frozen = pool.frozen or pool.driver in core.state.frozen_drivers
    now_ms = core.clock.now_ms()
    step, at_ms = next_step(worker, pool, frozen, now_ms)
    view.next_step, view.next_at = step.value, iso_or_none(at_ms)
    view.extensions_max = None if known is None else known.lifetime.extensions_max
    view.soft_expires_at = iso_or_none(soft_expiry_ms(worker, pool))
    if worker.expires_at_ms is not None:
        view.time_left_s = (worker.expires_at_ms - now_ms) // 1000
