"""The application of a follower: hands every call on to the leader, and says how old the answer is.

ASGI. Token, idempotency key and body are passed on unchanged, so a repeated write takes effect once, whichever server it reaches. Each
answer has the header `Herder-As-Of`. Without a leader that answers, reads are answered from the store (`stored_reads.py`), and everything
else is refused with 503. Calls and times are bounded; bodies pass through in pieces. It must never hand on a call of another follower.
"""

import asyncio
import hashlib
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from herder.api.application import PREFIX
from herder.api.http.replies import bearer, problem, reply
from herder.api.http.request_ids import HEADER
from herder.control.access.known_caller import trust
from herder.control.kernel.bounds.errors import NotReady, Overloaded, Refused
from herder.model.values.times import iso
from herder.ports.leadership import ServerNote
from herder.server.leadership.gate import RETRY_AFTER_S

log = logging.getLogger(__name__)

_T = TypeVar("_T")

AS_OF = "Herder-As-Of"
"""The time of what an answer says. Every answer of a follower has it."""
FORWARDED = "Herder-Forwarded"
"""Set by a follower, so that a call is handed on once only."""
#: Calls that are handed on at a time.
CALLS_MAX = 2_000
#: How long connecting to the leader may take, and how long it may send nothing: longer than the longest poll.
CONNECT_S = 2.0
SILENCE_S = 60.0
#: Time between two checks whether the leader that a call was handed on to still leads.
LOOK_S = 1.0
#: Calls that wait for a change. Without a leader nothing changes, so they are refused and callers try again.
WAITS = ("/wait", "/stream")
#: Connections to the leader that are kept between calls.
IDLE_KEPT = 100
_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
        "upgrade", "expect",
    }
)  # fmt: skip
#: The id of the request is added by `request_ids.py`.
_HOP_BACK = _HOP | {HEADER.decode()}
_OF_BODY = frozenset({b"content-length", b"transfer-encoding"})
_METRICS = """\
# HELP herder_leader 1 if this server leads.
# TYPE herder_leader gauge
herder_leader 0
# HELP herder_forwarded_calls_total Calls that were handed on to the leader.
# TYPE herder_forwarded_calls_total counter
herder_forwarded_calls_total {forwarded}
"""


class NoLeader(NotReady):
    code = "no_leader"


class Peers(Protocol):
    """What a follower knows of the other servers."""

    def leader(self) -> ServerNote | None:
        """None: no server leads, or it is unknown."""


class StoredReads(Protocol):
    """Answers from the store, of a certain age."""

    async def face(self) -> tuple[ASGIApp, int] | None:
        """The application, and the time of what it says; None: the store does not answer either."""


