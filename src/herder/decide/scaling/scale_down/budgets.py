"""How many workers of a pool may be disturbed at a time: the smallest of its disruption budgets that is in force, and what is left of it.

Asked by every step that drains workers by choice. What drains already uses the budget, whatever the reason. It must never allow more than
the budget, nor bound the end of a ttl unless a budget names it.
"""

from collections.abc import Set

from herder.decide.scaling.snapshot import PoolView
from herder.model.fleet.upkeep import USUAL_BUDGET, BudgetInForce, Disruption, budget_in_force
from herder.model.fleet.worker import WorkerState
from herder.model.ids import WorkerName
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import agree, counted, listed
from herder.model.values.times import iso

#: Workers that a reason names.
NAMED_MOST = 3


def in_force(view: PoolView, reason: Disruption, now_ms: int) -> BudgetInForce | None:
    """None: not bounded."""
    there = sum(not worker.state.in_flight for worker in view.workers)
    return budget_in_force(view.spec.scale_down.disruption_budget, reason, there, view.openings, now_ms)


def disruptions_left(
    view: PoolView, reason: Disruption, now_ms: int, leaving: Set[WorkerName] = frozenset()
) -> int:
    """How many more workers that work may be drained. `leaving`: workers that this plan drains already."""
    budget = in_force(view, reason, now_ms) or BudgetInForce(most=USUAL_BUDGET)
    also = sum(worker.name in leaving and worker.live_attempts > 0 for worker in view.staying)
    return max(0, budget.most - draining(view) - also)


def draining(view: PoolView) -> int:
    return sum(worker.state is WorkerState.DRAINING for worker in view.workers)


def budget_reason(view: PoolView, reason: Disruption, now_ms: int) -> Reason:
    budget = in_force(view, reason, now_ms) or BudgetInForce(most=USUAL_BUDGET)
    count = draining(view)
    text = (
        f"Pool {view.spec.name} drains at most {counted(budget.most, 'busy worker')} at a time ({budget}), and {count} "
        f"{agree(count, 'is', 'are')} being drained."
    )
    return Reason(
        kind=ReasonKind.DISRUPTION_BUDGET, text=text, evidence=evidence_of(budget, ("draining", count))
    )


def used_up(view: PoolView, budget: BudgetInForce, users: tuple[WorkerName, ...]) -> Reason:
    """Why no further worker is replaced. `users`: who is on the way out already."""
    name, most = view.spec.name, budget.most
    if most <= 0:
        text = f"Pool {name} replaces no worker now, because its disruption budget is 0 ({budget})."
    else:
        more = len(users) - NAMED_MOST
        who = listed([*users[:NAMED_MOST], *([f"{more} more"] if more > 0 else [])])
        text = f"The disruption budget of pool {name} is {most} ({budget}), and it is in use by {who}."
    evidence = evidence_of(budget, ("leaving", len(users)))
    return Reason(kind=ReasonKind.DISRUPTION_BUDGET, text=text, evidence=evidence)


def evidence_of(budget: BudgetInForce, used: tuple[str, int]) -> tuple[tuple[str, int | float | str], ...]:
    """What binds: the number, the budget that says it, and its window."""
    found: list[tuple[str, int | float | str]] = [used, ("disruption_budget", budget.most)]
    flips = f"disruption_budget above {budget.most}"
    if budget.most > 0:
        flips = f"the end of a drain, or {flips}"
    if budget.budget is not None and budget.budget.percent is not None:
        found.append(("percent", budget.budget.percent))
    if budget.budget is not None and budget.budget.window is not None and budget.until_ms is not None:
        found += [("window", str(budget.budget.window)), ("until_ms", budget.until_ms)]
        flips = f"{flips}, or the end of the window at {iso(budget.until_ms)}"
    return (*found, ("flips", flips))
