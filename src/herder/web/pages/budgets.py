"""The pages of budgets: `/budgets`, and `/budgets/NAME` with what is expected of it, its leases and its transfers."""

import shlex
from urllib.parse import quote

from starlette.requests import Request

from herder.control.kernel.bounds.errors import Refused
from herder.control.reads.costs.budget_forecasts import HORIZON_DAYS
from herder.model.permissions import Principal
from herder.web.drawing import budget_chart
from herder.web.pages.listing import filters_in, listed, part_of, refused
from herder.web.pages.search import ROWS
from herder.web.pages.site import Shown, Site, after_in, name_in
from herder.wire.api.budgets import BudgetLeaseView
from herder.wire.api.resources import Page

#: Leases and transfers on the page of a budget.
SHOWN = 20


def add(site: Site) -> None:
    reads = site.reads

    async def show_all(who: Principal, request: Request) -> Shown:
        filters = filters_in(request, ())
        try:
            after = after_in(request)
            found = listed(part_of(reads.budgets(who), after, ROWS), filters, after)
        except Refused as error:
            found = refused(error, filters)
        return Shown(
            template="budgets/list.html",
            command="herder budget list",
            api="/api/v1/budgets",
            values={"listed": found},
            status=400 if found.wrong else 200,
        )

    async def show(who: Principal, request: Request) -> Shown:
        name = name_in(request, "budget")
        budget = reads.budget(who, name)
        forecast = await reads.budget_forecast(who, name, HORIZON_DAYS)
        leases: list[BudgetLeaseView] = [
            each for each in reads.budget_leases(who).items if name in each.budgets
        ]
        return Shown(
            template="budgets/one.html",
            command=f"herder budget show {shlex.quote(name)}",
            api=f"/api/v1/budgets/{quote(name, safe='')}",
            values={
                "budget": budget,
                "forecast": forecast,
                "chart": budget_chart(forecast),
                "leases": leases[:SHOWN],
                "leases_all": len(leases),
                "transfers": budget.transfers[:SHOWN],
                "periods": budget.periods[:SHOWN],
            },
            every_s=30,
        )

    async def rows(who: Principal, request: Request, after: str | None) -> Page:
        return reads.budgets(who)

    site.add("/budgets", "budgets", "list", show_all, rows=rows)
    site.add("/budgets/{name}", "budgets", "budget", show)
