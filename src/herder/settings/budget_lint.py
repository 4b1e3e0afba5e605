"""Doubts about budgets: minimums that cost more than they allow, and limits that cannot all be used. Called by `lint`."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

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
        yield from _of_children(budget, settings.budgets)
    yield from _of_minimums(settings.budgets, pools)


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
    hours, price = _hours(budget.period), _cheapest(pool)
    if hours is None or budget.limit is None or budget.unit is not Unit.USD or price is None:
        return
    least = pool.size.min_workers * price * hours
    if least > budget.limit:
        yield warning(
            f"{key}.limit",
            f"The minimum of pool {pool.name} ({counted(pool.size.min_workers, 'worker')} at {format_usd(price, 2)}/h) costs "
            f"{format_usd(least, 2)} in {hours:,} hours, more than its budget of {format_usd(budget.limit, 2)}.",
            "Raise the limit, or lower min_workers or the size of the workers.",
        )


def _of_minimums(budgets: Sequence[BudgetSpec], pools: dict[str, PoolSpec]) -> Iterator[Doubt]:
    """Of several pools together, in the budgets above those of the pools."""
    by_name = {each.name: each for each in budgets}
    below: dict[str, list[PoolSpec]] = {}
    for budget in budgets:
        pool = pools.get(budget.subject) if budget.scope is Scope.POOL else None
        above = by_name.get(budget.parent)
        while pool is not None and pool.size.min_workers and above is not None:
            below.setdefault(above.name, []).append(pool)
            above = by_name.get(above.parent)
    for name, members in below.items():
        budget, hours = by_name[name], _hours(by_name[name].period)
        if hours is None or budget.limit is None or budget.unit is not Unit.USD:
            continue
        least = sum(pool.size.min_workers * (_cheapest(pool) or 0) for pool in members) * hours
        if least > budget.limit:
            yield warning(
                f"budgets.{name}.limit",
                f"The minimums of the pools below {name} ({', '.join(pool.name for pool in members)}) cost {format_usd(least, 2)} in {hours:,} hours, more "
                f"than its {format_usd(budget.limit, 2)}.",
                "Raise the limit, or lower min_workers of these pools.",
            )


def _cheapest(pool: PoolSpec) -> int | None:
    prices = [offer.price_pico_per_hour for template in pool.templates for offer in offers_of(template)]
    return min(prices, default=None)


def _hours(period: Period) -> int | None:
    """None: the period has no end."""
    return period.hours if period.every is Every.ROLLING else _HOURS.get(period.every)


def _of_children(budget: BudgetSpec, budgets: Sequence[BudgetSpec]) -> Iterator[Doubt]:
    """Limits of other periods are converted by their hours; those without an end cannot be compared."""
    below = [each for each in budgets if each.parent == budget.name and each.limit is not None]
    same = [each for each in below if each.period == budget.period]
    total = sum(each.limit or 0 for each in same)
    if budget.limit is None:
        return
    if total > budget.limit:
        yield warning(
            f"budgets.{budget.name}.limit",
            f"The {counted(len(same), 'budget')} below {budget.name} have limits of {amount_text(total, budget.unit)} together, and it has "
            f"{amount_text(budget.limit, budget.unit)}.",
            "Raise its limit, or lower theirs; else they are refused before they have used their own.",
        )
        return
    hours = _hours(budget.period)
    if hours is None or len(same) == len(below):
        return
    comparable = [(each.limit or 0, lasts) for each in below if (lasts := _hours(each.period)) is not None]
    converted = sum((Fraction(limit * hours, lasts) for limit, lasts in comparable), Fraction(0))
    if converted > budget.limit:
        yield warning(
            f"budgets.{budget.name}.limit",
            f"The {counted(len(comparable), 'budget')} below {budget.name} have limits of {_shown(round(converted), budget.unit)} in {hours:,} hours "
            f"({budget.period.text}), and it has {_shown(budget.limit, budget.unit)}.",
            "Raise its limit, or lower theirs; else they are refused before they have used their own.",
        )


def _shown(amount: int, unit: Unit) -> str:
    return format_usd(amount, 2) if unit is Unit.USD else f"{amount:,} tokens"
