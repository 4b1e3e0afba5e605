"""Which lines of the ledger a budget pays: those of what it limits, and of what the budgets below it limit. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from herder.ledger.budgets.spec import BudgetSpec, Scope, Unit
from herder.ledger.lines import Line

_TOKENS = "tokens."


class Account(NamedTuple):
    scope: Scope
    subject: str
    """Empty: of the organisation, which is one."""


def accounts_of(name: str, specs: Mapping[str, BudgetSpec]) -> frozenset[Account]:
    """Empty: nothing that the ledger names. Events and groups are only names. `specs`: without circles."""
    spec = specs[name]
    own = [] if spec.scope in (Scope.GROUP, Scope.EVENT) else [_account(spec)]
    below = (accounts_of(each.name, specs) for each in specs.values() if each.parent == name)
    return frozenset(own).union(*below)


def _account(spec: BudgetSpec) -> Account:
    return Account(spec.scope, "" if spec.scope is Scope.ORGANISATION else spec.subject)


@dataclass(slots=True)
class Paid:
    """By one budget, in its unit: pico-USD or tokens."""

    by_day: dict[int, int] = field(default_factory=dict)
    """By the beginning of the day, UTC."""
    unpriced: set[str] = field(default_factory=set)
    """Resources of which some use has no price, and is in no sum. None of tokens that are counted."""


def paid(names: Iterable[str], specs: Mapping[str, BudgetSpec], lines: Iterable[Line]) -> dict[str, Paid]:
    """By name. `lines`: of one card; a line that several accounts of a budget have counts once."""
    found = {name: Paid() for name in names}
    payers: dict[Account, set[str]] = {}
    for name in found:
        for account in accounts_of(name, specs):
            payers.setdefault(account, set()).add(name)
    for line in lines:
        for name in {name for account in _accounts(line) for name in payers.get(account, ())}:
            _add(found[name], specs[name].unit, line)
    return found


def _accounts(line: Line) -> tuple[Account, ...]:
    payer = line.payer
    return (
        Account(Scope.ORGANISATION, ""),
        Account(Scope.DIVISION, payer.division),
        Account(Scope.PROJECT, payer.project),
        Account(Scope.USER, payer.user),
        Account(Scope.POOL, line.place.pool),
    )


def _add(sums: Paid, unit: Unit, line: Line) -> None:
    if unit is Unit.TOKENS:
        amount = line.quantity if line.resource.startswith(_TOKENS) else None
    else:
        amount = line.pico
        if amount is None:
            sums.unpriced.add(line.resource)
    if amount is not None:
        sums.by_day[line.day_ms] = sums.by_day.get(line.day_ms, 0) + amount
