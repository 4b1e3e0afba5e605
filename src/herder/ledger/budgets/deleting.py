"""Deletion of budgets. One that has leases is being deleted until the last of them has ended: it limits nothing and pays for nothing new. Pure.

Nothing can be below it, so no other budget has a lease that it does not know of. What was spent stays spent in the budgets above it.
"""

from herder.ledger.budgets.budget import Budget
from herder.ledger.budgets.leases import REMOVED_KEPT, BudgetError, Leases
from herder.ledger.budgets.transfer import Transfer, TransferState


def delete(state: Leases, name: str) -> bool:
    """Whether it is gone already; else `finish` ends it. Raises BudgetError while something depends on it."""
    below = sorted(each.spec.name for each in state.budgets.values() if each.spec.parent == name)
    if below:
        raise BudgetError(f"budget {name} is the parent of {', '.join(below[:5])}; delete these first")
    _check_moves(state, name)
    budget = state.budgets[name]
    if not leases_of(budget):
        _remove(state, name)
        return True
    budget.deleting = True
    state.touched_budgets.add(name)
    state.forget_subjects()
    return False


def keep(state: Leases, name: str) -> None:
    """It is deleted no more."""
    state.budgets[name].deleting = False
    state.touched_budgets.add(name)
    state.forget_subjects()


def finish(state: Leases) -> list[Budget]:
    """Those whose last lease has ended are gone now."""
    over = [each for each in state.budgets.values() if each.deleting and not leases_of(each)]
    for budget in over:
        _remove(state, budget.spec.name)
    return over


def leases_of(budget: Budget) -> int:
    """That live, in all its periods."""
    return sum(each.leases for each in budget.spans.values())


def not_returned(state: Leases, name: str) -> list[Transfer]:
    """What others gave to it for this period: it does not go back with the deletion."""
    return [
        each
        for _, each in sorted(state.transfers.items())
        if each.target == name and each.source and each.state is TransferState.GRANTED
    ]


def _check_moves(state: Leases, name: str) -> None:
    mine = [each for _, each in sorted(state.transfers.items()) if name in (each.source, each.target)]
    if any(each.decided_ms is None or each.due_ms is not None for each in mine):
        raise BudgetError(f"budget {name} has open requests or repayments; decide or take back these first")
    for each in mine:
        if each.lasting and each.source and each.target == name:
            raise BudgetError(
                f"budget {name} has for every period what budget {each.source} gave it in transfer {each.number}, which would be in no budget; "
                f"take it back first (herder budget take-back {each.number})"
            )


def _remove(state: Leases, name: str) -> None:
    state.removed[name] = state.budgets.pop(name)
    state.removed[name].deleting = False
    for oldest in list(state.removed)[:-REMOVED_KEPT]:
        del state.removed[oldest]
    state.touched_budgets.discard(name)
    state.forget_subjects()
    for number in [n for n, each in state.transfers.items() if name in (each.source, each.target)]:
        over = state.transfers.pop(number)._replace(state=TransferState.OVER)
        state.touched_transfers[number] = over
