"""What nodes really use: the port of its sources, and the cluster's own, metrics.k8s.io. Called by `cluster` every half minute.

A cluster without that API is no fault. What a source does not give is unknown and never zero.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from herder.memberships.kubernetes.access.rights import WISHED
from herder.memberships.kubernetes.objects import NodeMetricsList
from herder.memberships.kubernetes.quantities import QuantityError, nano, rounded_down
from herder.model.fleet.driver_capabilities import Check
from herder.model.fleet.pressure import WorkerUse
from herder.model.values.phrases import counted
from herder.model.values.resources import Unit
from herder.ports.cluster import ClusterError
from herder.remote.kubernetes.calls import NODE_METRICS, Call, Right
from herder.remote.kubernetes.connection import PAGE_BYTES_MAX, Connection
from herder.remote.kubernetes.errors import unreadable
from herder.remote.kubernetes.objects import UNREADABLE, moment_ms

#: The name of the check of a source.
CHECKED = "use of nodes"
NOT_KNOWN = "The CPU and memory that nodes use are not known."
_METRICS: msgspec.json.Decoder[NodeMetricsList] = msgspec.json.Decoder(NodeMetricsList)


class UseSource(Protocol):
    @property
    def named(self) -> bool:
        """Whether a person has named it: then it is a fault when it gives nothing."""

    @property
    def wished(self) -> Sequence[Right]:
        """The rights in the cluster without which it gives nothing."""

    async def uses(self, by_address: Mapping[str, str], now_ms: int) -> dict[str, WorkerUse]:
        """By name of the node. `by_address`: which node has a name or an address. Raises ClusterErrors."""

    async def check(self, by_address: Mapping[str, str], *, answers: bool) -> Sequence[Check]:
        """Which source it is, and whether it answers. `answers`: the API server does."""

    async def close(self) -> None: ...


class MetricsApi:
    named = False
    wished: Sequence[Right] = WISHED

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def uses(self, by_address: Mapping[str, str], now_ms: int) -> dict[str, WorkerUse]:
        call = Call(verb="list", resource=NODE_METRICS)
        body = await self._connection.call(call, bytes_max=PAGE_BYTES_MAX)
        try:
            items = _METRICS.decode(body).items
        except UNREADABLE as error:
            raise unreadable(self._connection.cluster, call, str(error)) from None
        found = {}
        for item in items:
            at_ms = moment_ms(item.timestamp)
            try:
                cpu, memory = nano(item.usage.cpu), nano(item.usage.memory)
            except QuantityError:
                continue
            if at_ms is not None and cpu >= 0 and memory >= 0:
                cpu_milli, memory_mib = rounded_down(cpu, Unit.MILLI), rounded_down(memory, Unit.MIB)
                found[item.metadata.name] = WorkerUse(cpu_milli=cpu_milli, memory_mib=memory_mib, at_ms=at_ms)
        return found

    async def check(self, by_address: Mapping[str, str], *, answers: bool) -> Sequence[Check]:
        """Its lack is no fault."""
        if not answers:
            return ()
        try:
            nodes = len(await self.uses(by_address, 0))
        except ClusterError as error:
            detail = f"The source is the metrics API of the cluster. {error} {NOT_KNOWN}"
            remedy = "Install metrics-server, or set prometheus of the cluster."
            return (Check(name=CHECKED, passed=True, detail=detail, remedy=remedy),)
        detail = f"The source is the metrics API of the cluster. It measures {counted(nodes, 'node')}."
        return (Check(name=CHECKED, passed=True, detail=detail),)

    async def close(self) -> None:
        """The connection is not its own."""
