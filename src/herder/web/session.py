"""Who looks at the dashboard: a signed cookie that names a token by its hash, and the secrets of the forms.

The cookie is no API token: whoever reads it (cookies are shared by all ports of a host) cannot call the API with it, it ends
by itself, and it ends with the token it was made from. Called by `routes.py`.
"""

import hmac

from starlette.requests import Request
from starlette.responses import Response

from herder.control.auth import Principal, role_named
from herder.control.clock import derived_token, hash_token, new_token
from herder.control.core import Core
from herder.model.ids import UserName

SESSION_COOKIE = "herder_session"
FORM_COOKIE = "herder_form"
#: A working week, so that a person signs in once a week at most.
SESSION_S = 7 * 86400
#: How long a sign-in page may lie open before it is sent.
FORM_S = 3600


def start_session(core: Core, request: Request, response: Response, token: str) -> None:
    """Raises Unauthenticated."""
    core.directory.principal(token)
    claims = f"{hash_token(token)}.{core.clock.now_ms() + SESSION_S * 1000}"
    value = f"{claims}.{_signature(core, claims)}"
    _set(request, response, SESSION_COOKIE, value, SESSION_S)


def visitor(core: Core, request: Request) -> Principal | None:
    """Who a request's cookie speaks for; None when there is none, it is forged or over, or its token was revoked."""
    return holder(core, request.cookies.get(SESSION_COOKIE, ""))


def holder(core: Core, cookie: str) -> Principal | None:
    claims, _, signature = cookie.rpartition(".")
    digest, _, until = claims.partition(".")
    if not claims or not hmac.compare_digest(signature.encode(), _signature(core, claims).encode()):
        return None
    record = core.directory.tokens.get(digest)
    if record is None or record.revoked_at_ms is not None or core.clock.now_ms() > int(until):
        return None
    return Principal(UserName(record.user), role_named(record.role))


def end_session(response: Response) -> None:
    response.delete_cookie(SESSION_COOKIE, path="/")


def _signature(core: Core, claims: str) -> str:
    return derived_token(core.settings.secret, f"session/{claims}")


def new_form(request: Request, response: Response, nonce: str) -> None:
    """Bind a sign-in page to this browser."""
    _set(request, response, FORM_COOKIE, nonce, FORM_S)


def form_nonce() -> str:
    return new_token()


def form_secret(core: Core, cookie: str) -> str:
    """What a form carries so that no other site can send it: made from a cookie that only this browser holds."""
    return derived_token(core.settings.secret, f"form/{cookie}")


def form_is_ours(core: Core, cookie: str | None, secret: str) -> bool:
    return bool(cookie) and hmac.compare_digest(secret.encode(), form_secret(core, cookie or "").encode())


def _set(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    secure = request.url.scheme == "https"
    response.set_cookie(
        name, value, max_age=seconds, path="/", httponly=True, samesite="strict", secure=secure
    )
