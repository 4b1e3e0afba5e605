"""Sends a message by HTTP: `ports.callbacks.Sender`.

The name is looked up here, its addresses are judged, and the connection goes to one of those: a second look-up could give another
answer. No redirect is followed, no proxy is asked, certificates are checked against the name, and everything is bounded: the time of
a try, the bytes of an answer.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence

import httpx

from herder.notify.addresses import (
    Address,
    Allowed,
    BadTarget,
    Target,
    callable_addresses,
    checked,
    literal_of,
    without_secrets,
)
from herder.notify.signature import headers_of
from herder.ports.callbacks import Answer, Message

#: Of an answer nothing is used but its status; more than this is not read.
ANSWER_BYTES_MAX = 16 * 1024
#: The receiver says that it wants no more.
GONE = 410
#: Addresses of one name that are tried.
ADDRESSES_MAX = 3

LookUp = Callable[[str, int], Awaitable[Sequence[Address]]]


async def look_up(host: str, port: int) -> list[Address]:
    """By the resolver of this machine. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found))


class HttpSender:
    """`verify`: False only where a test has a certificate of its own kind; else what checks certificates."""

    def __init__(
        self,
        allow: Sequence[str] = (),
        timeout_s: float = 10.0,
        *,
        look_up: LookUp = look_up,
        verify: ssl.SSLContext | None = None,
        agent: str = "herder",
    ) -> None:
        self._allowed, self._timeout_s, self._look_up = Allowed(allow), timeout_s, look_up
        self._agent, self._verify = agent, verify
        self._client: httpx.AsyncClient | None = None
        """Made for the first message: most servers send none."""

    async def send(self, message: Message) -> Answer:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._send(message)
        except TimeoutError:
            return Answer(error=f"The receiver did not answer within {self._timeout_s:g} s.")
        except BadTarget as error:
            return Answer(error=f"The callback is not allowed: {error}")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            return Answer(error=f"The receiver cannot be reached: {_words(error, message.url)}.")

    async def _send(self, message: Message) -> Answer:
        target = checked(message.url, self._allowed)
        literal = literal_of(target.host)
        found = [literal] if literal is not None else await self._look_up(target.host, target.port)
        addresses = callable_addresses(target, found, self._allowed)
        last: httpx.ConnectError | None = None
        for address in addresses[:ADDRESSES_MAX]:
            try:
                return await self._post(message, target, address)
            except httpx.ConnectError as error:  # nothing was sent
                last = error
        raise OSError("the name has no address") if last is None else last

    async def _post(self, message: Message, target: Target, address: Address) -> Answer:
        body = message.body.encode()
        scheme = "https" if target.https else "http"
        host = f"[{address}]" if address.version == 6 else str(address)
        client = self._open()
        request = client.build_request(
            "POST",
            f"{scheme}://{host}:{target.port}{target.path}",
            content=body,
            headers={
                "Host": _host_header(target),
                "Content-Type": "application/json",
                "User-Agent": self._agent,
                "Accept-Encoding": "identity",
                **headers_of(message.id, message.sent_at_s, body, message.secret),
            },
            extensions={"sni_hostname": target.host} if target.https else {},
        )
        answer = await client.send(request, stream=True)
        try:
            return _judged(answer, await _text(answer, message.url))
        finally:
            await answer.aclose()

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                verify=True if self._verify is None else self._verify,
                follow_redirects=False,
                trust_env=False,
                timeout=None,
                limits=httpx.Limits(max_keepalive_connections=0),  # a kept one would skip the judgement
            )
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()


def _host_header(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    usual = 443 if target.https else 80
    return host if target.port == usual else f"{host}:{target.port}"


async def _text(answer: httpx.Response, url: str) -> str:
    """The beginning of it, for people. An answer without end is not waited for."""
    pieces, size = [], 0
    async for piece in answer.aiter_raw():
        pieces.append(piece)
        size += len(piece)
        if size >= ANSWER_BYTES_MAX:
            break
    line = " ".join(b"".join(pieces)[:ANSWER_BYTES_MAX].decode(errors="replace").split())
    return "".join(sign for sign in without_secrets(line, url)[:200] if sign.isprintable())


def _judged(answer: httpx.Response, text: str) -> Answer:
    status = answer.status_code
    if 200 <= status < 300:
        return Answer(status=status)
    if 300 <= status < 400:
        said = "The receiver answered with a redirect, which is not followed"
    elif status == GONE:
        said = "The receiver wants no more messages"
    else:
        said = "The receiver refused the message"
    more = f": {text}" if text and status >= 400 else ""
    return Answer(status=status, error=f"{said} (HTTP status {status}){more}.", final=status == GONE)


def _words(error: Exception, url: str) -> str:
    text = without_secrets(" ".join(str(error).split()).rstrip("."), url)
    return text[:300] or type(error).__name__
