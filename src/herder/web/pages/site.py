"""What every page beside the dashboard shares: who asks, the frame around the content, and what a refusal looks like.

A page is read anew for each request, with the rights of its visitor. Used by the modules of this folder.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from herder import __version__
from herder.control.access.known_caller import trust
from herder.control.commands import Commands
from herder.control.kernel.bounds.errors import Invalid, NotKnown, Refused
from herder.control.reads.port import Reads
from herder.model.permissions import Principal
from herder.web.responses import secured
from herder.web.session import SESSION_COOKIE, visitor
from herder.web.templating import render

#: Ids are at most so large.
NUMBER_MAX = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a page shows: its template and the values of it. `command` prints the same on the command line, `api` is the path of the same in the API."""

    template: str
    command: str
    api: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


#: Reads what a page shows, with the rights of its visitor. May raise Refused.
Shower = Callable[[Principal, Request], Awaitable[Shown | Response]]


class Site:
    def __init__(self, routes: APIRouter, commands: Commands, reads: Reads) -> None:
        self.routes = routes
        self.commands = commands
        self.reads = reads

    def add(self, path: str, here: str, what: str, show: Shower) -> None:
        """A page at `path`. `here` is its name in the navigation, `what` the words for what it shows ("job")."""

        async def page(request: Request) -> Response:
            who = visitor(self.commands, request)
            if who is None:
                return secured(RedirectResponse("/login", 303))
            try:
                shown = await show(who, request)
            except Refused as error:
                refused = {"what": what, "text": f"{error.detail} {error.hint}".strip()}
                shown = Shown(template="refused.html", command="", values=refused, status=error.status)
            if isinstance(shown, Response):
                return secured(shown)
            return self._answer(request, who, here, shown)

        self.routes.add_api_route(path, page, methods=["GET"], response_model=None)

    def _answer(self, request: Request, who: Principal, here: str, shown: Shown) -> Response:
        trust(request.scope, who.actor)
        html = render(
            shown.template,
            here=here,
            user=who.user,
            role=who.role.label,
            secret=self.commands.form_secret(request.cookies[SESSION_COOKIE]),
            version=__version__,
            now_ms=self.reads.now_ms(),
            command=shown.command,
            api=shown.api,
            **shown.values,
        )
        return secured(HTMLResponse(html, shown.status))


def number_in(request: Request, what: str) -> int:
    """The number of the address. Raises NotKnown."""
    text = str(request.path_params["number"])
    if not text.isascii() or not text.isdigit() or len(text) > 16 or int(text) > NUMBER_MAX:
        raise NotKnown(f"{text[:20]!r} is not the number of a {what}.")
    return int(text)


def after_in(request: Request) -> int | None:
    """Where the page before ended. Raises Invalid."""
    text = request.query_params.get("after", "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) > NUMBER_MAX:
        raise Invalid(f"A page cannot begin after {text[:20]!r}, which is not a number.", field="after")
    return int(text)
