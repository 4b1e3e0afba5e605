"""Which budgets pay for reported use, and how much: its cost at the internal card, and its tokens. Called by `intake.py`.

Use that was reported has happened: budgets cannot refuse it, and what is above their limit shows as overspent. What was reserved by leases is not charged again
(`leased` of a report). Use without a rate has no cost that could be charged; its tokens are.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from herder.control.budgets.leasing import budgets_of_account
from herder.control.budgets.words import amount
from herder.control.kernel.budget_rows import put_rows
from herder.control.kernel.core import Core
from herder.ledger.budgets.budget import Budget
from herder.ledger.budgets.leases import Charged
from herder.ledger.budgets.spec import Unit
from herder.ledger.built_in_cards import INTERNAL
from herder.ledger.rates import Rate, RateList, Subject
from herder.ledger.tokens import PREFIX
from herder.model.stored.changes import Changes

#: Use of a quarter of an hour is charged together.
PART_MS = 900_000
#: Budgets in the answer to a report.
SHOWN = 5


class Used(NamedTuple):
    """A part of a report, or of the growth of a counter; negative: it was less than was known."""

    at_ms: int
    resource: str
    product: str
    division: str
    project: str
    user: str
    quantity: int
    known_ms: int | None = None
    """When it was reported. None: now."""


class Charge(NamedTuple):
    at_ms: int
    division: str
    project: str
    user: str
    unit: Unit
    amount: int
    """Pico-USD or tokens."""
    known_ms: int | None = None


def charges_of(used: Iterable[Used], rates: RateList) -> list[Charge]:
    """One for each payer, unit and quarter of an hour. Graduated rates are taken as if each part were the first of its month."""
    found: dict[tuple[int, str, str, str, Unit], int] = {}
    for each in used:
        parts = [(Unit.TOKENS, each.quantity)] if each.resource.startswith(PREFIX) else []
        parts.append((Unit.USD, cost_at(rates.at(subject_of(each), each.at_ms), each.quantity)))
        for unit, charged in parts:
            key = (end_of_part(each.at_ms), each.division, each.project, each.user, unit)
            found[key] = found.get(key, 0) + charged
    return [Charge(*key, charged) for key, charged in sorted(found.items()) if charged]


def end_of_part(at_ms: int) -> int:
    """The last moment of its quarter of an hour. No calendar period begins within one; parts of short rolling windows do, in which use must not count too briefly."""
    return at_ms - at_ms % PART_MS + PART_MS - 1


def subject_of(used: Used) -> Subject:
    return Subject(INTERNAL, used.resource, used.product)


def cost_at(rate: Rate | None, quantity: int) -> int:
    """Pico-USD that budgets pay; use without a rate costs them nothing until it has one."""
    if rate is None:
        return 0
    cost = rate.booked(0, abs(quantity))
    return cost if quantity > 0 else -cost


def charge(core: Core, changes: Changes, charges: Iterable[Charge], now_ms: int) -> None:
    """The rows go into `changes`."""
    paid = _paid_from(core, charges)
    core.budgets.charge(
        (Charged(names, each.amount, min(each.at_ms, now_ms), each.known_ms) for each, names in paid), now_ms
    )
    put_rows(core.budgets, changes, now_ms)


def charged_text(core: Core, charges: Iterable[Charge], now_ms: int, *, dry_run: bool) -> str:
    """A sentence of what is charged to which budget, before it is; empty: no budget pays."""
    sums: dict[str, int] = {}
    for each, names in _paid_from(core, charges):
        for budget in core.budgets.chain(names):
            if budget.existed(each.known_ms) and budget.counts(min(each.at_ms, now_ms), now_ms):
                sums[budget.spec.name] = sums.get(budget.spec.name, 0) + each.amount
    if not sums:
        return ""
    parts = [_part(core.budgets.budgets[name], total, now_ms) for name, total in sorted(sums.items())[:SHOWN]]
    more = f" and {len(sums) - SHOWN:,} more" if len(sums) > SHOWN else ""
    return (
        f" {'Budgets that would be charged' if dry_run else 'Charged to budgets'}: {', '.join(parts)}{more}."
    )


def _part(budget: Budget, charged: int, now_ms: int) -> str:
    text, left = f"{budget.spec.name} {amount(charged, budget.spec.unit)}", budget.left(now_ms)
    if left is None or left >= charged:
        return text
    return f"{text} ({amount(charged - left, budget.spec.unit)} more than it may spend)"


def _paid_from(core: Core, charges: Iterable[Charge]) -> Iterator[tuple[Charge, tuple[str, ...]]]:
    divisions = {each.name: each.division for each in core.state.sharing.projects}
    for each in charges:
        division = each.division or divisions.get(each.project, "")
        yield each, budgets_of_account(core, each.user, each.project, division, each.unit)
