"""What every page beside the dashboard shares: who asks, the frame around the content, and what a refusal looks like.

A page is read anew for each request, with the rights of its visitor. Used by the modules of this folder.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from herder import __version__
from herder.control.access.known_caller import trust
from herder.control.commands import Commands
from herder.control.kernel.bounds.errors import Forbidden, Invalid, NotReady, Refused
from herder.control.reads.port import Reads
from herder.model.permissions import Principal
from herder.model.values.times import iso
from herder.ports.store import StoreDown
from herder.web.actions.notices import Notices
from herder.web.addresses import NUMBER_MAX, name_of, number_of
from herder.web.forms import read_form
from herder.web.pages.export import FORMAT, Rows, export_addresses, exported
from herder.web.responses import in_kiosk, secured
from herder.web.session import SESSION_COOKIE, form_is_ours, visitor
from herder.web.templating import render

#: What differs each time a page is read: ages, and when it was read.
_MOVING = re.compile(r"<time data-read [^>]*>[^<]*|(?<=data-ago>)[^<]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a page shows: its template and the values of it. `command` prints the same on the command line, `api` is the path of the same in the API."""

    template: str
    command: str
    api: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    every_s: int = 2
    """An open page reads itself again when something happens, and not more often than this. Costly pages say more."""


#: Reads what a page shows, with the rights of its visitor. May raise Refused.
Shower = Callable[[Principal, Request], Awaitable[Shown | Response]]
#: Does what a form asks for, and shows or leads to what came of it. May raise Refused.
Doer = Callable[[Principal, Request, Mapping[str, str]], Awaitable[Shown | Response]]


class Site:
    def __init__(self, routes: APIRouter, commands: Commands, reads: Reads) -> None:
        self.routes = routes
        self.commands = commands
        self.reads = reads
        self.notices = Notices()

    def add(self, path: str, here: str, what: str, show: Shower, rows: Rows | None = None) -> None:
        """A page at `path`. `here` is its name in the navigation, `what` the words for what it shows ("job"). `rows`: of a list, to be exported."""

        async def page(request: Request) -> Response:
            return await self._page(request, here, what, show, rows)

        self.routes.add_api_route(path, page, methods=["GET"], response_model=None)

    def add_form(self, path: str, here: str, what: str, do: Doer) -> None:
        """What a form at `path` is sent to. One that is not of this visitor's pages is refused before it is looked at."""

        async def sent(who: Principal, request: Request) -> Shown | Response:
            form = await read_form(request)
            cookie = request.cookies.get(SESSION_COOKIE)
            if form is None or not form_is_ours(self.commands, cookie, form.get("secret", "")):
                raise Forbidden(
                    "This form has expired, and nothing was changed.", hint=f"Open {request.url.path} again."
                )
            return await do(who, request, form)

        async def page(request: Request) -> Response:
            return await self._page(request, here, what, sent)

        self.routes.add_api_route(path, page, methods=["POST"], response_model=None)

    async def _page(
        self, request: Request, here: str, what: str, show: Shower, rows: Rows | None = None
    ) -> Response:
        who = visitor(self.commands, request)
        if who is None:
            return secured(RedirectResponse("/login", 303))
        trust(request.scope, who.actor)
        try:
            shown: Shown | Response
            if rows is not None and FORMAT in request.query_params:
                shown = await exported(here, who, request, rows)
            else:
                shown = await show(who, request)
        except Refused as error:
            shown = refusal(what, error)
        except StoreDown as error:
            shown = refusal(what, NotReady(str(error), hint="Reload the page in a moment."))
        if isinstance(shown, Response):
            return secured(shown)
        return self._answer(request, who, here, shown, exports=rows is not None)

    def _answer(
        self, request: Request, who: Principal, here: str, shown: Shown, *, exports: bool
    ) -> Response:
        now_ms = self.reads.now_ms()
        html = render(
            shown.template,
            here=here,
            user=who.user,
            role=who.role.label,
            secret=self.commands.form_secret(request.cookies[SESSION_COOKIE]),
            version=__version__,
            now_ms=now_ms,
            read_at=iso(now_ms),
            every_s=shown.every_s,
            kiosk=in_kiosk(request),
            command=shown.command,
            api=shown.api,
            exports=export_addresses(request) if exports and shown.status == 200 else {},
            notice=self.notices.of(who.user, request.query_params.get("done", "")),
            **shown.values,
        )
        tag = tag_of(html)
        if shown.status == 200 and request.headers.get("if-none-match") == tag:
            return secured(Response(status_code=304, headers={"ETag": tag}))
        return secured(HTMLResponse(html, shown.status, headers={"ETag": tag}))


def tag_of(html: str) -> str:
    """The same for a page that tells the same: ages and the time of reading do not count."""
    fixed = _MOVING.sub("", html)
    return f'W/"{blake2b(fixed.encode(), digest_size=12).hexdigest()}"'


def refusal(what: str, error: Refused) -> Shown:
    values = {"what": what, "text": f"{error.detail} {error.hint}".strip()}
    return Shown(template="refused.html", command="", values=values, status=error.status)


def name_in(request: Request, what: str) -> str:
    """The name of the address. Raises NotKnown."""
    return name_of(str(request.path_params["name"]), what)


def number_in(request: Request, what: str) -> int:
    """The number of the address. Raises NotKnown."""
    return number_of(str(request.path_params["number"]), what)


def after_in(request: Request) -> int | None:
    """Where the page before ended. Raises Invalid."""
    text = request.query_params.get("after", "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 16 or int(text) > NUMBER_MAX:
        raise Invalid(f"A page cannot begin after {text[:20]!r}, which is not a number.", field="after")
    return int(text)
