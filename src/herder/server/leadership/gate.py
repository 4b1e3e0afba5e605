"""The gate before the application of a leader: no answer leaves when the lease may have ended.

ASGI, outermost, on PostgreSQL only. The application runs all the same, so that it notes who called; what it would say is replaced by
503. A server that was stopped and woken up would otherwise refuse a worker that its successor created. Health is always told.
"""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from herder.api.http.replies import problem
from herder.control.kernel.bounds.errors import StoreTroubled
from herder.store.sql_store import NOT_LEADING

#: Seconds after which a caller may try again, told in `Retry-After`.
RETRY_AFTER_S = 1


class Gate:
    def __init__(self, application: ASGIApp, holds: Callable[[], bool], always: frozenset[str]) -> None:
        """`always`: paths that are answered whoever leads."""
        self._application = application
        self._holds = holds
        self._always = always

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._always:
            await self._application(scope, receive, send)
            return
        refused = False

        async def told(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and not self._holds():
                refused = True
                response = problem(StoreTroubled(NOT_LEADING))
                response.headers["Retry-After"] = str(RETRY_AFTER_S)
                await response(scope, receive, send)
            elif not refused:
                await send(message)

        await self._application(scope, receive, told)
