"""The pages of pools: `/pools`, and `/pools/NAME` with its size and why, its limits, templates, workers and latest events."""

import shlex
from typing import Any
from urllib.parse import quote

from starlette.requests import Request

from herder.control.reads.port import Reads
from herder.model.permissions import Principal
from herder.web.actions.buttons import of_pool
from herder.web.pages.listing import listed, part_of
from herder.web.pages.site import Shown, Site, after_in, name_in
from herder.wire.api.resources import Page, PlanView

#: Rows of the list.
ROWS = 100
#: Of one pool.
WORKERS_SHOWN = 50
EVENTS_SHOWN = 20


def add(site: Site) -> None:
    reads = site.reads

    async def show_all(who: Principal, request: Request) -> Shown:
        after = after_in(request)
        page = part_of(await reads.pools(who), after, ROWS)
        return Shown(
            template="pools/list.html",
            command="herder pool list",
            api="/api/v1/pools",
            values={"listed": listed(page, {}, after)},
        )

    async def show(who: Principal, request: Request) -> Shown:
        name = name_in(request, "pool")
        pool = await reads.pool(who, name)
        plan = await latest_plan(reads, who)
        return Shown(
            template="pools/one.html",
            command=f"herder pool get {shlex.quote(name)}",
            api=f"/api/v1/pools/{quote(name)}",
            values={
                "pool": pool,
                "buttons": of_pool(who, pool),
                "plan": plan,
                "report": report_of(plan, name),
                "workers": await reads.workers(who, pool=name, limit=WORKERS_SHOWN),
                "events": await reads.events(
                    who, after=None, subject=f"pool/{name}", limit=EVENTS_SHOWN, newest=True
                ),
            },
        )

    async def rows(who: Principal, request: Request, after: str | None) -> Page:
        return await reads.pools(who)

    site.add("/pools", "pools", "list", show_all, rows=rows)
    site.add("/pools/{name}", "pools", "pool", show)


async def latest_plan(reads: Reads, who: Principal) -> PlanView | None:
    """The one that was recorded last: later ones that say the same are not."""
    page = await reads.plans(who, limit=1)
    return page.items[0] if page.items else None


def report_of(plan: PlanView | None, pool: str) -> dict[str, Any] | None:
    """What a plan said of a pool; None: it was not there."""
    reports = [] if plan is None else plan.pools
    return next((each for each in reports if each["pool"] == pool), None)
