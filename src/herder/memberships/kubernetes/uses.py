"""What nodes really use, from metrics.k8s.io. Called by `cluster` every half minute; a cluster without that API is no fault."""

import msgspec

from herder.memberships.kubernetes.objects import NodeMetricsList
from herder.memberships.kubernetes.quantities import QuantityError, nano, rounded_down
from herder.model.fleet.pressure import WorkerUse
from herder.model.values.resources import Unit
from herder.remote.kubernetes.calls import NODE_METRICS, Call
from herder.remote.kubernetes.connection import PAGE_BYTES_MAX, Connection
from herder.remote.kubernetes.errors import unreadable
from herder.remote.kubernetes.objects import moment_ms

_METRICS: msgspec.json.Decoder[NodeMetricsList] = msgspec.json.Decoder(NodeMetricsList)


async def uses(connection: Connection) -> dict[str, WorkerUse]:
    """By name of the node. Raises ClusterErrors."""
    call = Call(verb="list", resource=NODE_METRICS)
    body = await connection.call(call, bytes_max=PAGE_BYTES_MAX)
    try:
        items = _METRICS.decode(body).items
    except msgspec.MsgspecError as error:
        raise unreadable(connection.cluster, call, str(error)) from None
    found = {}
    for item in items:
        at_ms = moment_ms(item.timestamp)
        try:
            cpu_milli = rounded_down(nano(item.usage.cpu), Unit.MILLI)
            memory_mib = rounded_down(nano(item.usage.memory), Unit.MIB)
        except QuantityError:
            continue
        if at_ms is not None:
            found[item.metadata.name] = WorkerUse(cpu_milli=cpu_milli, memory_mib=memory_mib, at_ms=at_ms)
    return found
