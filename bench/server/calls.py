"""A light HTTP/1.1 client for the bench: one kept-alive connection, one call at a time, 40 µs of CPU per call.

A client library costs more CPU than the server does for the same call, and would be what is measured. Loopback only: no TLS,
no redirects, no retries; anything but a 2xx answer ends the measurement.
"""

import asyncio
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import msgspec

_API = "/api/v1"


class BadAnswer(Exception):
    """The server said no, or nothing: there is nothing to measure."""


class Caller(asyncio.Protocol):
    """Make it with `connect`."""

    def __init__(self, host: str, token: str) -> None:
        self._head = f"host: {host}\r\nauthorization: Bearer {token}\r\ncontent-length: "
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._pieces: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BadAnswer(f"the server closed the connection: {exc or 'no answer'}"))

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        body, status = b"".join(self._pieces), self._parser.get_status_code()
        self._pieces.clear()
        if self._answer is None or self._answer.done():
            return
        if 200 <= status < 300:
            self._answer.set_result(body)
        else:
            self._answer.set_exception(BadAnswer(f"{status}: {body[:500].decode(errors='replace')}"))

    async def call(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The body of the answer. Raises BadAnswer."""
        assert self._transport is not None
        if self._transport.is_closing():
            raise BadAnswer("the server has closed the connection")
        self._answer = asyncio.get_running_loop().create_future()
        head = f"{method} {_API}{path} HTTP/1.1\r\n{self._head}{len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)
        return await self._answer

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The same in plain data, where it is not what is measured."""
        answer = await self.call(method, path, b"" if body is None else msgspec.json.encode(body))
        return msgspec.json.decode(answer)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def connect(url: str, token: str) -> Caller:
    at = urlsplit(url)
    assert at.hostname is not None
    assert at.port is not None
    loop = asyncio.get_running_loop()
    _, caller = await loop.create_connection(lambda: Caller(at.netloc, token), at.hostname, at.port)
    return caller
