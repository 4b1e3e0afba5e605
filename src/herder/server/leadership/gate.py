"""The gate before the application of a leader: no answer leaves when the lease may have ended.

ASGI, outermost, on PostgreSQL only. A server that was stopped and woken up would otherwise refuse a worker that its successor created.
Calls that arrived before the end of the lease are refused when they would be answered. Exchanges of workers are processed, so that their
heartbeats count, but not answered. Health is always answered.
"""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from herder.api.application import PREFIX
from herder.api.http.replies import problem
from herder.control.kernel.bounds.errors import StoreTroubled
from herder.store.sql_store import NOT_LEADING

#: Seconds after which a caller may try again, told in `Retry-After`.
RETRY_AFTER_S = 1
#: Answered whoever leads.
HEALTH = f"{PREFIX}/health"
#: Processed, but not answered, while the lease may have ended.
EXCHANGE = f"{PREFIX}/worker/exchange"


class Gate:
    def __init__(self, application: ASGIApp, holds: Callable[[], bool]) -> None:
        self._application = application
        self._holds = holds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == HEALTH:
            await self._application(scope, receive, send)
            return
        if path != EXCHANGE and not self._holds():
            await _refuse(scope, receive, send)
            return
        refused = False

        async def told(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and not self._holds():
                refused = True
                await _refuse(scope, receive, send)
            elif not refused:
                await send(message)

        await self._application(scope, receive, told)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    response = problem(StoreTroubled(NOT_LEADING))
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    await response(scope, receive, send)
