"""Calls to the server over kept-alive HTTP/1.1: request and response bodies, and the two ways in which a call can fail.

An installation may have several servers, of which one leads. Any of them can be called; when one does not answer, or says that there is
no leader for the moment, the next call goes to the next one.

Used by `activation` and `exchange`. Written on asyncio streams and httptools rather than an HTTP library: an exchange then costs
0.1 ms of CPU where httpx takes 0.8, and the agent starts in half the time. It knows no redirects, cookies or proxies, and it
never retries: who calls decides what a failure means.
"""

import asyncio
import os
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

import httptools
import msgspec

from herder.agent.environment.settings import AgentSettings, SettingsError
from herder.model.values.phrases import clause, sentence

_API = "/api/v1/worker"
_READ_BYTES = 256 * 1024
_ANSWER_MOST_BYTES = 64 * 2**20
_IDLE_KEPT = 2
_CONNECT_S = 3.0
#: Addresses that are kept.
_SERVERS_MOST = 16
#: A 4xx that is about the moment, not about what was sent.
_LATER = frozenset({408, 425, 429})


class Unreachable(Exception):
    """No usable answer: it may or may not have been received. Try again later."""


class Rejected(Exception):
    """The server was reached and will not take this (400, 413, 422 …): the same again would be rejected again."""


class Refused(Exception):
    """The server does not know or want this worker (401, 403): trying again is pointless."""


class _Server(NamedTuple):
    """An address, taken apart."""

    url: str
    host: str
    port: int
    path: str
    tls: ssl.SSLContext | None


