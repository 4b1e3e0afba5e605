"""uvicorn's httptools protocol with limits: size and time of headers and bodies, pipelined calls, answers that are not read.

Made by uvicorn for each connection; `bounded` gives it the class. What breaks a bound is answered in one line and closed. It
keeps no log of bad requests: whoever sends them could fill a disk with it.
"""

import asyncio
from typing import Any

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from herder.control.access.known_caller import STATE_KEY, KnownCaller
from herder.server.http.connections import Connections, HttpLimits

_BAD = (b"400 Bad Request", b"this is not an HTTP request that this server understands")
_HEAD = (b"431 Request Header Fields Too Large", b"the head of the request is too large")
_MANY = (b"503 Service Unavailable", b"too many connections are open")
#: Bytes of a body that are still taken after its call was answered, so that the answer is seen: of strangers, and of others.
_LINGER_STRANGER_BYTES = 256 * 2**10
_LINGER_BYTES = 64 * 2**20
#: What may come with a body that is none (marks of chunks): so much, and so many times its size.
_FRAMES_BYTES = 64 * 2**10
_FRAMES_TIMES = 8
#: Pieces of a body: so many, and one more for so many bytes. Each costs the event loop about 2 µs, however small it is.
PIECES = 4096
PIECE_BYTES = 16


class _BoundBroken(Exception):
    """Raised in the parser's callbacks, to stop it."""


class BoundedProtocol(HttpToolsProtocol):
    """`keeper` is set by `bounded`."""

    keeper: Connections
    limits: HttpLimits

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False
        self.address = ""
        self.standing = KnownCaller(told=self._owned)
        self._fresh = True
        """No call has come yet."""
        self._in_body = False
        self._since_s = 0.0
        """When it began what it is at."""
        self._bytes = 0
        """Of the head or the body that is coming, with all that comes with it."""
        self._body_bytes = 0
        self._pieces = 0
        self._stuck_s = 0.0
        self._stuck_bytes = 0
        self._at_work: RequestResponseCycle | None = None
        """The call that is answered now, of several that were sent ahead; `cycle` is the last that has come."""

    # --- the life of a connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._since_s = self.loop.time()
        if not self.keeper.admit(self):
            self._refuse(_MANY)

    def connection_lost(self, exc: Exception | None) -> None:
        self.keeper.leave(self)
        self.standing.told = None  # or it and this would hold each other
        call, self._at_work = self._at_work, None
        if call is not None and not call.response_complete:  # uvicorn tells only the last that has come
            call.disconnected = True
            call.message_event.set()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._at_work = cycle
        super()._start_asgi_task(cycle, app)

    def cut(self) -> None:
        self.transport.abort()

    def _owned(self, owner: str) -> None:
        self.keeper.own(self, owner)

    def pause_writing(self) -> None:
        self._stuck_s, self._stuck_bytes = self.loop.time(), self.transport.get_write_buffer_size()
        super().pause_writing()

    def unsent(self) -> int:
        return self.transport.get_write_buffer_size() if self.flow.write_paused else 0

    def overdue(self, now_s: float) -> bool:
        limits = self.limits
        if self.flow.write_paused:
            size = self.unsent()
            if size < self._stuck_bytes:
                self._stuck_s, self._stuck_bytes = now_s, size
            return now_s - self._stuck_s > limits.answer_stuck_s
        waited_s = now_s - self._since_s
        if self._in_body:
            return waited_s > limits.body_grace_s + self._bytes / limits.body_bytes_per_s
        if not self._answered():
            return False  # a call that is held open
        if self._bytes or self._fresh:
            return waited_s > limits.head_s
        return waited_s > (limits.stranger_idle_s if self.standing.owner is None else limits.idle_s)

    def _answered(self) -> bool:
        """No call is under way."""
        return self._fresh or self.cycle.response_complete

    # --- what comes

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if not self._bytes:
            self._since_s = self.loop.time()
        self._bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # it goes on as plain HTTP
        except httptools.HttpParserError as error:
            broken = isinstance(error.__context__, _BoundBroken)
            self._refuse(_HEAD if broken else _BAD)
            return
        if self._in_body:
            self._look_at_body()
        elif self._bytes > self.limits.head_bytes_max:
            self._refuse(_HEAD)

    def _look_at_body(self) -> None:
        if self.cycle.response_complete:
            stranger = self.standing.owner is None
            if self._bytes > (_LINGER_STRANGER_BYTES if stranger else _LINGER_BYTES):
                self.transport.close()
        elif self._bytes > _FRAMES_BYTES + _FRAMES_TIMES * self._body_bytes:
            self._refuse(_BAD)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][STATE_KEY] = self.standing

    def on_headers_complete(self) -> None:
        limits = self.limits
        if self._bytes > limits.head_bytes_max:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > limits.head_bytes_max:
                raise _BoundBroken
        if len(self.headers) > limits.headers_max or len(self.pipeline) >= limits.pipeline_max:
            raise _BoundBroken
        self._in_body, self._bytes, self._body_bytes, self._pieces = True, 0, 0, 0
        super().on_headers_complete()
        self._fresh = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            raise _BoundBroken  # after a body: nothing here knows what to do with it
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._pieces += 1
        if self._pieces > PIECES + self._body_bytes // PIECE_BYTES:
            raise _BoundBroken
        if not self.cycle.response_complete:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body, self._bytes = False, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self._in_body:
            # The call was answered before its body was whole: what still comes of it is let go by, up to a bound.
            self._since_s, self._bytes = self.loop.time(), 0
        elif not self._bytes:
            self._since_s = self.loop.time()
        # As uvicorn does it, but without a timer for each call: idle connections are looked at together.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)

    # --- what is refused

    def _refuse(self, answer: tuple[bytes, bytes]) -> None:
        """Said and closed. A call that is being answered is cut off: its answer and this one would run into each other."""
        status, text = answer
        if self._in_body and self.cycle.response_complete:
            self.transport.close()  # it has its answer
        elif self._answered():
            self.transport.write(
                b"HTTP/1.1 %b\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
                b"connection: close\r\n\r\n%b\n" % (status, len(text) + 1, text)
            )
            self.transport.close()
        else:
            self.transport.abort()

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: it goes on as plain HTTP."""


def bounded(keeper: Connections) -> type[BoundedProtocol]:
    """The protocol class of one server."""
    return type("Connection", (BoundedProtocol,), {"keeper": keeper, "limits": keeper.limits})
