"""Costs in the forms that Cortex documents: of an agent, a division, the organisation, by a dimension, by day, and what came back for them. Part of `Reads`."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from herder.analysis.optimisation.horizons import horizons
from herder.analysis.optimisation.returns import Return, Value, cost_per_hour_saved
from herder.control.access.access_check import OF_KIND, check
from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.control.reads.costs.lines import lines_between, seen_by
from herder.control.reads.costs.views import unit_text
from herder.ledger.lines import COST, DIMENSIONS, Line, value_of
from herder.ledger.months import YEARS, begin_of, date_text, following
from herder.ledger.quantities import DAY_MS
from herder.model.permissions import Action, Kind, Principal
from herder.model.values.money import parse_usd, usd_text
from herder.wire.api.documented_costs import CostStatus, HorizonView, PeriodCosts, Roi, Trends

CATEGORIES = ("tokens", "compute", "storage", "network")
#: Days that a forecast is made from.
LEARNED_DAYS = 180
WINDOW_DAYS_MAX = 400
#: Digits of a number of hours, and places that its point is moved by.
HOURS_DIGITS = 60
HOURLY = "75"
"""Dollars: what Cortex assumes that an hour of a person costs."""
_WINDOW = re.compile(r"([1-9][0-9]{0,2})d")
Span = tuple[int, int]


def category_of(line: Line) -> str:
    head = line.resource.partition(".")[0]
    return head if head in CATEGORIES else "compute"


def group_of(dimension: str) -> Callable[[Line], str]:
    """Raises Invalid."""
    if dimension == "category":
        return category_of
    if dimension not in DIMENSIONS or dimension == "day_ms":
        known = ", ".join(each for each in DIMENSIONS if each != "day_ms")
        raise Invalid(
            f"There is no dimension {dimension[:50]!r}.",
            field="dimension",
            hint=f"Name one of category, {known}.",
        )
    return lambda line: value_of(line, dimension)


class DocumentedCostReads:
    _core: Core

    async def agent_costs(self, who: Principal, agent: str, period: str) -> PeriodCosts:
        """An agent is a user: who has reported, or for whom was reported."""
        lines, span = await self._lines(who, period, "period")
        mine = [each for each in lines if each.payer.user == agent and category_of(each) == "tokens"]
        return summed(f"agent/{agent}", mine, span, ("product", "project", "resource"))

    async def division_costs(self, who: Principal, division: str, period: str) -> PeriodCosts:
        lines, span = await self._lines(who, period, "period")
        mine = [each for each in lines if each.payer.division == division]
        return summed(f"division/{division}", mine, span, ("category", "project", "user"))

    async def organization_costs(self, who: Principal, period: str) -> PeriodCosts:
        lines, span = await self._lines(who, period, "period")
        return summed("organization", lines, span, ("category", "division", "kind"))

    async def cost_breakdown(self, who: Principal, dimension: str, period: str) -> PeriodCosts:
        group_of(dimension)
        lines, span = await self._lines(who, period, "period")
        return summed("organization", lines, span, (dimension,))

    async def cost_trends(self, who: Principal, metrics: str, window: str) -> Trends:
        wanted = [each for each in metrics.split(",") if each] or list(CATEGORIES)
        unknown = [each for each in wanted if each not in CATEGORIES]
        if unknown:
            raise Invalid(
                f"There is no metric {unknown[0][:50]!r}.",
                field="metrics",
                hint=f"Name {', '.join(CATEGORIES)}.",
            )
        lines, (from_ms, to_ms) = await self._lines(who, window, "window")
        days = range(from_ms, to_ms, DAY_MS)
        found = {name: dict.fromkeys(days, 0) for name in wanted}
        for line in lines:
            if line.pico is not None and category_of(line) in found:
                found[category_of(line)][line.day_ms] += line.pico
        return Trends(
            first_day=date_text(from_ms),
            last_day=date_text(to_ms - DAY_MS),
            days=[date_text(day) for day in days],
            metrics={name: [usd_text(pico) for pico in by.values()] for name, by in found.items()},
        )

    async def division_status(self, who: Principal, division: str) -> CostStatus:
        return CostStatus(
            about=f"division/{division}",
            today=await self.division_costs(who, division, "daily"),
            month_to_date=await self.division_costs(who, division, "monthly"),
            alerts=self._alerts(f"division/{division}"),
        )

    async def organization_status(self, who: Principal) -> CostStatus:
        now_ms = self._core.clock.now_ms()
        today_ms = now_ms - now_ms % DAY_MS
        lines = await self._seen(who, today_ms - LEARNED_DAYS * DAY_MS, today_ms)
        found = horizons(by_day(lines, today_ms))
        return CostStatus(
            about="organization",
            today=await self.organization_costs(who, "daily"),
            month_to_date=await self.organization_costs(who, "monthly"),
            alerts=self._alerts(""),
            forecast=[
                HorizonView(
                    days=each.days,
                    mean_usd=usd_text(each.mean_pico),
                    low_usd=usd_text(each.low_pico),
                    high_usd=usd_text(each.high_pico),
                )
                for each in found
            ],
        )

    async def roi(
        self, who: Principal, period: str, hours: str, hourly: str, fewer_errors: str, faster: str
    ) -> Roi:
        """What was spent is the ledger's; what it was worth the caller says."""
        value = Value(
            _hours(hours), _usd("hourly_rate", hourly or HOURLY), _usd("error_reduction", fewer_errors or "0"),
            _usd("faster_delivery", faster or "0"),
        )  # fmt: skip
        lines, (from_ms, to_ms) = await self._lines(who, period, "period")
        spent = Return(sum(each.pico or 0 for each in lines), value.pico, (to_ms - from_ms) // DAY_MS)
        per_hour = cost_per_hour_saved(spent, value)
        return Roi(
            first_day=date_text(from_ms),
            last_day=date_text(to_ms - DAY_MS),
            cost_usd=usd_text(spent.cost_pico),
            value_usd=usd_text(spent.value_pico),
            net_usd=usd_text(spent.net_pico),
            roi_percent=None if spent.percent is None else round(float(spent.percent), 1),
            payback_days=None if spent.payback_days is None else round(float(spent.payback_days), 1),
            cost_per_hour_saved_usd=None if per_hour is None else usd_text(per_hour),
        )

    def _alerts(self, subject: str) -> list[str]:
        """Of the organisation: all."""
        known = self._core.ledger.alerts.alerts.values()
        return sorted(each.id for each in known if each.active and (not subject or each.subject == subject))

    async def _lines(self, who: Principal, period: str, field: str) -> tuple[list[Line], Span]:
        check(who, Action.SEE, OF_KIND[Kind.COST])
        span = span_of(period or "monthly", self._core.clock.now_ms(), field)
        return await self._seen(who, *span), span

    async def _seen(self, who: Principal, from_ms: int, to_ms: int) -> list[Line]:
        check(who, Action.SEE, OF_KIND[Kind.COST])
        return seen_by(who, await lines_between(self._core, from_ms, to_ms, (COST,)))


def span_of(period: str, now_ms: int, field: str) -> Span:
    """A day (2026-11-28), a month (2026-11), so many days up to today (30d), or daily, weekly, monthly: up to today. Raises Invalid."""
    today_ms = now_ms - now_ms % DAY_MS
    today = datetime.fromtimestamp(today_ms // 1000, UTC)
    named = {"daily": 0, "weekly": today.weekday(), "monthly": today.day - 1}
    if period in named:
        return today_ms - named[period] * DAY_MS, today_ms + DAY_MS
    window = _WINDOW.fullmatch(period)
    if window is not None and int(window[1]) <= WINDOW_DAYS_MAX:
        return today_ms - (int(window[1]) - 1) * DAY_MS, today_ms + DAY_MS
    try:
        if len(period) == len("2026-11"):
            day = datetime.fromtimestamp(begin_of(period) // 1000, UTC)
        else:
            day = datetime.strptime(period, "%Y-%m-%d").replace(tzinfo=UTC)
        if day.year not in YEARS:
            raise ValueError(period)
        if len(period) == len("2026-11"):
            return begin_of(period), begin_of(following(period))
    except ValueError:
        raise Invalid(
            f"{period[:50]!r} is not a period.",
            field=field,
            hint=f"Write daily, weekly, monthly, 30d (at most {WINDOW_DAYS_MAX}d), 2026-11 or 2026-11-28.",
        ) from None
    begin_ms = int(day.timestamp()) * 1000
    return begin_ms, begin_ms + int(timedelta(days=1).total_seconds()) * 1000


def summed(about: str, lines: Iterable[Line], span: Span, dimensions: Iterable[str]) -> PeriodCosts:
    total, unpriced, tokens = 0, dict[str, int](), dict[str, int]()
    groups = {name: group_of(name) for name in dimensions}
    by: dict[str, dict[str, int]] = {name: {} for name in groups}
    for line in lines:
        if line.resource.startswith("tokens."):
            kind = line.resource.removeprefix("tokens.")
            tokens[kind] = tokens.get(kind, 0) + line.quantity
        if line.pico is None:
            unpriced[line.resource] = unpriced.get(line.resource, 0) + line.quantity
            continue
        total += line.pico
        for name, group in groups.items():
            key = group(line)
            by[name][key] = by[name].get(key, 0) + line.pico
    return PeriodCosts(
        about=about,
        first_day=date_text(span[0]),
        last_day=date_text(span[1] - DAY_MS),
        total_usd=usd_text(total),
        by={name: {key: usd_text(pico) for key, pico in sorted(sums.items())} for name, sums in by.items()},
        tokens={kind: str(count) for kind, count in sorted(tokens.items())},
        unpriced={resource: unit_text(resource, count) for resource, count in sorted(unpriced.items())},
    )


def by_day(lines: Iterable[Line], to_ms: int) -> list[int]:
    """Of each whole day from the first with a cost; a day without one cost nothing."""
    found: dict[int, int] = {}
    for line in lines:
        found[line.day_ms] = found.get(line.day_ms, 0) + (line.pico or 0)
    return [found.get(day, 0) for day in range(min(found, default=to_ms), to_ms, DAY_MS)]


def _usd(field: str, text: str) -> int:
    try:
        return parse_usd(text)
    except ValueError as error:
        raise Invalid(f"The value of {field} is wrong: {error}.", field=field) from None


def _hours(text: str) -> Fraction:
    try:
        found = Decimal(text or "0")
    except InvalidOperation:
        found = Decimal(-1)
    digits = found.as_tuple()
    short = (
        found.is_finite() and len(digits.digits) <= HOURS_DIGITS and abs(int(digits.exponent)) <= HOURS_DIGITS
    )
    if not short or not 0 <= found <= 10**9:
        raise Invalid(
            f"{text[:50]!r} is not a number of hours.", field="hours_saved", hint="Write for example 120.5."
        )
    return Fraction(found)
