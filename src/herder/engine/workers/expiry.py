"""The end of a worker's time to live: the announcement, the moment itself, and extensions.

Called by `deadlines.tick` twice a second, and `extend` by people. At its expiry a worker takes no new work; the planner then removes it: at
once when it is idle, after the pool's `ttl_grace` when attempts run on it. Until that removal has begun an extension is in time. What was
announced is in the worker's row, so that a restart announces nothing twice and forgets nothing. It must never remove a worker.
"""

from enum import StrEnum

from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState, WorkerLife
from herder.model.fleet.lifetime import soft_end_ms
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerState
from herder.model.stored.changes import Changes
from herder.model.values.phrases import agree, counted, seconds_until
from herder.model.values.times import iso

#: What `ttl_max` must leave, or an extension is said to be impossible.
LEAST_EXTENSION_MS = 1_000
_STAYING = (WorkerState.READY, WorkerState.UNHEALTHY)


def look(state: EngineState, changes: Changes, worker: WorkerLife, pool: PoolSpec, now_ms: int) -> None:
    """What time alone brings. A frozen pool keeps its workers, so they go on working there."""
    at_ms = worker.expires_at_ms
    if at_ms is None or worker.state not in _STAYING:
        return
    if now_ms < at_ms:
        if worker.warned_expiry_ms != at_ms and now_ms >= at_ms - int(pool.lifetime.ttl_warning_s * 1000):
            _warn(state, changes, worker, pool, at_ms, now_ms)
        return
    frozen = is_frozen(state, pool)
    if frozen and worker.expired_ms is not None:
        open_again(state, worker)
    elif not frozen and worker.expired_ms is None:
        _expire(state, changes, worker, pool, at_ms, now_ms)


def is_frozen(state: EngineState, pool: PoolSpec) -> bool:
    """Whether the pool keeps its expired workers: it or one of its drivers is frozen."""
    return pool.frozen or any(driver in pool.drivers for driver in state.frozen_drivers)


def removal_ms(pool: PoolSpec, expires_at_ms: int) -> int:
    """When a worker that is busy at its expiry begins to drain."""
    return expires_at_ms + int(pool.lifetime.ttl_grace_s * 1000)


class NextStep(StrEnum):
    """What the clock brings a worker next."""

    NONE = ""
    READY = "ready"
    """It is starting: its ttl counts from when it can work."""
    WARNING = "warning"
    SOFT_TTL = "soft_ttl"
    """From then on it is replaced, when a window is open and the budget allows it."""
    EXPIRY = "expiry"
    DRAIN = "drain"
    """It has expired and attempts run on it."""
    REMOVAL = "removal"
    FROZEN = "frozen"
    """It has expired, and its pool keeps it."""


def next_step(worker: WorkerLife, pool: PoolSpec, frozen: bool, now_ms: int) -> tuple[NextStep, int | None]:
    """With its time; None: not known, or now."""
    at_ms = worker.expires_at_ms
    if worker.state is WorkerState.DRAINING:
        grace_ms = int(pool.lifetime.drain_grace_s * 1000) + worker.excused_ms
        return NextStep.REMOVAL, (worker.draining_at_ms or now_ms) + grace_ms
    if worker.state.leaving:
        return NextStep.REMOVAL, None
    if worker.state.in_flight:
        return (NextStep.NONE if at_ms is None else NextStep.READY), None
    if at_ms is not None and now_ms >= at_ms:
        if frozen:
            return NextStep.FROZEN, None
        return (NextStep.DRAIN, removal_ms(pool, at_ms)) if worker.busy else (NextStep.REMOVAL, None)
    coming = [(NextStep.SOFT_TTL, soft_expiry_ms(worker, pool)), (NextStep.EXPIRY, at_ms)]
    if at_ms is not None and worker.warned_expiry_ms != at_ms and pool.lifetime.ttl_warning_s > 0:
        coming.insert(0, (NextStep.WARNING, at_ms - int(pool.lifetime.ttl_warning_s * 1000)))
    known = [(step, time_ms) for step, time_ms in coming if time_ms is not None and time_ms > now_ms]
    return min(known, key=lambda each: each[1], default=(NextStep.NONE, None))


