"""What nodes really use, from a Prometheus that scrapes them. Made by `opening` where the settings name one; called by `cluster`.

Two queries give a series of each node: cores and bytes. A node is known only when both name it exactly once with a number; all else is
unknown and never zero. The metrics API is not asked instead: two sources that measure differently would make pools grow and shrink.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from herder.memberships.kubernetes.uses import CHECKED, NOT_KNOWN
from herder.model.fleet.cluster import PROMETHEUS_CPU_QUERY, PROMETHEUS_MEMORY_QUERY, ClusterSettings
from herder.model.fleet.driver_capabilities import Check
from herder.model.fleet.pressure import WorkerUse
from herder.model.values.phrases import clause, counted
from herder.model.values.resources import AMOUNT_MAX
from herder.ports.cluster import ClusterError, ClusterUnavailable
from herder.remote.kubernetes.calls import Right
from herder.remote.prometheus import NoValue, Series, ask, http_client, vector_of

#: Of one query.
TIMEOUT_S = 10.0
#: 5,000 nodes with 300 bytes of labels are 2 MB.
ANSWER_BYTES_MAX = 8 * 2**20
#: The first that names a node counts. `instance` is the address that was scraped, with its port.
LABELS = ("node", "nodename", "kubernetes_node", "instance")
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    url: str
    timeout_s: float
    token_file: str | None
    token_env: str | None


class PrometheusUse:
    named = True
    wished: Sequence[Right] = ()

    def __init__(
        self, settings: ClusterSettings, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._cluster = settings.name
        self._source = _Source(
            url=settings.prometheus or "",
            timeout_s=TIMEOUT_S,
            token_file=settings.prometheus_token_file,
            token_env=settings.prometheus_token_env,
        )
        self._cpu = settings.prometheus_cpu_query or PROMETHEUS_CPU_QUERY
        self._memory = settings.prometheus_memory_query or PROMETHEUS_MEMORY_QUERY
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def uses(self, by_address: Mapping[str, str], now_ms: int) -> dict[str, WorkerUse]:
        cores = amounts(await self._series("prometheus_cpu_query", self._cpu), by_address)
        octets = amounts(await self._series("prometheus_memory_query", self._memory), by_address)
        return {
            name: WorkerUse(
                cpu_milli=int(min(cores[name] * 1000, AMOUNT_MAX)),
                memory_mib=int(min(octets[name] / MIB, AMOUNT_MAX)),
                at_ms=now_ms,
            )
            for name in cores
            if name in octets
        }

    async def check(self, by_address: Mapping[str, str], *, answers: bool) -> Sequence[Check]:
        where = f"The source is Prometheus at {self._source.url}."
        try:
            known = len(await self.uses(by_address, 0))
        except ClusterError as error:
            detail = f"{where} {error} {NOT_KNOWN}"
            remedy = (
                "Correct the settings of the cluster that begin with prometheus, or make Prometheus answer."
            )
            return (Check(name=CHECKED, passed=False, detail=detail, remedy=remedy),)
        nodes = len(set(by_address.values()))
        remedy = (
            f"Write queries whose series have the node's name or InternalIP in a label: {', '.join(LABELS)}."
        )
        return (
            Check(
                name=CHECKED,
                passed=known > 0 or nodes == 0,
                detail=f"{where} It answers. It measures {known:,} of {counted(nodes, 'node')}.",
                remedy=remedy if known < nodes else "",
            ),
        )

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _series(self, setting: str, query: str) -> list[Series]:
        if self._client is None:
            self._client = http_client(self._transport)
        try:
            data = await ask(self._client, self._source, query, ANSWER_BYTES_MAX)
            if data.resultType != "vector":
                raise NoValue(f"the query returns a {data.resultType}, not a vector")
            series = vector_of(data)
            if not series:
                raise NoValue("the query returns no data")
        except NoValue as error:
            raise ClusterUnavailable(
                f"Prometheus gives no data for {setting} of cluster {self._cluster}: {clause(error)}."
            ) from None
        return series


def amounts(series: Sequence[Series], by_address: Mapping[str, str]) -> dict[str, float]:
    """The number of each node, by its name. A node with several series, or with what is no amount, is not in it."""
    found: dict[str, float] = {}
    unclear: set[str] = set()
    for each in series:
        name = _node_of(each.metric, by_address)
        if name is None:
            continue
        amount = _amount(each.value[1])
        if amount is None or name in found:
            unclear.add(name)
        else:
            found[name] = amount
    return {name: amount for name, amount in found.items() if name not in unclear}


def _node_of(labels: Mapping[str, str], by_address: Mapping[str, str]) -> str | None:
    for label in LABELS:
        value = labels.get(label, "")
        name = by_address.get(value) or by_address.get(_host(value))
        if name is not None:
            return name
    return None


def _host(address: str) -> str:
    """Without its port: 10.0.0.5:9100, [fd00::5]:9100."""
    host, colon, port = address.rpartition(":")
    if not (colon and port.isdecimal()):
        return address.strip("[]")
    return host.strip("[]")


def _amount(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
