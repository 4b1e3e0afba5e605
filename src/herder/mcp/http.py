"""The tools over streamable HTTP, with the official library and uvicorn. Each request carries a token of its user, with which its calls are made:
this process has no token of its own and keeps no session. It answers requests to its own address only, as pages of a browser could name another.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from herder.client import HerderClient
from herder.mcp.serving import server_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

HOST, PATH = "127.0.0.1", "/mcp"
BODY_MAX = 1024 * 1024
#: Connections at a time; more are answered 503.
CALLS_MAX = 64
_PREFIX = "bearer "

Connect = Callable[[str], HerderClient]
"""With the token of a request."""


def serve(connect: Connect, version: str, port: int, say: Callable[[str], None]) -> None:
    """On the loopback interface, until it is interrupted. `port`: 0 takes a free one. `say` is told the address.

    Raises OSError when the port cannot be used, and ModuleNotFoundError where the library is missing.
    """
    import socket

    import uvicorn

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        at = int(listening.getsockname()[1])
        app = app_of(connect, version, at)
        say(f"Serving tools for models at http://{HOST}:{at}{PATH}. Stop with Ctrl-C.")
        config = uvicorn.Config(app, log_level="warning", limit_concurrency=CALLS_MAX, server_header=False)
        uvicorn.Server(config).run(sockets=[listening])


def app_of(connect: Connect, version: str, port: int) -> "ASGIApp":
    from mcp.server.transport_security import TransportSecuritySettings

    hosts = [f"{HOST}:{port}", f"localhost:{port}"]
    server = server_of(lambda context: connect(_token(context.request)), version)
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=BODY_MAX,
        transport_security=TransportSecuritySettings(
            allowed_hosts=hosts, allowed_origins=[f"http://{each}" for each in hosts]
        ),
    )
    return _only_with_a_token(app)


def _only_with_a_token(app: "ASGIApp") -> "ASGIApp":
    """Whether the token is right is for Herder's server to say, at each call."""
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse

    async def guarded(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == "http" and not _token(Request(scope)):
            text = "Send a token of Herder with each request, as `Authorization: Bearer TOKEN`.\n"
            refused = PlainTextResponse(text, 401, {"WWW-Authenticate": "Bearer"})
            await refused(scope, receive, send)
            return
        await app(scope, receive, send)

    return guarded


def _token(request: Any) -> str:
    given = str(request.headers.get("authorization", ""))
    return given[len(_PREFIX) :].strip() if given.lower().startswith(_PREFIX) else ""
