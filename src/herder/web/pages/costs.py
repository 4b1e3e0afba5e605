"""The page of costs: `/costs` between two days by a dimension, with its days as columns, and what would save; `/costs/report` is the report as a file."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response

from herder.control.kernel.bounds.errors import Invalid, Refused
from herder.control.reads.costs.report_reads import ReportAsk
from herder.control.reads.port import Reads
from herder.ledger.lines import Kind
from herder.model.permissions import Principal
from herder.reports.render import html
from herder.web.drawing import DayChart, day_chart
from herder.web.pages.listing import filters_in, with_query
from herder.web.pages.site import Shown, Site
from herder.wire.api.costs import CostGroup, CostSums
from herder.wire.api.recommendations import RecommendationList
from herder.wire.api.resources import Page

#: By what costs can be shown here; the command line knows more.
BY = ("project", "user", "pool", "division", "kind", "resource", "provider")
UNALLOCATED = (Kind.IDLE, Kind.OVERHEAD)
GROUPS_SHOWN = 50
RECOMMENDATIONS_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """`unallocated`: machine time that no job had asked for, and before workers were ready."""

    sums: CostSums
    groups: list[CostGroup]
    total: Decimal
    unallocated: Decimal
    kinds: Mapping[str, Decimal]
    chart: DayChart
    days: int
    """Until today: days to come have cost nothing yet."""

    @property
    def per_day(self) -> Decimal:
        return self.total / max(1, self.days)


def add(site: Site) -> None:
    reads = site.reads

    async def show(who: Principal, request: Request) -> Shown:
        filters = filters_in(request, ("from", "to", "by"))
        by, spent, wrong = filters.get("by", "project"), None, ""
        try:
            _check_dimension(by)
            spent = await _spent(reads, who, filters.get("from"), filters.get("to"), by)
        except Refused as error:
            wrong = f"{error.detail} {error.hint}".strip()
        days = {name: day for name, day in filters.items() if name != "by"}
        words = ["herder", "cost", "breakdown", "--by", by]
        for name, day in days.items():
            words += [f"--{name}", day]
        asked = {("first" if name == "from" else "last"): day for name, day in days.items()}
        return Shown(
            template="costs/show.html",
            command=shlex.join(words),
            api=with_query("/api/v1/costs", {**asked, "by": by}),
            values={
                "filters": filters,
                "by": by,
                "dimensions": BY,
                "spent": spent,
                "wrong": wrong,
                "report": with_query("/costs/report", days),
                "advice": _first(reads.recommendations(who, None)),
            },
            status=400 if wrong else 200,
            every_s=60,
        )

    async def rows(who: Principal, request: Request, after: str | None) -> Page:
        filters = filters_in(request, ("from", "to", "by"))
        by = filters.get("by", "project")
        _check_dimension(by)
        sums = await reads.costs(who, filters.get("from"), filters.get("to"), by, None)
        return Page(
            items=[
                {**each.values, "cost_usd": each.cost_usd, "unpriced": each.unpriced} for each in sums.groups
            ]
        )

    async def report(who: Principal, request: Request) -> Response:
        filters = filters_in(request, ("from", "to"))
        ask = ReportAsk(first=filters.get("from"), last=filters.get("to"))
        text = html(await reads.cost_report(who, ask))
        headers = {"Content-Disposition": 'attachment; filename="costs.html"'}
        return Response(text, media_type="text/html; charset=utf-8", headers=headers)

    site.add("/costs", "costs", "page of costs", show, rows=rows)
    site.add("/costs/report", "costs", "report", report)


def _check_dimension(by: str) -> None:
    """Raises Invalid."""
    if by not in BY:
        raise Invalid(
            f"Costs are not shown by {by[:40]!r} here.", field="by", hint=f"Choose one of {', '.join(BY)}."
        )


async def _spent(reads: Reads, who: Principal, first: str | None, last: str | None, by: str) -> Spent:
    """Raises Invalid."""
    today = datetime.fromtimestamp(reads.now_ms() / 1000, UTC).date()
    sums = await reads.costs(who, first, last, by, None)
    daily = await reads.costs(who, first, last, "day,kind", None)
    work: dict[str, Decimal] = {}
    unallocated: dict[str, Decimal] = {}
    kinds: dict[str, Decimal] = {}
    for group in daily.groups:
        day, kind, cost = group.values["day"], group.values["kind"], Decimal(group.cost_usd)
        kinds[kind] = kinds.get(kind, Decimal(0)) + cost
        of = unallocated if kind in UNALLOCATED else work
        of[day] = of.get(day, Decimal(0)) + cost
    return Spent(
        sums=sums,
        groups=sorted(sums.groups, key=lambda each: -Decimal(each.cost_usd))[:GROUPS_SHOWN],
        total=Decimal(sums.total_usd),
        unallocated=sum(unallocated.values(), Decimal(0)),
        kinds=kinds,
        chart=day_chart(sums.first_day, sums.last_day, work, unallocated),
        days=(min(date.fromisoformat(sums.last_day), today) - date.fromisoformat(sums.first_day)).days + 1,
    )


def _first(found: RecommendationList) -> RecommendationList:
    return RecommendationList(
        items=found.items[:RECOMMENDATIONS_SHOWN],
        looked_at=found.looked_at,
        saving_usd=found.saving_usd,
        recommended=found.recommended,
        implemented=found.implemented,
        implementation_percent=found.implementation_percent,
    )