class Forwarding:
    """`certificate`: that of this server, which the others may share."""

    def __init__(
        self, peers: Peers, stored: StoredReads, now_ms: Callable[[], int], certificate: Path | None
    ) -> None:
        self._peers, self._stored, self._now_ms = peers, stored, now_ms
        trusted = ssl.create_default_context()
        if certificate is not None:
            trusted.load_verify_locations(certificate)
        self._http = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=CALLS_MAX, max_keepalive_connections=IDLE_KEPT),
            timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_S, pool=CONNECT_S),
            verify=trusted,
            trust_env=False,
        )
        self._calls = 0
        self.forwarded = 0

    async def close(self) -> None:
        await self._http.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        leader, path = self._peers.leader(), scope["path"]
        if path == f"{PREFIX}/health":
            named = None if leader is None else leader.url
            await reply({"status": "ok", "role": "follower", "leader": named})(scope, receive, send)
        elif path == "/metrics":  # of this server: those of the fleet are the leader's, and would count twice
            await PlainTextResponse(_METRICS.format(forwarded=self.forwarded))(scope, receive, send)
        elif leader is None or any(name == FORWARDED.lower().encode() for name, _ in scope["headers"]):
            await self._alone(no_leader("No server leads at the moment."), scope, receive, send)
        elif self._calls >= CALLS_MAX:
            many = Overloaded(f"This server already hands on {CALLS_MAX:,} calls.", hint="Try again.")
            await self._refuse(many, scope, receive, send)
        else:
            self._calls += 1
            try:
                await self._hand_on(leader, scope, receive, send)
            finally:
                self._calls -= 1

    async def _hand_on(self, leader: ServerNote, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Body(receive)
        call = self._call(leader, scope, body)

        def leads() -> bool:
            now = self._peers.leader()
            return now is None or now.url == leader.url

        try:
            answer = await body.unless_gone(self._http.send(call, stream=True), leads)
        except httpx.TransportError as error:
            log.info("The leader at %s did not answer: %s", leader.url, error)
            text = f"The leader at {leader.url} did not answer."
            await self._alone(no_leader(text), scope, receive, send)
            return
        if answer is None:
            if not body.gone:  # it hangs, and another server has taken over
                text = f"The server at {leader.url} did not answer, and no longer leads."
                await self._refuse(no_leader(text), scope, receive, send)
            return
        self.forwarded += 1
        try:
            await body.unless_gone(self._pass_back(answer, scope, send), leads)
        finally:
            await answer.aclose()

    def _call(self, leader: ServerNote, scope: Scope, body: "_Body") -> httpx.Request:
        headers = [each for each in scope["headers"] if each[0].decode("latin-1") not in _HOP]
        with_body = not {name for name, _ in scope["headers"]}.isdisjoint(_OF_BODY)
        if not with_body:
            body.none()
        path = scope.get("raw_path") or scope["path"].encode()
        query = scope["query_string"]
        return self._http.build_request(
            scope["method"],
            httpx.URL(leader.url).copy_with(raw_path=path + (b"?" + query if query else b"")),
            headers=[*headers, (FORWARDED.encode(), b"1")],
            content=body.pieces() if with_body else None,
        )

    async def _pass_back(self, answer: httpx.Response, scope: Scope, send: Send) -> None:
        token = bearer(Request(scope))
        if token and answer.status_code not in (401, 403):
            trust(scope, f"forwarded/{hashlib.sha256(token.encode()).hexdigest()[:16]}")
        headers = [(name.lower(), value) for name, value in answer.headers.raw]
        headers = [each for each in headers if each[0].decode("latin-1") not in _HOP_BACK]
        headers.append((AS_OF.lower().encode(), iso(self._now_ms()).encode()))
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        try:
            async for piece in answer.aiter_raw():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except httpx.TransportError as error:
            # The answer is incomplete. Without its end the connection is closed, so the caller notices.
            log.info("The answer of the leader broke off: %s", error)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _alone(self, why: Refused, scope: Scope, receive: Receive, send: Send) -> None:
        """Without the leader."""
        waits = scope["path"].endswith(WAITS) or b"follow=" in scope["query_string"]
        read = scope["method"] in ("GET", "HEAD") and not waits
        found = await self._stored.face() if read else None
        if found is None:
            await self._refuse(why, scope, receive, send)
            return
        face, at_ms = found

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                as_of = (AS_OF.lower().encode(), iso(at_ms).encode())
                message = {**message, "headers": [*message.get("headers", ()), as_of]}
            await send(message)

        await face(scope, receive, told)

    async def _refuse(self, why: Refused, scope: Scope, receive: Receive, send: Send) -> None:
        response = problem(why)
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
        response.headers[AS_OF] = iso(self._now_ms())
        await response(scope, receive, send)


class _Body:
    """What a caller sends, and whether it is still there."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._whole = asyncio.Event()
        self.gone = False

    async def pieces(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.gone = True
                self._whole.set()
                raise httpx.WriteError("The caller left.")
            yield message.get("body", b"")
            if not message.get("more_body", False):
                self._whole.set()
                return

    def none(self) -> None:
        """There is none to be read."""
        self._whole.set()

    async def unless_gone(self, work: Awaitable[_T], leads: Callable[[], bool]) -> _T | None:
        """None: the caller left, or the leader leads no longer, and the work was cancelled. It may have been done all the same."""
        working = asyncio.ensure_future(work)
        watching = asyncio.ensure_future(self._left())
        both = {working, watching}
        try:
            while not (await asyncio.wait(both, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED))[0]:
                if not leads():
                    return None
            if working.done() and not self.gone:
                return working.result()
            return None
        finally:
            for task in (working, watching):
                task.cancel()
            with suppress(asyncio.CancelledError, httpx.TransportError):
                await working
            with suppress(asyncio.CancelledError):
                await watching

    async def _left(self) -> None:
        """Ends when the caller has left. Waits first until `pieces` has read the body."""
        await self._whole.wait()
        while not self.gone:
            message = await self._receive()
            self.gone = message["type"] == "http.disconnect"


def no_leader(text: str) -> NoLeader:
    return NoLeader(text, hint="Try again in some seconds: another server takes over within 10 s.")