class _Stream(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: _Server


class _Answer:
    """What httptools reports while it parses one response."""

    __slots__ = ("complete", "parser", "pieces", "reusable", "size")

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.pieces: list[bytes] = []
        self.size = 0
        self.complete = self.reusable = False

    def on_headers_complete(self) -> None:
        self.reusable = self.parser.should_keep_alive()  # asked later, it always says no

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.size += len(piece)

    def on_message_complete(self) -> None:
        self.complete = True


class Connection:
    """One parked call and one send at a time are all there is, so two idle streams are kept. Raises SettingsError."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        given = [each.strip() for each in settings.server_url.split(",") if each.strip()]
        self._given = [_server(each, settings) for each in given or [""]]
        self._servers = self._given[:_SERVERS_MOST]
        """The one that is called first."""
        self._token = ""
        self._idle: list[_Stream] = []

    def know(self, servers: Sequence[str]) -> None:
        """Those that were given at the start are kept as the last."""
        known = {each.url: each for each in (*self._servers, *self._given)}
        found = dict.fromkeys(self._servers[:1])
        for url in servers[:_SERVERS_MOST]:
            with suppress(SettingsError):  # of a scheme that this agent does not know
                found[known.get(url.rstrip("/")) or _server(url, self._settings)] = None
        self._servers = list(found | dict.fromkeys(self._given))[:_SERVERS_MOST]

    def _failed(self, server: _Server) -> None:
        """The next call goes to the next one, unless another call has seen to that."""
        if self._servers[0] == server:
            self._servers = [*self._servers[1:], server]

    def use_token(self, token: str) -> None:
        """Raises Refused when it cannot be sent in a header."""
        if not (token.isascii() and token.isprintable()):
            raise Refused("The token has characters that are not allowed in a token.")
        self._token = token

    async def call(
        self, path: str, body: bytes, held_open_s: float = 0.0, answer_s: float | None = None
    ) -> bytes:
        """The body of a 200 answer. Raises Unreachable, Rejected or Refused."""
        within_s = self._settings.answer_timeout_s if answer_s is None else answer_s
        server = self._servers[0]
        request = self._head(server, "POST", path, len(body)) + body
        status, answer = await self._talk(server, request, _Answer(), within_s + held_open_s)
        return usable(status, answer)

    async def fetch(self, path: str, descriptor: int) -> None:
        """What a GET answers, written to a file as it comes. Raises Unreachable, Rejected, or OSError of the file."""
        into = _ToFile(descriptor)
        server = self._servers[0]
        status, said = await self._talk(
            server, self._head(server, "GET", path, 0), into, self._settings.fetch_timeout_s, keep=False
        )
        if into.error is not None:
            raise into.error
        _raise_for(status, said)

    async def _talk(
        self, server: _Server, request: bytes, answer: "_Answer", within_s: float, *, keep: bool = True
    ) -> tuple[int, bytes]:
        stream: _Stream | None = None
        try:
            async with asyncio.timeout(within_s):
                stream = await self._stream(server)
                status, body, reusable = await _converse(stream, request, answer)
            if status >= 500:
                self._failed(server)
        except (OSError, TimeoutError, EOFError, httptools.HttpParserError) as error:
            self._failed(server)
            raise Unreachable(
                f"The server cannot be reached: {clause(error) or type(error).__name__}."
            ) from error
        else:
            if reusable and keep and len(self._idle) < _IDLE_KEPT:
                self._idle.append(stream)
                stream = None
        finally:
            if stream is not None:
                stream.writer.transport.abort()
        return status, body

    async def close(self) -> None:
        while self._idle:
            writer = self._idle.pop().writer
            writer.close()
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), 1.0)

    async def _stream(self, server: _Server) -> _Stream:
        while self._idle:
            stream = self._idle.pop()
            if stream.server == server and not stream.reader.at_eof() and not stream.writer.is_closing():
                return stream
            stream.writer.transport.abort()  # the server closed it while it was idle, or it is another one's
        connecting = asyncio.open_connection(server.host, server.port, ssl=server.tls, limit=_READ_BYTES)
        # A host that is down says nothing; with another to go to, it is not waited for as long as for an answer.
        async with asyncio.timeout(_CONNECT_S if len(self._servers) > 1 else None):
            reader, writer = await connecting
        return _Stream(reader, writer, server)

    def _head(self, server: _Server, method: str, path: str, length: int) -> bytes:
        return (
            f"{method} {server.path}{path} HTTP/1.1\r\nhost: {server.host}:{server.port}\r\n"
            f"authorization: Bearer {self._token}\r\ncontent-type: application/json\r\n"
            f"accept-encoding: identity\r\ncontent-length: {length}\r\n\r\n"
        ).encode("ascii")


class _ToFile(_Answer):
    """The body of a 200 answer goes to a file, never whole into memory; that of any other is kept to be read."""

    __slots__ = ("_descriptor", "error")

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self.error: OSError | None = None

    def on_body(self, piece: bytes) -> None:
        if self.parser.get_status_code() != 200:
            super().on_body(piece)
            return
        try:
            while piece and self.error is None:
                piece = piece[os.write(self._descriptor, piece) :]
        except OSError as error:
            self.error = error  # raised from here, it would come out as one of the parser's


def _raise_for(status: int, body: bytes) -> None:
    if status == 200:
        return
    text = sentence(f"The server answered with HTTP status {status}: {_detail(body)}")
    raise Rejected(text) if 400 <= status < 500 and status not in _LATER else Unreachable(text)


def usable(status: int, answer: bytes) -> bytes:
    """The body of a 200 answer. Raises Refused, Rejected or Unreachable for all others; the simulated network asks it too."""
    if status in (401, 403):
        raise Refused(sentence(f"The server answered with HTTP status {status}: {_detail(answer)}"))
    _raise_for(status, answer)
    return answer


async def _converse(stream: _Stream, request: bytes, answer: _Answer) -> tuple[int, bytes, bool]:
    """Status, body, and whether the stream can be used again."""
    stream.writer.write(request)
    await stream.writer.drain()
    while not answer.complete:
        piece = await stream.reader.read(_READ_BYTES)
        if not piece:
            raise EOFError("the server closed the connection without an answer")
        answer.parser.feed_data(piece)
        if isinstance(answer, _ToFile) and answer.error is not None:
            break
        if answer.size > _ANSWER_MOST_BYTES:
            raise EOFError(f"the answer is larger than {_ANSWER_MOST_BYTES:,} bytes")
    status = answer.parser.get_status_code()
    del answer.parser  # the two hold each other
    return status, b"".join(answer.pieces), answer.reusable


def _server(address: str, settings: AgentSettings) -> _Server:
    """Raises SettingsError."""
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError as error:
        raise SettingsError(f"{address!r} is not the address of a server: {clause(error)}.") from None
    if url.scheme not in ("http", "https") or not url.hostname:
        raise SettingsError(
            f"{address!r} is not the address of a server. Write an address such as http://10.0.0.5:8080."
        )
    # Reading the trusted certificates costs 30 ms, so only when they are needed.
    tls = ssl.create_default_context(cafile=settings.ca_file) if url.scheme == "https" else None
    return _Server(
        address.rstrip("/"), url.hostname, port or (443 if tls else 80), url.path.rstrip("/") + _API, tls
    )


class _Problem(msgspec.Struct):
    detail: str = ""
    title: str = ""


def _detail(body: bytes) -> str:
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return body[:200].decode("utf-8", "replace")
    return (problem.detail or problem.title)[:500]
