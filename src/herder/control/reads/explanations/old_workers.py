"""Why a worker that is old, or not as its pool wants it, is still there: its expiry, and what its replacement waits for.

Used by `why_worker`. It asks the planner what it would do now, and decides nothing itself.
"""

from functools import partial

from herder.control.kernel.core import Core
from herder.control.planning.observation import observe_now
from herder.engine.memory.state import WorkerLife, pool_of
from herder.engine.workers.expiry import drain_time, is_frozen, removal_ms
from herder.model.ids import WorkerName
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import agree, counted
from herder.model.values.times import iso


async def why_still_there(core: Core, name: str) -> tuple[Reason, ...]:
    """Empty for a worker that has ended or is on its way out: its events say that."""
    worker = core.state.workers.get(WorkerName(name))
    if worker is None or worker.state.leaving:
        return ()
    answer = await core.planning.ask(partial(observe_now, core))
    found = [] if (ends := _expiry(core, worker)) is None else [ends]
    replaced = None if answer.steps is None else answer.steps.replaced.get(worker.spec.pool)
    if replaced is not None:
        found += [reason for held, reason in replaced.waiting if held == name]
        found += [drain.reason for drain in replaced.drains if drain.worker == name]
    return tuple(found)


def _expiry(core: Core, worker: WorkerLife) -> Reason | None:
    at_ms, now_ms, name = worker.expires_at_ms, core.clock.now_ms(), worker.spec.name
    pool = pool_of(core.state, worker)
    if at_ms is None or worker.state.in_flight:
        return None
    evidence = (("expires_at_ms", at_ms), ("extensions", worker.extensions))
    if now_ms < at_ms:
        text = f"{name} reaches the end of its ttl at {iso(at_ms)}."
    elif is_frozen(core.state, pool):
        frozen = next((each for each in pool.drivers if each in core.state.frozen_drivers), "")
        what = f"pool {pool.name}" if pool.frozen else f"driver {frozen}"
        text = f"{name} reached the end of its ttl at {iso(at_ms)} and stays, because {what} is frozen."
    else:
        running, drains_ms = len(worker.live), removal_ms(pool, at_ms)
        text = (
            f"{name} reached the end of its ttl at {iso(at_ms)} and takes no new work; {counted(running, 'attempt')} "
            f"{agree(running, 'runs', 'run')} on. {drain_time(worker, pool, f'at {iso(max(drains_ms, now_ms))}')}"
        )
    return Reason(kind=ReasonKind.EXPIRED, text=text, evidence=evidence)
