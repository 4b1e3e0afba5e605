"""The page of events: `/events`, the newest first, by kind and object."""

import shlex

from starlette.requests import Request

from herder.control.kernel.bounds.errors import Refused
from herder.model.permissions import Principal
from herder.model.stored.event_kinds import EVENT_KINDS
from herder.web.pages.listing import filters_in, listed, refused, with_query
from herder.web.pages.search import ROWS
from herder.web.pages.site import Shown, Site, after_in
from herder.wire.api.resources import Page

FIELDS = ("kind", "object")


def add(site: Site) -> None:
    reads = site.reads

    async def find(who: Principal, request: Request, after: int | None, limit: int) -> Page:
        given = filters_in(request, FIELDS)
        return await reads.events(
            who, after=after, kind=given.get("kind"), subject=given.get("object"), limit=limit, newest=True
        )

    async def show_all(who: Principal, request: Request) -> Shown:
        filters = filters_in(request, FIELDS)
        try:
            after = after_in(request)
            found = listed(await find(who, request, after, ROWS), filters, after)
        except Refused as error:
            found = refused(error, filters)
        words = ["herder", "events"]
        for name, value in filters.items():
            words += [f"--{name}", value]
        return Shown(
            template="events/list.html",
            command=shlex.join(words),
            api=with_query("/api/v1/events", {**filters, "newest": "true"}),
            values={"listed": found, "kinds": sorted(EVENT_KINDS)},
            status=400 if found.wrong else 200,
        )

    async def rows(who: Principal, request: Request, after: str | None) -> Page:
        return await find(who, request, None if after is None else int(after), 500)

    site.add("/events", "events", "list", show_all, rows=rows)
