"""Budgets, leases and transfers as the API shows them."""

from collections.abc import Mapping

from herder.control.budgets.deleting import ends_ms
from herder.control.kernel.core import Core
from herder.ledger.budgets.budget import Budget, Span
from herder.ledger.budgets.deleting import leases_of
from herder.ledger.budgets.leases import Lease
from herder.ledger.budgets.periods import FOREVER_MS
from herder.ledger.budgets.spec import Unit
from herder.ledger.budgets.transfer import Transfer
from herder.model.values.money import usd_text
from herder.model.values.times import iso
from herder.settings.sections.budgets import amount_text
from herder.wire.api.budgets import BudgetLeaseView, BudgetPeriodView, BudgetView, TransferView

#: Of one budget: `/budget-transfers` lists all.
TRANSFERS_SHOWN = 20


def exact(amount: int, unit: Unit) -> str:
    return usd_text(amount) if unit is Unit.USD else str(amount)


def budget_view(
    core: Core, budget: Budget, used_of_leases: Mapping[str, int], *, whole: bool = False
) -> BudgetView:
    """`used_of_leases`: by budget, see `metered.used_of_leases`. `whole`: with its periods and transfers."""
    now_ms, spec = core.clock.now_ms(), budget.spec
    counting, unit = budget.counting(now_ms), spec.unit
    spent = sum(each.spent for each in counting)
    moves = _transfers(core, spec.name) if whole else []
    return BudgetView(
        name=spec.name, scope=spec.scope.value, of=spec.subject, parent=spec.parent, unit=unit.value,
        priority=spec.priority.value, period=spec.period.text, timezone=spec.timezone,
        limit=amount_text(budget.limit(now_ms), unit),
        most=amount_text(budget.ceiling(now_ms), unit),
        spent=exact(spent, unit), used=exact(spent + used_of_leases.get(spec.name, 0), unit),
        reserved=exact(sum(each.reserved for each in counting), unit),
        left=amount_text(budget.left(now_ms), unit),
        grantable=amount_text(core.budgets.left((spec.name,), now_ms), unit),
        leases=leases_of(budget), approvers=list(spec.approvers),
        state="deleting" if budget.deleting else "active",
        gone_at=iso(ends_ms(core, budget)) if budget.deleting else None,
        transfers=[transfer_view(core, each) for each in moves[:TRANSFERS_SHOWN]],
        transfers_total=len(moves),
        periods=[_period(budget.spans[at], unit) for at in sorted(budget.spans, reverse=True)] if whole else [],
    )  # fmt: skip


def _transfers(core: Core, name: str) -> list[Transfer]:
    """The newest first."""
    found = (each for each in core.budgets.transfers.values() if name in (each.source, each.target))
    return sorted(found, key=lambda each: -each.number)


def _period(span: Span, unit: Unit) -> BudgetPeriodView:
    return BudgetPeriodView(
        start=iso(span.start_ms), end=None if span.end_ms >= FOREVER_MS else iso(span.end_ms),
        spent=exact(span.spent, unit), reserved=exact(span.reserved, unit), moved=exact(span.moved, unit),
    )  # fmt: skip


def lease_view(core: Core, lease: Lease) -> BudgetLeaseView:
    budget = core.budgets.budgets.get(lease.budgets[0])
    unit = Unit.USD if budget is None else budget.spec.unit
    return BudgetLeaseView(
        id=lease.id, budgets=list(lease.budgets), amount=exact(lease.amount, unit), number=lease.number,
        ends_at=iso(lease.until_ms), cost=exact(lease.cost, unit), unit=unit.value, state=lease.state.value,
    )  # fmt: skip


def transfer_view(core: Core, each: Transfer) -> TransferView:
    unit = core.budgets.budgets[each.target].spec.unit
    return TransferView(
        number=each.number, kind=each.kind.value, state=each.state.value, source=each.source, target=each.target,
        amount=exact(each.amount, unit), unit=unit.value, repaid=exact(each.repaid, unit),
        next_repayment=None if each.due_ms is None else iso(each.due_ms), temporary=not each.lasting,
        reason=each.reason, asked_by=each.asked_by, asked_at=iso(each.asked_ms), decided_by=each.decided_by,
        message=each.note,
    )  # fmt: skip
