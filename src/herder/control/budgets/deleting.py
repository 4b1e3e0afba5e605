"""Deletion of budgets: refused while something depends on one, at once where nothing is reserved, else when its last lease has ended.

Its workers and jobs go on: their leases are settled at the next look of the loops that keep them. Leases of people settle or expire.
"""

from herder.control.access.access_check import FLEET, check
from herder.control.budgets.access import budget_named
from herder.control.budgets.words import amount, amounts_in
from herder.control.kernel.bounds.errors import Conflict
from herder.control.kernel.budget_rows import put_deleted, put_rows
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.ledger.budgets import deleting
from herder.ledger.budgets.budget import Budget
from herder.ledger.budgets.leases import BudgetError
from herder.model.permissions import Action, Kind, Principal, Thing
from herder.model.stored.changes import Changes
from herder.model.values.phrases import agree, counted
from herder.model.values.times import iso
from herder.wire.api.resources import Result


def delete(core: Core, who: Principal, name: str, changes: Changes, now_ms: int) -> Result:
    """Raises Refused."""
    check(who, Action.REMOVE, Thing(kind=Kind.POOL, name=name))
    budget = budget_named(core, name)
    stays = _not_returned(core, budget)
    if budget.deleting and deleting.leases_of(budget):
        return Result(
            object=f"budget/{name}", text=f"Budget {name} is being deleted already. {waits(core, budget)}"
        )
    try:
        gone = deleting.delete(core.budgets, name)
    except BudgetError as error:
        raise Conflict(amounts_in(error, budget.spec.unit)) from None
    put_rows(core.budgets, changes, now_ms)
    if gone:
        put_deleted(changes, budget, now_ms)
        text, kind = f"Budget {name} was deleted by {who.user}.{stays}", "budget.deleted"
    else:
        text, kind = (
            f"Budget {name} is being deleted by {who.user}. {waits(core, budget)}{stays}",
            "budget.deleting",
        )
    record_event(core.state, changes, now_ms, kind, f"budget/{name}", text, actor=who.actor)
    return Result(object=f"budget/{name}", text=text)


def keep(core: Core, who: Principal, name: str, changes: Changes, now_ms: int) -> Result:
    """It limits again. Raises Refused where it is not being deleted."""
    check(who, Action.CHANGE, FLEET)
    budget = budget_named(core, name)
    if not budget.deleting:
        raise Conflict(f"Budget {name} is not being deleted.", hint="Nothing was changed.")
    return Result(object=f"budget/{name}", text=kept(core, budget, changes, now_ms, actor=who.actor))


def kept(core: Core, budget: Budget, changes: Changes, now_ms: int, *, actor: str) -> str:
    """With its event; answers its sentence."""
    name = budget.spec.name
    deleting.keep(core.budgets, name)
    text = f"The deletion of budget {name} was cancelled. It limits again."
    record_event(core.state, changes, now_ms, "budget.kept", f"budget/{name}", text, actor=actor)
    put_rows(core.budgets, changes, now_ms)
    return text


def finish(core: Core, changes: Changes, now_ms: int) -> None:
    """Those whose last lease has ended are gone, with an event each."""
    for budget in deleting.finish(core.budgets):
        put_deleted(changes, budget, now_ms)
        name = budget.spec.name
        text = f"Budget {name} was deleted: its last lease has ended."
        record_event(core.state, changes, now_ms, "budget.deleted", f"budget/{name}", text)
    put_rows(core.budgets, changes, now_ms)


def ends_ms(core: Core, budget: Budget) -> int:
    """When its last lease has ended at the latest; without leases now."""
    name = budget.spec.name
    ends = [lease.until_ms for lease in core.budgets.live.values() if name in lease.budgets]
    return max(ends, default=core.clock.now_ms())


def waits(core: Core, budget: Budget) -> str:
    """A sentence."""
    count = deleting.leases_of(budget)
    if not count:
        return "It limits nothing now, and is gone in a few seconds."
    return (
        f"It limits nothing now, and is gone when {counted(count, 'lease')} {agree(count, 'has', 'have')} ended, "
        f"at {iso(ends_ms(core, budget))} at the latest. Leases of workers and jobs are settled within seconds."
    )


def _not_returned(core: Core, budget: Budget) -> str:
    moves = deleting.not_returned(core.budgets, budget.spec.name)
    parts = [
        f"{amount(each.amount - each.repaid, budget.spec.unit)} of budget {each.source}" for each in moves[:5]
    ]
    return f" What was moved to it does not go back: {', '.join(parts)}." if parts else ""
