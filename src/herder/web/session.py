"""Sessions of the dashboard: the cookie, and the secrets of the forms.

The cookie is no API token: whoever reads it (cookies are shared by all ports of a host) cannot call the API with it. Which
sessions there are, and when they end, is `control/access/sessions.py`'s. Called by `routes.py`.
"""

import hmac

from starlette.requests import Request
from starlette.responses import Response

from herder.control.commands import SESSION_S, Commands
from herder.control.kernel.secret_tokens import new_token
from herder.model.permissions import Principal

SESSION_COOKIE = "herder_session"
FORM_COOKIE = "herder_form"
#: How long a sign-in page may lie open before it is sent.
FORM_S = 3600


async def start_session(commands: Commands, request: Request, response: Response, token: str) -> None:
    """Raises Unauthenticated."""
    _set(request, response, SESSION_COOKIE, await commands.sign_in(token), SESSION_S)


def visitor(commands: Commands, request: Request) -> Principal | None:
    """Who a request's cookie speaks for; None when there is none, or its session, token or user has ended."""
    return commands.visitor(request.cookies.get(SESSION_COOKIE, ""))


async def end_session(commands: Commands, request: Request, response: Response) -> None:
    await commands.sign_out(request.cookies.get(SESSION_COOKIE, ""))
    response.delete_cookie(SESSION_COOKIE, path="/")


def new_form(request: Request, response: Response, nonce: str) -> None:
    """Bind a sign-in page to this browser."""
    _set(request, response, FORM_COOKIE, nonce, FORM_S)


def form_nonce() -> str:
    return new_token()


def form_is_ours(commands: Commands, cookie: str | None, secret: str) -> bool:
    wanted = commands.form_secret(cookie or "")
    return bool(cookie) and hmac.compare_digest(secret.encode(errors="replace"), wanted.encode())


def _set(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    secure = request.url.scheme == "https"
    response.set_cookie(
        name, value, max_age=seconds, path="/", httponly=True, samesite="strict", secure=secure
    )
