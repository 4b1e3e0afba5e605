"""What budgets will have spent, from the lines of the ledger that they pay. Part of `Reads`.

The start is what the budget itself has counted (`used`); only what comes is estimated from the ledger. Days are learned until yesterday: today's use is not complete.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from heapq import nlargest

from herder.analysis.optimisation.growth import Estimate, growth
from herder.analysis.optimisation.horizons import LEAST
from herder.control.access.access_check import FLEET, check
from herder.control.budgets.access import budget_named
from herder.control.budgets.metered import used_of_leases
from herder.control.budgets.views import exact
from herder.control.budgets.words import amount
from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.control.reads.costs.lines import lines_between
from herder.ledger.budgets.accounts import Paid, accounts_of, paid
from herder.ledger.budgets.budget import Budget
from herder.ledger.budgets.periods import FOREVER_MS, window_ms
from herder.ledger.budgets.spec import Unit
from herder.ledger.lines import COST
from herder.ledger.months import date_text
from herder.ledger.quantities import DAY_MS
from herder.model.permissions import Action, Principal
from herder.model.values.phrases import counted
from herder.model.values.times import iso, iso_or_none
from herder.wire.api.budgets import BudgetForecast, SpendEstimate

#: Days that a forecast is made from, and those that may be asked for.
LEARNED_DAYS, HORIZON_DAYS, HORIZON_DAYS_MAX = 180, 30, 365
#: Budgets of one report that have a forecast: one takes about 20 ms.
FORECASTS_MAX = 200
_THREAD = ThreadPoolExecutor(1, thread_name_prefix="herder-forecasts")


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetOutlook:
    """Amounts in base units of the budget."""

    name: str
    scope: str
    unit: Unit
    now_ms: int
    limit: int | None
    most: int | None
    spent: int
    used: int
    left: int | None
    end_ms: int | None
    """Of the period. None: it never ends, or is a rolling window."""
    rolling: bool
    days: int
    has_accounts: bool
    daily: Sequence[int]
    unpriced: Sequence[str]
    at_end: Estimate | None = None
    ahead: Estimate | None = None
    used_up_ms: int | None = None
    earliest_ms: int | None = None

    @property
    def used_up(self) -> bool:
        return self.most is not None and self.used >= self.most

    @property
    def known(self) -> bool:
        """Whether it is known if and when it is used up."""
        return self.used_up or (self.most is not None and self.ahead is not None and not self.rolling)


class BudgetForecastReads:
    _core: Core

    async def budget_forecast(self, who: Principal, name: str, days: int) -> BudgetForecast:
        """Who may see the fleet may see it. Raises NotKnown, and Invalid."""
        check(who, Action.SEE, FLEET)
        budget = budget_named(self._core, name)
        if not 1 <= days <= HORIZON_DAYS_MAX:
            raise Invalid(
                f"The horizon is {days} days.", field="horizon", hint=f"Write 1 to {HORIZON_DAYS_MAX}."
            )
        (found,) = await outlooks(self._core, [budget], days)
        return view(found)


async def outlooks(core: Core, budgets: Sequence[Budget], days: int) -> list[BudgetOutlook]:
    """In the same order. Of more budgets than `FORECASTS_MAX`, those that have used the largest part of their limit have a forecast. What takes long is worked out in a thread,
    for one caller after the other."""
    if not budgets:
        return []
    now_ms = core.clock.now_ms()
    today_ms = now_ms - now_ms % DAY_MS
    specs = {name: each.spec for name, each in core.budgets.budgets.items()}
    lines = await lines_between(core, today_ms - LEARNED_DAYS * DAY_MS, today_ms, (COST,))
    leased = used_of_leases(core)
    found = [_counted(each, leased.get(each.spec.name, 0), days, now_ms) for each in budgets]

    def work() -> list[BudgetOutlook]:
        sums = paid([each.name for each in nlargest(FORECASTS_MAX, found, key=_urgency)], specs, lines)
        return [
            _estimated(_learned(each, sums[each.name], bool(accounts_of(each.name, specs)), today_ms))
            if each.name in sums
            else each
            for each in found
        ]

    return await asyncio.get_running_loop().run_in_executor(_THREAD, work)


def _counted(budget: Budget, leased: int, days: int, now_ms: int) -> BudgetOutlook:
    """What the budget itself knows, before anything is learned from the ledger."""
    spec, end_ms = budget.spec, budget.span(now_ms).end_ms
    rolling, spent = bool(window_ms(spec.period)), sum(each.spent for each in budget.counting(now_ms))
    return BudgetOutlook(
        name=spec.name, scope=f"{spec.scope} {spec.subject}", unit=spec.unit, now_ms=now_ms,
        limit=budget.limit(now_ms), most=budget.ceiling(now_ms), spent=spent, used=spent + leased,
        left=budget.left(now_ms), end_ms=None if rolling or end_ms >= FOREVER_MS else end_ms, rolling=rolling,
        days=days, has_accounts=False, daily=(), unpriced=(),
    )  # fmt: skip


def _urgency(given: BudgetOutlook) -> tuple[Fraction, str]:
    """The part of its limit that is used; of one without a limit less than any."""
    return Fraction(-1) if given.most is None else Fraction(given.used, max(1, given.most)), given.name


def _learned(given: BudgetOutlook, sums: Paid, has_accounts: bool, today_ms: int) -> BudgetOutlook:
    first_ms = min(sums.by_day, default=today_ms)
    daily = [sums.by_day.get(day, 0) for day in range(first_ms, today_ms, DAY_MS)]
    return replace(given, has_accounts=has_accounts, daily=daily, unpriced=sorted(sums.unpriced))


def _estimated(given: BudgetOutlook) -> BudgetOutlook:
    ahead_ms = given.days * DAY_MS
    end_ms = None if given.end_ms is None else max(0, given.end_ms - given.now_ms)
    grows = growth(given.daily, max(ahead_ms, end_ms or 0), DAY_MS - given.now_ms % DAY_MS)
    if given.used_up:
        given = replace(given, used_up_ms=given.now_ms, earliest_ms=given.now_ms)
    if grows is None:
        return given
    ahead = replace(
        given,
        ahead=grows.after(ahead_ms),
        at_end=None if end_ms is None else Estimate(*(given.used + each for each in grows.after(end_ms))),
    )
    if given.used_up or given.most is None or given.rolling:
        return ahead
    left, within_ms = given.most - given.used, ahead_ms if end_ms is None else end_ms
    reached = (grows.reaches(series, left, within_ms) for series in (grows.mean, grows.p90))
    used_up_ms, earliest_ms = (None if each is None else given.now_ms + each for each in reached)
    return replace(ahead, used_up_ms=used_up_ms, earliest_ms=earliest_ms)


def view(found: BudgetOutlook) -> BudgetForecast:
    def text(each: int | None) -> str | None:
        return None if each is None else exact(each, found.unit)

    def estimate(each: Estimate | None) -> SpendEstimate | None:
        if each is None:
            return None
        mean, p10, p90 = (exact(part, found.unit) for part in each)
        return SpendEstimate(mean=mean, p10=p10, p90=p90)

    return BudgetForecast(
        name=found.name, unit=found.unit.value, at=iso(found.now_ms), limit=text(found.limit), most=text(found.most),
        used=exact(found.used, found.unit), period_end=iso_or_none(found.end_ms), at_period_end=estimate(found.at_end),
        horizon_days=found.days, in_horizon=estimate(found.ahead),
        outlook="no_limit" if found.most is None else "unknown" if not found.known else "holds" if found.used_up_ms is None else "used_up",
        used_up_on=day_of(found.used_up_ms), used_up_earliest=day_of(found.earliest_ms), learned_days=len(found.daily),
        unpriced=list(found.unpriced), text=sentence(found),
    )  # fmt: skip


def day_of(at_ms: int | None) -> str | None:
    return None if at_ms is None else date_text(at_ms)


def sentence(found: BudgetOutlook) -> str:
    """What is expected, or why nothing is."""
    name = f"Budget {found.name}"
    if found.used_up:
        return (
            f"{name} is used up: {amount(found.used, found.unit)} of {amount(found.most or 0, found.unit)}."
        )
    if found.ahead is None:
        why = (
            f"the ledger has {counted(len(found.daily), 'whole day')} of its use, and {LEAST} are needed"
            if found.has_accounts
            else "no line of the ledger is of what it limits"
        )
        return f"{name} has no forecast: {why}."
    if found.most is None:
        return f"{name} has no limit."
    if found.rolling:
        return f"{name} counts a rolling window: when it is used up is unknown, because what it has counted leaves it."
    until = "at the end of its period" if found.end_ms is not None else f"in {counted(found.days, 'day')}"
    if found.used_up_ms is not None:
        return f"{name} will be used up on {date_text(found.used_up_ms)}."
    expected = found.at_end.mean if found.at_end is not None else found.used + found.ahead.mean
    most = f"{amount(expected, found.unit)} of {amount(found.most, found.unit)}"
    early = (
        f" It may be used up on {date_text(found.earliest_ms)} already."
        if found.earliest_ms is not None
        else ""
    )
    return f"{name} is enough: {most} will be used {until}.{early}"
