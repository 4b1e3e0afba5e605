"""Pages of a search: `?q=` is its text, `?after=` where the page before it ended. A search that is wrong is told beside its field."""

import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from herder.control.kernel.bounds.errors import Refused
from herder.model.permissions import Principal
from herder.web.pages.site import Shown, Site, after_in
from herder.wire.api.resources import Page

#: Rows of a page.
ROWS = 50

Finder = Callable[[Principal, str | None, int | None], Awaitable[Page]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One page of a search. `wrong`: what is wrong with the search, and then there are no rows. `later`: where the next page begins."""

    query: str
    rows: list[Any]
    first: bool
    wrong: str = ""
    later: str = ""


def add_search(site: Site, path: str, template: str, command: str, find: Finder) -> None:
    """The page of a search at `path`; `command` lists the same ("herder job list")."""

    async def show(who: Principal, request: Request) -> Shown:
        found = await _search(request, who, find)
        asked = {"query": found.query} if found.query else {}
        return Shown(
            template=template,
            command=f"{command} {shlex.quote(found.query)}" if found.query else command,
            api=f"/api/v1{path}?{urlencode(asked)}" if asked else f"/api/v1{path}",
            values={"found": found},
            status=400 if found.wrong else 200,
        )

    async def rows(who: Principal, request: Request, after: str | None) -> Page:
        query = request.query_params.get("q", "").strip()
        return await find(who, query or None, None if after is None else int(after))

    site.add(path, path.strip("/"), path.strip("/"), show, rows=rows)


async def _search(request: Request, who: Principal, find: Finder) -> Found:
    query = request.query_params.get("q", "").strip()
    try:
        after = after_in(request)
        page = await find(who, query or None, after)
    except Refused as error:
        return Found(query=query, rows=[], first=True, wrong=f"{error.detail} {error.hint}".strip())
    later = urlencode({**({"q": query} if query else {}), "after": page.next}) if page.next else ""
    return Found(query=query, rows=page.items, first=after is None, later=later)