def soft_expiry_ms(worker: WorkerLife, pool: PoolSpec) -> int | None:
    return soft_end_ms(
        worker.spec.name,
        worker.ready_at_ms,
        pool.lifetime.ttl_soft_s,
        pool.lifetime.ttl_jitter,
        extended=worker.extensions > 0,
    )


def extension_limit(worker: WorkerLife, pool: PoolSpec) -> str | None:
    """Why the worker can be extended no more, as a clause; None while it can be, as far as its pool decides."""
    most, at_ms = pool.lifetime.extensions_max, worker.expires_at_ms
    if most == 0:
        return f"pool {pool.name} allows no extensions (extensions_max: 0)"
    if worker.extensions >= most:
        return f"it was extended {counted(worker.extensions, 'time')}, the maximum of pool {pool.name} (extensions_max)"
    if at_ms is None or pool.lifetime.ttl_max_s is None:
        return None
    latest_ms = (worker.ready_at_ms or worker.requested_at_ms) + int(pool.lifetime.ttl_max_s * 1000)
    if latest_ms - at_ms >= LEAST_EXTENSION_MS:
        return None
    return f"that is the longest life in pool {pool.name} (ttl_max)"


def drain_time(worker: WorkerLife, pool: PoolSpec, when: str) -> str:
    """When a busy worker that has expired drains, and whether an extension can change that."""
    limit = extension_limit(worker, pool)
    if limit is None:
        return f"It drains {when} (ttl_grace), unless it is extended."
    return f"It drains {when} (ttl_grace) and cannot be extended: {limit}."


def extend(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    until_ms: int,
    now_ms: int,
    *,
    actor: str,
    message: str,
) -> None:
    """Only a worker whose removal has not begun: the caller has looked."""
    worker.expires_at_ms = until_ms
    worker.extensions += 1
    open_again(state, worker)
    text = message or f"The ttl of {worker.spec.name} was extended to {iso(until_ms)}."
    _tell(state, changes, worker, now_ms, "worker.extended", text, actor)


def open_again(state: EngineState, worker: WorkerLife) -> None:
    worker.expired_ms = None
    if worker.state is WorkerState.READY and worker.spec.membership.takes_jobs:
        state.open_workers.add(worker.spec.name)
    state.dirty_workers[worker.spec.name] = worker


def _warn(
    state: EngineState, changes: Changes, worker: WorkerLife, pool: PoolSpec, at_ms: int, now_ms: int
) -> None:
    worker.warned_expiry_ms = at_ms
    state.dirty_workers[worker.spec.name] = worker
    name, limit = worker.spec.name, extension_limit(worker, pool)
    keep = f"To keep it: herder worker extend {name}" if limit is None else f"It cannot be extended: {limit}."
    text = f"{name} reaches the end of its ttl in {seconds_until(at_ms, now_ms)}, at {iso(at_ms)}. {keep}"
    _tell(state, changes, worker, now_ms, "worker.expires_soon", text)


def _expire(
    state: EngineState, changes: Changes, worker: WorkerLife, pool: PoolSpec, at_ms: int, now_ms: int
) -> None:
    worker.expired_ms = at_ms
    state.dirty_workers[worker.spec.name] = worker
    running = len(worker.live)
    if not running:
        return  # it is removed at once, and that is told
    drains_ms = removal_ms(pool, at_ms)
    then = drain_time(worker, pool, f"in {seconds_until(drains_ms, now_ms)}")
    if drains_ms <= now_ms:
        then = "It drains now."
    text = (
        f"{worker.spec.name} reached the end of its ttl at {iso(at_ms)} and takes no new work; "
        f"{counted(running, 'attempt')} {agree(running, 'runs', 'run')} on. {then}"
    )
    _tell(state, changes, worker, now_ms, "worker.expired", text)


def _tell(
    state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int, kind: str, text: str, actor: str = "herder"
) -> None:  # fmt: skip
    data: dict[str, object] = {
        "pool": worker.spec.pool,
        "state": worker.state.value,
        "expires_at_ms": worker.expires_at_ms,
    }
    record_event(state, changes, now_ms, kind, f"worker/{worker.spec.name}", text, actor=actor, data=data)
