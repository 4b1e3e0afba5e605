"""Addresses of the pages of work: `/batches`, `/batches/N`, `/jobs` and `/jobs/N`. Mounted by `routes.py`.

A page is read anew for each request, with the rights of its visitor; a search that is wrong is told beside its field. Nothing here changes
anything.
"""

import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from herder import __version__
from herder.control.access.known_caller import trust
from herder.control.commands import Commands
from herder.control.kernel.bounds.errors import Invalid, NotKnown, Refused
from herder.control.reads.port import Reads
from herder.control.reads.search.batches import BatchFilter
from herder.control.reads.work.jobs import JobFilter
from herder.model.permissions import Principal
from herder.web.responses import secured
from herder.web.session import SESSION_COOKIE, visitor
from herder.web.templating import render
from herder.web.work.output import tail_of
from herder.wire.api.resources import Page

#: Rows of a page.
ROWS = 50
#: Failed jobs on the page of a batch.
FAILED_SHOWN = 20
GROUPS_SHOWN = 20
#: Ids are at most so large.
NUMBER_MAX = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One page of a search. `wrong`: what is wrong with the search, and then there are no rows. `later`: where the next page begins."""

    query: str
    rows: list[Any]
    first: bool
    wrong: str = ""
    later: str = ""


Finder = Callable[[Principal, str | None, int | None], Awaitable[Page]]
Shower = Callable[[Principal, int], Awaitable[tuple[str, dict[str, Any]]]]


def add(routes: APIRouter, commands: Commands, reads: Reads) -> None:
    pages = WorkPages(commands, reads)
    for path, page in (
        ("/batches", pages.list_of("batches", pages.find_batches)),
        ("/batches/{number}", pages.one("batch", pages.show_batch)),
        ("/jobs", pages.list_of("jobs", pages.find_jobs)),
        ("/jobs/{number}", pages.one("job", pages.show_job)),
    ):
        routes.add_api_route(path, page, methods=["GET"], response_model=None)


class WorkPages:
    def __init__(self, commands: Commands, reads: Reads) -> None:
        self.commands = commands
        self.reads = reads

    def list_of(self, what: str, find: Finder) -> Callable[[Request], Awaitable[Response]]:
        """The page of a search: `?q=` its text, `?after=` where the page before it ended."""

        async def page(request: Request) -> Response:
            who = visitor(self.commands, request)
            if who is None:
                return secured(RedirectResponse("/login", 303))
            found = await _search(request, who, find)
            command = f"herder {what.removesuffix('es') if what == 'batches' else 'job'} list"
            return self._page(
                request,
                who,
                f"work/{what}.html",
                400 if found.wrong else 200,
                here=what,
                found=found,
                command=f"{command} {shlex.quote(found.query)}" if found.query else command,
            )

        return page

    def one(self, what: str, show: Shower) -> Callable[[Request], Awaitable[Response]]:
        async def page(request: Request) -> Response:
            who = visitor(self.commands, request)
            if who is None:
                return secured(RedirectResponse("/login", 303))
            here = "jobs" if what == "job" else "batches"
            try:
                template, values = await show(who, _number(request.path_params["number"], what))
            except Refused as error:
                return self._page(
                    request, who, "work/refused.html", error.status, here=here, what=what, text=error.detail
                )
            return self._page(request, who, template, 200, here=here, **values)

        return page

    async def find_batches(self, who: Principal, query: str | None, after: int | None) -> Page:
        return await self.reads.batches(who, BatchFilter(query=query, after=after, limit=ROWS))

    async def find_jobs(self, who: Principal, query: str | None, after: int | None) -> Page:
        return await self.reads.jobs(who, JobFilter(query=query, after=after, limit=ROWS))

    async def show_batch(self, who: Principal, number: int) -> tuple[str, dict[str, Any]]:
        batch = await self.reads.batch(who, number)
        failed: Page | None = None
        if batch.counts.get("failed"):
            wanted = JobFilter(batch=number, state="failed", limit=FAILED_SHOWN)
            failed = await self.reads.jobs(who, wanted)
        return "work/batch.html", {
            "batch": batch,
            "failed": failed,
            "groups": await self.reads.groups(who, number, after=None, limit=GROUPS_SHOWN),
            "command": f"herder batch get {number}",
        }

    async def show_job(self, who: Principal, number: int) -> tuple[str, dict[str, Any]]:
        job = await self.reads.job(who, number)
        output = None
        if job.attempts:
            try:
                output = tail_of(await self.reads.log(who, number, None, 0))
            except NotKnown:  # its output was removed by age
                output = None
        return "work/job.html", {
            "job": job,
            "why": await self.reads.explain(who, number),
            "output": output,
            "command": f"herder job get {number}",
        }

    def _page(
        self, request: Request, who: Principal, template: str, status: int, **values: object
    ) -> Response:
        trust(request.scope, who.actor)
        html = render(
            template,
            user=who.user,
            role=who.role.label,
            secret=self.commands.form_secret(request.cookies[SESSION_COOKIE]),
            version=__version__,
            now_ms=self.reads.now_ms(),
            **values,
        )
        return secured(HTMLResponse(html, status))


async def _search(request: Request, who: Principal, find: Finder) -> Found:
    query = request.query_params.get("q", "").strip()
    after_text = request.query_params.get("after", "")
    try:
        after = _after(after_text)
        page = await find(who, query or None, after)
    except Refused as error:
        return Found(query=query, rows=[], first=True, wrong=f"{error.detail} {error.hint}".strip())
    later = urlencode({**({"q": query} if query else {}), "after": page.next}) if page.next else ""
    return Found(query=query, rows=page.items, first=after is None, later=later)


def _after(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) > NUMBER_MAX:
        raise Invalid(f"A page cannot begin after {text[:20]!r}, which is not a number.", field="after")
    return int(text)


def _number(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 16 or int(text) > NUMBER_MAX:
        raise NotKnown(f"{text[:20]!r} is not the number of a {what}.")
    return int(text)
