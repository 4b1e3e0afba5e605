"""Budgets for tests, and what holds of them whatever has happened."""

from herder.ledger.budgets.leases import Leases
from herder.ledger.budgets.spec import BudgetSpec, faults


def budgets(*specs: BudgetSpec, now_ms: int = 0) -> Leases:
    assert faults({each.name: each for each in specs}) == []
    state = Leases()
    for each in specs:
        state.put(each, now_ms)
    return state


def books_balance(state: Leases) -> None:
    """In each budget of one period at least what is spent and reserved in those below it, and in no period less than nothing."""
    for budget in state.budgets.values():
        for span in budget.spans.values():
            assert min(span.spent, span.reserved) >= 0, (budget.spec.name, span)
        children = [
            each
            for each in state.budgets.values()
            if each.spec.parent == budget.spec.name and each.spec.period == budget.spec.period
        ]
        for start, span in budget.spans.items():
            below = [each.spans[start] for each in children if start in each.spans]
            assert sum(each.spent + each.reserved for each in below) <= span.spent + span.reserved
