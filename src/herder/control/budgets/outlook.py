"""Whether budgets last: what workers cost an hour and to the end of the period, against what is left. For dry runs and `herder plan`; changes nothing.

What is reserved is not spent yet: it is for the same workers, and is told beside what is left.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from herder.control.budgets.words import amount
from herder.control.kernel.core import Core
from herder.ledger.budgets.budget import Budget
from herder.ledger.budgets.periods import FOREVER_MS, window_ms
from herder.ledger.budgets.spec import BudgetSpec, Scope, Unit
from herder.model.planning.plan import Action, CreateWorker, DrainWorker
from herder.model.values.money import MS_PER_HOUR, cost_of, usd_text
from herder.model.values.times import iso, span
from herder.wire.api.outlooks import BudgetOutlook


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Pico-USD per hour of the workers of a pool: at least and at most."""

    pool: str
    least: int
    most: int


def of_actions(core: Core, actions: Sequence[Action], now_ms: int) -> list[BudgetOutlook]:
    """With the workers that there are, without those that the actions drain, and with those that they make."""
    leaving = {each.worker for each in actions if isinstance(each, DrainWorker)}
    specs = [each.spec for each in core.state.workers.values() if not each.state.leaving]
    specs = [each for each in specs if each.name not in leaving]
    specs += [each.spec for each in actions if isinstance(each, CreateWorker)]
    rates = [
        Rate(pool=each.pool, least=each.price_pico_per_hour, most=each.price_pico_per_hour) for each in specs
    ]
    known = {name: each.spec for name, each in core.budgets.budgets.items() if not each.deleting}
    return outlooks(core, rates, known, now_ms)


def outlooks(
    core: Core, rates: Iterable[Rate], specs: Mapping[str, BudgetSpec], now_ms: int
) -> list[BudgetOutlook]:
    """Of the budgets in US dollars with a limit that pay for any of these pools. `specs`: as they are, or will be."""
    of_pool = {
        each.subject: each.name
        for each in specs.values()
        if each.scope is Scope.POOL and each.unit is Unit.USD
    }
    sums: dict[str, tuple[int, int]] = {}
    for rate in rates:
        at = of_pool.get(rate.pool, "")
        while at:
            least, most = sums.get(at, (0, 0))
            sums[at] = least + rate.least, most + rate.most
            at = specs[at].parent
    return [
        _outlook(core, specs[name], *sums[name], now_ms)
        for name in sorted(sums)
        if specs[name].limit is not None
    ]


def _outlook(core: Core, spec: BudgetSpec, least: int, most: int, now_ms: int) -> BudgetOutlook:
    known = core.budgets.budgets.get(spec.name)
    budget = Budget(spec) if known is None else Budget(spec, known.lasting, dict(known.spans))
    ceiling = budget.ceiling(now_ms) or 0
    left = ceiling - sum(each.spent for each in budget.counting(now_ms))
    end_ms = _end_ms(budget, now_ms)
    costs = [None if end_ms is None else cost_of(each, end_ms - now_ms) for each in (least, most)]
    holds = [
        not rate if cost is None else cost <= left for rate, cost in zip((least, most), costs, strict=True)
    ]
    return BudgetOutlook(
        budget=spec.name,
        per_hour_least_usd=usd_text(least),
        per_hour_most_usd=usd_text(most),
        until=None if end_ms is None else iso(end_ms),
        cost_least_usd=None if costs[0] is None else usd_text(costs[0]),
        cost_most_usd=None if costs[1] is None else usd_text(costs[1]),
        left_usd=usd_text(left),
        holds_least=holds[0],
        holds_most=holds[1],
        text=_text(budget, left, least, most, end_ms, now_ms),
    )


def _end_ms(budget: Budget, now_ms: int) -> int | None:
    """Of the period, or of the window that begins now. None: it never ends."""
    window = window_ms(budget.spec.period)
    if window:
        return now_ms + window
    end_ms = budget.span(now_ms).end_ms
    return None if end_ms >= FOREVER_MS else end_ms


def _text(budget: Budget, left: int, least: int, most: int, end_ms: int | None, now_ms: int) -> str:
    ceiling = amount(budget.ceiling(now_ms) or 0, Unit.USD)
    has = f"Budget {budget.spec.name} has {amount(max(0, left), Unit.USD)} of {ceiling} left"
    if reserved := sum(each.reserved for each in budget.counting(now_ms)):
        has += f" ({amount(reserved, Unit.USD)} is reserved)"
    if end_ms is not None:
        has += f" until {iso(end_ms)}"
    if least == most:
        return f"{has}; its workers cost {amount(most, Unit.USD)}/h, {_lasts(left, most, end_ms, now_ms)}."
    low, high = _lasts(left, least, end_ms, now_ms), _lasts(left, most, end_ms, now_ms)
    return f"{has}; its pools cost at least {amount(least, Unit.USD)}/h, {low}, and at most {amount(most, Unit.USD)}/h, {high}."


def _lasts(left: int, rate: int, end_ms: int | None, now_ms: int) -> str:
    if not rate:
        return "which it pays"
    if end_ms is not None and cost_of(rate, end_ms - now_ms) <= left:
        return f"{amount(cost_of(rate, end_ms - now_ms), Unit.USD)} by then, which it pays"
    if left <= 0:
        return "which it does not pay"
    return f"which it pays for {span(left * MS_PER_HOUR // rate)}"
