"""One instant query to a Prometheus HTTP API. Called by the readings of custom metrics and for the use of nodes.

The API is that of prometheus.io/docs/prometheus/latest/querying/api (also spoken by Thanos, Mimir, VictoriaMetrics). An answer is
data or a `NoValue` that says what to do; nothing is ever taken for zero. No redirect is followed: a token goes to the address that
was written down and to no other.
"""

import asyncio
import os
from pathlib import Path
from typing import Any, Protocol

import httpx
import msgspec

from herder.wire.decode_errors import explained

_TOKEN_BYTES_MAX = 16 * 1024


class NoValue(Exception):
    """Why there is no value, in words for people."""


class Source(Protocol):
    """Where it is. The token is what the file or the variable holds when it is asked."""

    @property
    def url(self) -> str: ...

    @property
    def timeout_s(self) -> float:
        """For a whole answer."""

    @property
    def token_file(self) -> str | None: ...

    @property
    def token_env(self) -> str | None: ...


class Data(msgspec.Struct):
    """What a query gives: `resultType` says what `result` is."""

    resultType: str  # noqa: N815 - the API's own name
    result: msgspec.Raw


class Series(msgspec.Struct):
    """One element of a vector."""

    value: tuple[float, str]
    """The time in seconds, and the number as text."""
    metric: dict[str, str] = {}


class _Answer(msgspec.Struct):
    status: str = ""
    data: Data | None = None
    error: str = ""


def http_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """Whoever makes it closes it."""
    return httpx.AsyncClient(transport=transport, follow_redirects=False, trust_env=False, timeout=None)


async def ask(client: httpx.AsyncClient, source: Source, promql: str, bytes_max: int) -> Data:
    """What `promql` gives now. Raises NoValue."""
    try:
        async with asyncio.timeout(source.timeout_s):
            body, status = await _answer(client, source, promql, bytes_max)
    except TimeoutError:
        raise NoValue(f"{source.url} did not answer within {source.timeout_s:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise NoValue(f"{source.url}: {type(error).__name__}: {error}".rstrip(": ")) from None
    return data_of(body, status)


async def _answer(
    client: httpx.AsyncClient, source: Source, promql: str, bytes_max: int
) -> tuple[bytes, int]:
    address = source.url.rstrip("/") + "/api/v1/query"
    pieces, size = [], 0
    async with client.stream("GET", address, params={"query": promql}, headers=_headers(source)) as answer:
        async for piece in answer.aiter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size > bytes_max:
                raise NoValue(f"the answer is longer than {bytes_max:,} bytes; the query must return less")
        return b"".join(pieces), answer.status_code


def data_of(body: bytes, status: int) -> Data:
    """What is in an answer. Raises NoValue."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise not_from_prometheus(error, status) from None
    if answer.status == "success" and answer.data is not None and status == 200:
        return answer.data
    if status in (401, 403):
        raise NoValue(f"HTTP status {status}: the token of the source was refused")
    raise NoValue(f"HTTP status {status}: {answer.error[:300] or 'no reason given'}")


def vector_of(data: Data, status: int = 200) -> list[Series]:
    """The elements of a vector. Raises NoValue."""
    try:
        return msgspec.json.decode(data.result, type=list[Series])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise not_from_prometheus(error, status) from None


def not_from_prometheus(error: Exception, status: int) -> NoValue:
    return NoValue(f"HTTP status {status}, and the answer is not from Prometheus: {explained(error)[0]}")


def _headers(source: Source) -> dict[str, str]:
    """The token is read each time: it may be renewed while the server runs. Raises NoValue."""
    token: Any = None
    if source.token_env is not None:
        token = os.environ.get(source.token_env)
        if not token:
            raise NoValue(f"the environment variable {source.token_env} is not set")
    elif source.token_file is not None:
        with Path(source.token_file).open(encoding="ascii", errors="replace") as file:
            token = file.read(_TOKEN_BYTES_MAX).strip()
        if not token:
            raise NoValue(f"{source.token_file} is empty")
    if token is not None and not (token.isascii() and token.isprintable()):
        raise NoValue("the token has characters that are not allowed in an HTTP header")
    return {} if token is None else {"Authorization": f"Bearer {token}"}
