"""One instant query to a Prometheus HTTP API, and the interpretation of its answer. Called by the loop `readings`.

The API is that of prometheus.io/docs/prometheus/latest/querying/api (also spoken by Thanos, Mimir, VictoriaMetrics). An answer is
one number or a `NoValue` that says what to do; nothing is ever taken for zero. No redirect is followed: a token goes to the
address that was written down and to no other.
"""

import asyncio
import math
import os
from pathlib import Path
from typing import Any

import httpx
import msgspec

from herder.settings.sections.server import MetricSource
from herder.wire.decode_errors import explained

#: An answer with one number has some hundred bytes; more than this is not read.
ANSWER_BYTES_MAX = 2**20
_TOKEN_BYTES_MAX = 16 * 1024


class NoValue(Exception):
    """Why there is no value, in words for people."""


class _Data(msgspec.Struct):
    resultType: str  # noqa: N815 - the API's own name
    result: msgspec.Raw


class _Answer(msgspec.Struct):
    status: str = ""
    data: _Data | None = None
    error: str = ""


class _Series(msgspec.Struct):
    value: tuple[float, str]


async def query(client: httpx.AsyncClient, source: MetricSource, promql: str) -> float:
    """The number that `promql` gives now. Raises NoValue."""
    try:
        async with asyncio.timeout(source.timeout_s):
            body, status = await _ask(client, source, promql)
    except TimeoutError:
        raise NoValue(f"{source.url} did not answer within {source.timeout_s:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise NoValue(f"{source.url}: {type(error).__name__}: {error}".rstrip(": ")) from None
    return value_of(body, status)


async def _ask(client: httpx.AsyncClient, source: MetricSource, promql: str) -> tuple[bytes, int]:
    address = source.url.rstrip("/") + "/api/v1/query"
    pieces, size = [], 0
    async with client.stream("GET", address, params={"query": promql}, headers=_headers(source)) as answer:
        async for piece in answer.aiter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size > ANSWER_BYTES_MAX:
                raise NoValue(
                    f"the answer is longer than {ANSWER_BYTES_MAX:,} bytes; the query must return one number"
                )
        return b"".join(pieces), answer.status_code


def value_of(body: bytes, status: int) -> float:
    """The number in an answer. Raises NoValue."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
        if answer.status == "success" and answer.data is not None and status == 200:
            return _number(answer.data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NoValue(
            f"HTTP status {status}, and the answer is not from Prometheus: {explained(error)[0]}"
        ) from None
    if status in (401, 403):
        raise NoValue(f"HTTP status {status}: the token of the source was refused")
    raise NoValue(f"HTTP status {status}: {answer.error[:300] or 'no reason given'}")


def _number(data: _Data) -> float:
    if data.resultType == "scalar":
        text = msgspec.json.decode(data.result, type=tuple[float, str])[1]
    elif data.resultType == "vector":
        series = msgspec.json.decode(data.result, type=list[_Series])
        if not series:
            raise NoValue("the query returns no data")
        if len(series) > 1:
            raise NoValue(f"the query returns {len(series)} series; wrap it in sum(…) or max(…)")
        text = series[0].value[1]
    else:
        raise NoValue(
            f"the query returns a {data.resultType}, but must return a scalar or a vector with one element"
        )
    try:
        number = float(text)
    except ValueError:
        raise NoValue(f"{text[:50]!r} is not a number") from None
    if not math.isfinite(number):
        raise NoValue(f"the query returns {text}")
    return number


def _headers(source: MetricSource) -> dict[str, str]:
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
