"""The number that a query to Prometheus gives. Called by the loop `readings`; `remote/prometheus` asks. Nothing is ever taken for zero."""

import math

import httpx
import msgspec

from herder.remote.prometheus import Data, NoValue, ask, data_of, not_from_prometheus, vector_of
from herder.settings.sections.server import MetricSource

#: An answer with one number has some hundred bytes; more than this is not read.
ANSWER_BYTES_MAX = 2**20


async def query(client: httpx.AsyncClient, source: MetricSource, promql: str) -> float:
    """The number that `promql` gives now. Raises NoValue."""
    return _number(await ask(client, source, promql, ANSWER_BYTES_MAX))


def value_of(body: bytes, status: int) -> float:
    """The number in an answer. Raises NoValue."""
    return _number(data_of(body, status))


def _number(data: Data) -> float:
    if data.resultType == "scalar":
        try:
            text = msgspec.json.decode(data.result, type=tuple[float, str])[1]
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise not_from_prometheus(error, 200) from None
    elif data.resultType == "vector":
        series = vector_of(data)
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
