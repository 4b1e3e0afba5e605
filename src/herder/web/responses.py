"""The headers that every answer of the dashboard carries. Used by all of its routes."""

from starlette.requests import Request
from starlette.responses import Response

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def secured(response: Response) -> Response:
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def in_kiosk(request: Request) -> bool:
    """Whether the page is for a screen on a wall: no navigation, no actions, and it refreshes itself."""
    return request.query_params.get("kiosk") == "1"
