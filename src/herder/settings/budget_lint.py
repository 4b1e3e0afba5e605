"""Doubts about budgets: minimums that cost more than they allow, and limits that cannot all be used. Called by `lint`."""

from collections.abc import Iterator

from herder.ledger.budgets.spec import BudgetSpec, Every, Period, Scope, Unit
from herder.model.fleet.offer import offers_of
from herder.model.fleet.pool import PoolSpec
from herder.model.values.money import format_usd
from herder.model.values.phrases import counted
from herder.settings.doubts import Doubt, warning
from herder.settings.load import Settings
from herder.settings.sections.budgets import amount_text

_HOURS = {Every.DAY: 24, Every.WEEK: 7 * 24, Every.MONTH: 730, Every.YEAR: 8760}


def budget_findings(settings: Settings) -> Iterator[Doubt]:
    pools = {str(pool.name): pool for pool in settings.pools}
    for budget in settings.budgets:
        if budget.scope is Scope.POOL:
            yield from _of_pool(budget, pools)
        yield from _of_children(budget, settings)


def _of_pool(budget: BudgetSpec, pools: dict[str, PoolSpec]) -> Iterator[Doubt]:
    pool, key = pools.get(budget.subject), f"budgets.{budget.name}"
    if pool is None:
        if pools:
            yield warning(
                f"{key}.of",
                f"Budget {budget.name} is for pool {budget.subject}, which is not in these files.",
                "Write `of:` with the name of a pool, if it is not on the server already.",
            )
        return
    hours = _hours(budget.period)
    prices = [offer.price_pico_per_hour for template in pool.templates for offer in offers_of(template)]
    if hours is None or budget.limit is None or budget.unit is not Unit.USD or not prices:
        return
    least = pool.size.min_workers * min(prices) * hours
    if least > budget.limit:
        yield warning(
            f"{key}.limit",
            f"The minimum of pool {pool.name} ({counted(pool.size.min_workers, 'worker')} at {format_usd(min(prices), 2)}/h) costs "
            f"{format_usd(least, 2)} in {hours:,} hours, more than its budget of {format_usd(budget.limit, 2)}.",
            "Raise the limit, or lower min_workers or the size of the workers.",
        )


def _hours(period: Period) -> int | None:
    return period.hours if period.every is Every.ROLLING else _HOURS.get(period.every)


def _of_children(budget: BudgetSpec, settings: Settings) -> Iterator[Doubt]:
    """Of the same period only: others cannot be compared."""
    if budget.limit is None:
        return
    below = [each for each in settings.budgets if (each.parent, each.period) == (budget.name, budget.period)]
    total = sum(each.limit or 0 for each in below)
    if total > budget.limit:
        yield warning(
            f"budgets.{budget.name}.limit",
            f"The {counted(len(below), 'budget')} below {budget.name} have limits of {amount_text(total, budget.unit)} together, and it has "
            f"{amount_text(budget.limit, budget.unit)}.",
            "Raise its limit, or lower theirs; else they are refused before they have used their own.",
        )
