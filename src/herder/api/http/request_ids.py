"""Gives each HTTP request an id, answers it in `X-Request-Id`, and logs each answer. ASGI, outermost; of leaders and followers.

An id that the caller sent is kept when it is a plain word, so that one id goes through proxies and servers. The informative line of an
answer names method, path and status; never headers, query or body. What workers and probes call all the time is logged at debug.
"""

import asyncio
import logging
import re
from hashlib import sha256
from itertools import count

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from herder.observability.logs import REQUEST, AnsweredRequest

log = logging.getLogger("herder.requests")

HEADER = b"x-request-id"
_PLAIN = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_FREQUENT = re.compile(r"/api/v1/(worker/|health$|ready$)|/metrics$")


class RequestIds:
    """`origin` tells servers and their starts apart, so that no two requests have the same id."""

    def __init__(self, application: ASGIApp, origin: str) -> None:
        self._application = application
        self._prefix = sha256(origin.encode()).hexdigest()[:12].encode()
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        answered = self._identify(scope)
        request = AnsweredRequest(answered[1].decode(), scope["method"], scope["path"])
        REQUEST.set(request)  # until the end of its task, so that the lines of an error have it too
        logs = log.isEnabledFor(logging.INFO)
        began_s = asyncio.get_running_loop().time() if logs else 0.0

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                # A list of its own: that of a response may be used again.
                message["headers"] = [*message.get("headers", ()), answered]
                if logs:
                    _log(request, message["status"], began_s)
            await send(message)

        await self._application(scope, receive, told)

    def _identify(self, scope: Scope) -> tuple[bytes, bytes]:
        """The header of the request's id, which the scope has once from now on: a follower hands it on."""
        headers = scope["headers"]
        given = [each for each in headers if each[0] == HEADER]
        if len(given) == 1 and _PLAIN.fullmatch(given[0][1]):
            return HEADER, given[0][1]
        if given:
            headers = scope["headers"] = [each for each in headers if each[0] != HEADER]
        made = (HEADER, b"%b-%x" % (self._prefix, next(self._numbers)))
        headers.append(made)
        return made


def _log(request: AnsweredRequest, status: int, began_s: float) -> None:
    level = logging.DEBUG if _FREQUENT.match(request.path) else logging.INFO
    if not log.isEnabledFor(level):
        return
    more = {
        "method": request.method,
        "path": request.path,
        "status": status,
        "took_ms": round((asyncio.get_running_loop().time() - began_s) * 1000, 1),
        "code": request.code,
        "detail": request.detail,
    }
    why = f" ({request.code})" if request.code else ""
    log.log(
        level,
        "Request %s, %s %s, was answered with %d%s.",
        request.id,
        request.method,
        request.path,
        status,
        why,
        extra=more,
    )
