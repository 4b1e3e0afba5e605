"""Workers and the budgets of their pools: the first lease with the claim, and what the planner sees of budgets.

Called by whatever claims workers, in the commit of the claim, and for each observation. A worker of a pool without a budget, or that costs
nothing, has no lease. Renewals are those of `control/loops/worker_leases.py`, settlements those of `control/kernel/worker_leases.py`.
"""

from collections.abc import Sequence

from herder.control.budgets import leasing
from herder.control.budgets.words import amount
from herder.control.kernel.bounds.errors import Conflict
from herder.control.kernel.core import Core
from herder.control.kernel.worker_leases import cost_of_lease, lease_id, lease_of
from herder.engine.memory.state import WorkerLife
from herder.ledger.budgets.leases import Lease, Refused
from herder.ledger.budgets.spec import Unit
from herder.ledger.budgets.transfers import borrowable
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PoolName
from herder.model.planning.budgets import NO_BUDGETS, BudgetLeft, BudgetsLeft, bounded
from herder.model.stored.changes import Changes
from herder.model.values.money import PICO_PER_CENT, most_cost_of
from herder.model.values.phrases import agree, counted
from herder.model.values.times import span

#: A lease is renewed when this part of its quantum is left.
RENEW_PART = 3


def quantum_ms(core: Core) -> int:
    return int(core.settings.budget_quantum_s * 1000)


def next_quantum(core: Core, spec: WorkerSpec) -> int:
    """What a worker reserves at a time, in pico-USD."""
    return most_cost_of(spec.price_pico_per_hour, quantum_ms(core))


def is_due(core: Core, lease: Lease, now_ms: int) -> bool:
    """Also when it ends later than any can: the clock was set back."""
    quantum, left_ms = quantum_ms(core), lease.until_ms - now_ms
    return left_ms <= quantum // RENEW_PART or left_ms > quantum


def reserve_first(
    core: Core, changes: Changes, spec: WorkerSpec, now_ms: int, life: WorkerLife | None = None
) -> Lease | Refused | None:
    """None: nothing has to be reserved. `life`: it exists already; only what it costs from now on is paid."""
    budget = leasing.budget_of_pool(core, spec.pool)
    needs = next_quantum(core, spec)
    if budget is None or not needs:
        return None
    cost = 0 if life is None else cost_of_lease(None, life, now_ms)
    until_ms = now_ms + quantum_ms(core)
    return leasing.reserve(core, changes, budget, lease_id(spec.name), needs, until_ms, cost=cost)


def check_paid(core: Core, specs: Sequence[WorkerSpec], field: str, *, otherwise: str) -> None:
    """Whether the budget of their pool pays for the first quantum of all of them. Raises Conflict."""
    budget = leasing.budget_of_pool(core, specs[0].pool) if specs else None
    if budget is None:
        return
    left, needs = left_of(core, budget), sum(next_quantum(core, spec) for spec in specs)
    for each in core.budgets.chain((budget,)):
        mine = left.get(each.spec.name)
        if mine is not None and needs > mine:
            has, ceiling = amount(max(0, mine), Unit.USD), each.ceiling(core.clock.now_ms()) or 0
            raise Conflict(
                f"Budget {each.spec.name} has {has} of {amount(ceiling, Unit.USD)} left, and {counted(len(specs), 'more worker')} "
                f"{agree(len(specs), 'reserves', 'reserve')} {amount(needs, Unit.USD)} for the first {span(quantum_ms(core))}.",
                field=field,
                hint=f"Raise the limit of budget {each.spec.name}, or {otherwise}.",
            )


def left_of(core: Core, budget: str) -> dict[str, int | None]:
    """By name, of a budget and those above it: what may be reserved for more workers. What workers have to renew soon comes first."""
    now_ms = core.clock.now_ms()
    owed = _owed(core, now_ms)
    return {
        each.spec.name: None
        if (left := each.left(now_ms)) is None
        else left + borrowable(core.budgets, each, now_ms) - owed.get(each.spec.name, 0)
        for each in core.budgets.chain((budget,))
    }


def budgets_left(core: Core, now_ms: int) -> BudgetsLeft:
    """For the planner: the budgets of all pools, and those above them."""
    if not core.budgets.budgets:
        return NO_BUDGETS
    pools = tuple(
        (PoolName(pool), budget)
        for pool in sorted(core.state.pools)
        if (budget := leasing.budget_of_pool(core, pool)) is not None
    )
    owed = _owed(core, now_ms)
    budgets = []
    for each in core.budgets.chain(budget for _, budget in pools):
        left, ceiling = each.left(now_ms), each.ceiling(now_ms)
        loans = borrowable(core.budgets, each, now_ms)
        budgets.append(
            BudgetLeft(
                name=each.spec.name,
                limit_cents=None if ceiling is None else (ceiling + loans) // PICO_PER_CENT,
                left=None if left is None else bounded(left + loans - owed.get(each.spec.name, 0)),
                parent=each.spec.parent or None,
            )
        )
    return BudgetsLeft(quantum_ms=quantum_ms(core), budgets=tuple(budgets), pools=pools)


def _owed(core: Core, now_ms: int) -> dict[str, int]:
    """By budget: what workers that stay have to reserve next, beyond what comes back of their leases."""
    owed: dict[str, int] = {}
    for worker in core.state.workers.values():
        lease = None if worker.state.leaving else lease_of(core.budgets, worker.spec.name)
        if lease is None or not is_due(core, lease, now_ms) or not core.budgets.pays(lease):
            continue
        more = next_quantum(core, worker.spec) - unused(lease, worker, now_ms)
        for each in core.budgets.chain(lease.budgets):
            owed[each.spec.name] = owed.get(each.spec.name, 0) + max(0, more)
    return owed


def unused(lease: Lease, worker: WorkerLife, now_ms: int) -> int:
    """What would come back of its lease now."""
    return max(0, lease.amount - cost_of_lease(lease, worker, now_ms) + lease.cost)
