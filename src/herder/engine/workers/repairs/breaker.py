"""The circuit breaker of repairs: how many workers of a pool may be under repair, and what else holds a rung back.

Called by `repair.py` before a rung begins, and by reads. When many workers of a pool are sick at once, the cause is seldom in the workers,
and restarting or replacing all of them would take away the rest of the pool.
"""

from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.memory.worker_repair import Step
from herder.engine.workers.repairs import upgrades
from herder.engine.workers.worker import history_of
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.repair import RESTARTS, Condition, Outcome, Rung
from herder.model.fleet.worker import WorkerState
from herder.model.ids import WorkerName
from herder.model.values.phrases import agree, counted
from herder.model.values.times import span

#: Repairs of a pool that are remembered, the newest.
REMEMBERED = 1_000


def begun(state: EngineState, worker: WorkerLife, rung: Rung, now_ms: int) -> None:
    if rung.disrupts:
        repairs = history_of(state, worker.spec.pool).repairs_ms
        repairs.pop(worker.spec.name, None)
        repairs[worker.spec.name] = now_ms
        while len(repairs) > REMEMBERED:
            del repairs[next(iter(repairs))]


def held(state: EngineState, worker: WorkerLife, pool: PoolSpec, rung: Rung, now_ms: int) -> str:
    """Why this rung may not begin now, as a sentence; empty when it may."""
    name, driver = worker.spec.name, worker.spec.driver
    stays = f"Worker {name} is not repaired ({rung})"
    if worker.spec.pool not in state.pools:
        return f"{stays}, because its pool {worker.spec.pool} was deleted."
    if rung in (Rung.UPGRADE, Rung.REPLACE) and pool.frozen:
        return f"{stays}, because pool {pool.name} is frozen."
    if driver in state.frozen_drivers and (rung is Rung.REPLACE or rung in RESTARTS):
        return f"{stays}, because driver {driver} is frozen."
    if not rung.disrupts:
        return ""
    if rung is Rung.UPGRADE and (waits := upgrades.held(state, worker, pool, now_ms)):
        return waits
    found, most = under_repair(state, pool, now_ms) - {name}, limit(state, pool)
    if len(found) < most:
        return ""
    if most == 0:
        which = "workers" if pool.repair.breaker.workers <= 0 else "percent"
        return f"{stays}, because repair_breaker of pool {pool.name} has {which}: 0. Set {which} of repair_breaker to 1 or more."
    within = span(int(pool.repair.breaker.window_s * 1000))
    return (
        f"{stays}, because the breaker of pool {pool.name} is open: {counted(len(found), 'other worker')} "
        f"{agree(len(found), 'is', 'are')} under repair, or began one within the last {within}, and the limit is {most} (repair_breaker)."
    )


def limit(state: EngineState, pool: PoolSpec) -> int:
    size = sum(
        worker.spec.pool == pool.name and worker.ready_at_ms is not None and not _leaves(worker)
        for worker in state.workers.values()
    )
    return pool.repair.breaker.limit(size)


def under_repair(state: EngineState, pool: PoolSpec, now_ms: int) -> set[WorkerName]:
    """Workers of the pool whose repair is not over, or began within the breaker's window."""
    since_ms = now_ms - int(pool.repair.breaker.window_s * 1000)
    history = state.history.get(pool.name)
    found = {each for each, at_ms in history.repairs_ms.items() if at_ms > since_ms} if history else set()
    return found | {each.spec.name for each in state.workers.values() if _is_repaired(each, pool, now_ms)}


def _is_repaired(worker: WorkerLife, pool: PoolSpec, now_ms: int) -> bool:
    """Until it is well, its repair was escalated, the cooldown is over, or its drain is blocked (on_blocked: wait): a worker that never
    recovers must not block the others forever."""
    repair = worker.health.repair
    if repair is None or worker.spec.pool != pool.name or not repair.rung.disrupts:
        return False
    if worker.health.quarantined_at_ms is not None:
        return False
    if worker.state.leaving:
        blocked = worker.drain is not None and worker.drain.blocked_at_ms is not None
        return repair.rung is Rung.REPLACE and worker.state is WorkerState.DRAINING and not blocked
    if repair.step is not Step.ACTED:
        return repair.blocked_at_ms is None
    acted_ms = repair.since_ms if repair.acted_at_ms is None else repair.acted_at_ms
    waits = now_ms - acted_ms < pool.repair.cooldown_s * 1000
    return waits and repair.well_since_ms is None and not repair.escalated


def _leaves(worker: WorkerLife) -> bool:
    """Whether it leaves for another reason than its repair. Then it no longer counts as part of the pool."""
    repair = worker.health.repair
    return worker.state.leaving and not (repair is not None and repair.rung is Rung.REPLACE)


def count(state: EngineState, worker: WorkerLife, condition: Condition, rung: Rung, outcome: Outcome) -> None:
    """Of the pools that exist, so that the metrics are bounded."""
    state.repairs[worker.spec.pool, condition, rung, outcome] += 1
    for key in [each for each in state.repairs if each[0] not in state.pools]:
        del state.repairs[key]
