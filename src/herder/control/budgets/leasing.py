"""Leases on budgets for the rest of the control plane: reserve, renew, settle, expire, and what is left.

Called by whatever spends: the planner's cycle and the workers' loops, accounts of jobs, and the API. All are synchronous steps of the event loop; the rows
go into the `changes` of the caller, who commits before it tells anybody. A refusal changes nothing.
"""

from collections.abc import Iterable

from herder.control.kernel.budget_rows import put_rows
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.ledger.budgets import transfers
from herder.ledger.budgets.leases import Lease, Refused
from herder.ledger.budgets.spec import Scope, Unit
from herder.model.stored.changes import Changes

#: Lease, or why not. `Refused` names the budget that binds.
Answer = Lease | Refused


def reserve(
    core: Core,
    changes: Changes,
    budgets: str | Iterable[str],
    lease_id: str,
    amount: int,
    until_ms: int,
    *,
    cost: int = 0,
) -> Answer:
    """`cost`: what the holder had cost before, which no budget pays; `amount`: the most that can be spent until `until_ms`. The same question again has the same answer. Raises KeyError for an unknown budget, BudgetError."""
    names = (budgets,) if isinstance(budgets, str) else tuple(budgets)
    now_ms, leases = core.clock.now_ms(), core.budgets
    found = leases.reserve(lease_id, names, amount, until_ms, now_ms, cost=cost)
    while isinstance(found, Refused) and transfers.borrow(leases, found.budget, amount - found.left, now_ms):
        found = leases.reserve(lease_id, names, amount, until_ms, now_ms, cost=cost)
    _mark(core, found, names, amount, now_ms)
    put_rows(leases, changes, now_ms)
    return found


def renew(
    core: Core,
    changes: Changes,
    lease_id: str,
    number: int,
    cost: int,
    amount: int,
    until_ms: int,
    *,
    remote: bool = False,
) -> Answer:
    """Settle the quantum with this number, and reserve the next. `cost`: of the lease from its beginning; `remote`: the holder may not hear the answer, so at least
    what is left of its quantum is reserved. Refused: the lease stays as it was, until its end. Raises KeyError, BudgetError."""
    now_ms, leases = core.clock.now_ms(), core.budgets
    found = leases.renew(lease_id, number, cost, amount, until_ms, now_ms, remote=remote)
    while isinstance(found, Refused) and transfers.borrow(leases, found.budget, amount - found.left, now_ms):
        found = leases.renew(lease_id, number, cost, amount, until_ms, now_ms, remote=remote)
    names = () if isinstance(found, Refused) else found.budgets
    _mark(core, found, names, amount, now_ms)
    put_rows(leases, changes, now_ms)
    return found


def _mark(core: Core, found: Answer, names: tuple[str, ...], amount: int, now_ms: int) -> None:
    """For alerts: a budget that refuses is exhausted, until it pays for as much again."""
    if isinstance(found, Refused):
        core.budgets.budgets[found.budget].lack(amount, now_ms)
        return
    for each in core.budgets.chain(names):
        if each.lacked is not None and amount >= each.lacked[0]:
            each.lacked = None


def settle(core: Core, changes: Changes, lease_id: str, cost: int) -> Lease | None:
    """The holder is done; `cost`: of the lease from its beginning. Also of one that has expired. None: it is settled already. Raises BudgetError."""
    now_ms = core.clock.now_ms()
    found = core.budgets.settle(lease_id, cost, now_ms)
    put_rows(core.budgets, changes, now_ms)
    return found


def restate(core: Core, changes: Changes, lease_id: str, cost: int) -> None:
    """Its holder has cost less than it had reported; `cost` as ever from the beginning of the lease. Raises KeyError for one that does not live."""
    core.budgets.restate(lease_id, cost)
    put_rows(core.budgets, changes, core.clock.now_ms())


def expire(core: Core, changes: Changes, now_ms: int) -> list[Lease]:
    """Those whose end has come, with an event each: they count as all that they had reserved."""
    over = core.budgets.expire(now_ms)
    for lease in over:
        text = f"Lease {lease.id} on budget {', '.join(lease.budgets)} was not settled by its end and counts in full."
        record_event(core.state, changes, now_ms, "budget.lease_expired", f"budget/{lease.budgets[0]}", text)
    put_rows(core.budgets, changes, now_ms)
    return over


def left(core: Core, budgets: str | Iterable[str]) -> int | None:
    """What can be reserved now, through the whole hierarchy; None: nothing limits it. Raises KeyError."""
    names = (budgets,) if isinstance(budgets, str) else budgets
    return core.budgets.left(names, core.clock.now_ms())


def budget_of_pool(core: Core, pool: str) -> str | None:
    """None: the pool has no budget."""
    return core.budgets.budget_for(Scope.POOL, pool, Unit.USD)


def budgets_of_account(
    core: Core, user: str, project: str, division: str = "", unit: Unit = Unit.USD
) -> tuple[str, ...]:
    """Those that a job of this user and project is paid from; empty: nothing limits it."""
    of = ((Scope.USER, user), (Scope.PROJECT, project), (Scope.DIVISION, division))
    found = (core.budgets.budget_for(scope, subject, unit) for scope, subject in of if subject)
    return tuple(name for name in found if name is not None)
