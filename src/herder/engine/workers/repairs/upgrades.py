"""Upgrades of operating systems in place, a rung of the repair ladder: when one may begin, and when it has come to its end.

Called by `breaker.py` before the rung begins and by `repair.py` while it is awaited. An upgrade changes a worker that works, so it keeps to
maintenance windows and disruption budgets, as replacements do. `state.openings` is written by the loop of bootstraps. Nothing here calls one.
"""

from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.workers.repairs.ladder import active
from herder.model.fleet.membership import LivesBy
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.repair import Condition, Rung
from herder.model.fleet.upkeep import Disruption, budget_in_force, windows_named
from herder.model.fleet.worker import WorkerState
from herder.model.values.phrases import agree, counted
from herder.model.values.times import span

#: A machine that is upgraded must have its new version within this time; then the worker takes work again, and the next rung comes.
UPGRADED_WITHIN_MS = 1_800_000


def held(state: EngineState, worker: WorkerLife, pool: PoolSpec, now_ms: int) -> str:
    """Why the upgrade may not begin now, as a sentence; empty when it may."""
    stays = f"Worker {worker.spec.name} is not upgraded yet"
    if worker.cordoned:
        return (
            f"{stays}, because it is cordoned. Uncordon it with `herder worker uncordon {worker.spec.name}`."
        )
    openings = state.openings.get(pool.name, ())
    windows = pool.upkeep.maintenance_windows
    if windows and not any(each.window in windows and each.open(now_ms) for each in openings):
        soon = min(
            (each.start_ms for each in openings if each.window in windows and each.start_ms > now_ms),
            default=None,
        )
        when = "" if soon is None else f" The next one opens in {span(soon - now_ms)}."
        return f"{stays}, because no maintenance window of pool {pool.name} is open.{when}"
    if windows_named(pool.scale_down.disruption_budget, ()) and pool.name not in state.openings:
        return f"{stays}, because the windows of the disruption budget of pool {pool.name} are not known yet."
    mine = [each for each in state.workers.values() if each.spec.pool == pool.name]
    there = sum(not each.state.in_flight for each in mine)
    budget = budget_in_force(pool.scale_down.disruption_budget, Disruption.DRIFTED, there, openings, now_ms)
    away = sum(each is not worker and (each.state.leaving or _is_away(each)) for each in mine)
    if budget is None or away < budget.most:
        return ""
    others = f"{counted(away, 'other worker')} of pool {pool.name} {agree(away, 'is', 'are')} away"
    return f"{stays}, because {others}, and the limit is {budget.most} ({budget})."


def _is_away(worker: WorkerLife) -> bool:
    """Whether it takes no work: it is sick, or being repaired or upgraded."""
    repair = worker.health.repair
    if worker.state is WorkerState.UNHEALTHY:
        return True
    return repair is not None and repair.rung.disrupts and (repair.under_way or repair.rejoins)


def awaited(worker: WorkerLife) -> bool:
    """Whether its machine is to come back with another version."""
    repair = worker.health.repair
    by_node = worker.spec.membership.lives_by is LivesBy.NODE
    return repair is not None and repair.rung is Rung.UPGRADE and repair.rejoins and by_node


def follow(state: EngineState, worker: WorkerLife, now_ms: int) -> None:
    """Until its operating system says that it has the version, or the time is over."""
    repair = worker.health.repair
    assert repair is not None
    late = now_ms - (repair.acted_at_ms or repair.since_ms) >= UPGRADED_WITHIN_MS
    outdated = Condition.OUTDATED in active(worker.health)
    if outdated and not late:
        return
    repair.rejoins = False
    if outdated:
        repair.result += f" It did not have the new version {span(UPGRADED_WITHIN_MS)} later."
    state.dirty_workers[worker.spec.name] = worker
