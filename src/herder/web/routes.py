"""The dashboard's addresses: `/`, `/dashboard/stream`, `/login`, `/logout`, `/static/…`, and the pages of `pages/`. Mounted by `app.py`.

Every answer carries the headers of `secured`; everything but the sign-in page and the static files needs a session.
"""

from urllib.parse import parse_qs

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from herder import __version__
from herder.control.access.known_caller import trust
from herder.control.commands import Commands
from herder.control.kernel.bounds.errors import Unauthenticated
from herder.control.kernel.core import Core
from herder.control.reads.port import Reads
from herder.web import pages
from herder.web.live import STREAMS_MAX, Live
from herder.web.responses import secured
from herder.web.session import (
    FORM_COOKIE,
    SESSION_COOKIE,
    end_session,
    form_is_ours,
    form_nonce,
    new_form,
    start_session,
    visitor,
)
from herder.web.static_files import static_response
from herder.web.templating import SECTIONS, render
from herder.web.trend import Trend

#: A form holds two short fields.
FORM_BYTES_MAX = 8192


def router(core: Core, trend: Trend) -> APIRouter:
    """`trend` is the one that `Trend.sample` fills."""
    commands, reads = Commands(core), Reads(core)
    own = Pages(commands, Live(reads, trend))
    routes = APIRouter(include_in_schema=False)
    pages.add(routes, commands, reads)
    routes.add_api_route("/", own.dashboard, methods=["GET"], response_model=None)
    routes.add_api_route("/dashboard/stream", own.stream, methods=["GET"], response_model=None)
    routes.add_api_route("/login", own.login, methods=["GET"], response_model=None)
    routes.add_api_route("/login", own.sign_in, methods=["POST"], response_model=None)
    routes.add_api_route("/logout", own.sign_out, methods=["POST"], response_model=None)
    routes.add_api_route("/static/{path:path}", own.static, methods=["GET"], response_model=None)
    return routes


class Pages:
    def __init__(self, commands: Commands, live: Live) -> None:
        self.commands = commands
        self.live = live

    async def dashboard(self, request: Request) -> Response:
        who = visitor(self.commands, request)
        if who is None:
            return secured(RedirectResponse("/login", 303))
        trust(request.scope, who.actor)
        rendered = await self.live.sections()
        html = render(
            "dashboard.html",
            here="dashboard",
            sections={name: rendered.html[name] for name in SECTIONS},
            user=who.user,
            role=who.role.label,
            secret=self.commands.form_secret(request.cookies[SESSION_COOKIE]),
            version=__version__,
        )
        return secured(HTMLResponse(html))

    async def stream(self, request: Request) -> Response:
        cookie = request.cookies.get(SESSION_COOKIE, "")
        who = self.commands.visitor(cookie)
        if who is None:
            return secured(PlainTextResponse("Your session has ended. Sign in again at /login.\n", 401))
        trust(request.scope, who.actor)
        if self.live.open >= STREAMS_MAX:
            return secured(
                PlainTextResponse(
                    f"The limit of {STREAMS_MAX} open dashboards is reached. Close one and try again.\n", 503
                )
            )
        messages = self.live.stream(lambda: self.commands.visitor(cookie) is not None)
        headers = {"X-Accel-Buffering": "no"}  # a proxy that buffers would hold the stream back
        return secured(StreamingResponse(messages, media_type="text/event-stream", headers=headers))

    async def login(self, request: Request) -> Response:
        if visitor(self.commands, request) is not None:
            return secured(RedirectResponse("/", 303))
        return self._login_page(request, "", 200)

    async def sign_in(self, request: Request) -> Response:
        form = await _form(request)
        if form is None or not form_is_ours(
            self.commands, request.cookies.get(FORM_COOKIE), form.get("secret", "")
        ):
            return self._login_page(request, "The sign-in page has expired. Please try again.", 403)
        response = RedirectResponse("/", 303)
        try:
            await start_session(self.commands, request, response, form.get("token", "").strip())
        except Unauthenticated:
            text = "Invalid token: it is mistyped, incomplete, expired or revoked. An administrator can create a new one."
            return self._login_page(request, text, 401)
        return secured(response)

    async def sign_out(self, request: Request) -> Response:
        form = await _form(request)
        if form is None or not form_is_ours(
            self.commands, request.cookies.get(SESSION_COOKIE), form.get("secret", "")
        ):
            return secured(PlainTextResponse("Invalid form. Open / and sign out there.\n", 403))
        response = RedirectResponse("/login", 303)
        await end_session(self.commands, request, response)
        return secured(response)

    async def static(self, request: Request, path: str) -> Response:
        return secured(static_response(path, request.query_params.get("v")))

    def _login_page(self, request: Request, error: str, status: int) -> Response:
        nonce = request.cookies.get(FORM_COOKIE) or form_nonce()
        html = render("login.html", secret=self.commands.form_secret(nonce), error=error, version=__version__)
        response = HTMLResponse(html, status)
        new_form(request, response, nonce)
        return secured(response)


async def _form(request: Request) -> dict[str, str] | None:
    """The last value of each field; None when it is too large or no form."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            return None
    try:
        return {name: values[-1] for name, values in parse_qs(body.decode()).items()}
    except UnicodeDecodeError:
        return None
