"""Amounts of budgets as people read them: dollars and cents, or tokens."""

import re
from decimal import Decimal

from herder.ledger.budgets.budget import Budget
from herder.ledger.budgets.leases import BudgetError, Refused
from herder.ledger.budgets.spec import Unit
from herder.model.values.money import PICO_PER_USD, format_usd
from herder.model.values.phrases import counted

_NUMBER = r"-?[0-9]{1,40}"
_AMOUNT = re.compile(
    rf"(?<= has ){_NUMBER}(?= spent)|(?<= may use ){_NUMBER}(?= with)|(?<= was ){_NUMBER}(?= before)|(?<= go down to ){_NUMBER}(?=;)"
)


def amount(value: int, unit: Unit) -> str:
    """`$12.30`, or `5,000 tokens`. Less than a cent is shown with all its digits."""
    if unit is Unit.TOKENS:
        return counted(value, "token")
    exact = Decimal(value) / PICO_PER_USD
    places = 2 if exact == round(exact, 2) or abs(exact) >= 1 else 12
    text = format_usd(value, places)
    return text.rstrip("0") if places > 2 else text


def amounts_in(error: BudgetError, unit: Unit) -> str:
    """Its sentence, with the bare numbers of amounts in their unit."""
    text = _AMOUNT.sub(lambda found: amount(int(found[0]), unit), str(error))
    return f"{text[:1].upper()}{text[1:]}."


def refusal(budget: Budget, refused: Refused, wanted: int, now_ms: int) -> str:
    """Which budget binds and what it has left, of its limit with its overage, and what was asked for."""
    unit, ceiling = budget.spec.unit, budget.ceiling(now_ms)
    of = "" if ceiling is None else f" of {amount(ceiling, unit)}"
    return f"Budget {refused.budget} has {amount(refused.left, unit)}{of} left; {amount(wanted, unit)} was asked for."
