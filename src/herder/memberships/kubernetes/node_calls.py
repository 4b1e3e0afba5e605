"""What is done to one Node object: read, cordon, mark with labels and taints. Called by `cluster`, `drain` and `removal`.

A node is named by name and uid: a later node of the same name is never touched. Taints are one list in the API, so each patch names the
version that it was made from, and is made again when somebody else was quicker. Nothing that others have set is removed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from herder.memberships.kubernetes.objects import Object
from herder.model.fleet.cluster import WORKER_LABEL
from herder.model.fleet.node import NodeSeen
from herder.model.fleet.pool import Taint
from herder.ports.cluster import ClusterUnavailable, NodeGone
from herder.remote.kubernetes.calls import NODES, Call
from herder.remote.kubernetes.connection import FIELD_MANAGER, MERGE_PATCH, Connection
from herder.remote.kubernetes.errors import ApiError, unreadable
from herder.remote.kubernetes.objects import UNREADABLE, Metadata

#: A node changes at each report of its kubelet, but not often enough to lose this race repeatedly.
_TRIES = 5


class _Spec(Object):
    unschedulable: bool = False
    taints: list[dict[str, str]] | None = None
    """As they are: a patch replaces the list, and must lose nothing."""


class Current(Object):
    """A Node object, as far as a patch needs it."""

    metadata: Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)


_CURRENT: msgspec.json.Decoder[Current] = msgspec.json.Decoder(Current)


def gone(node: NodeSeen) -> NodeGone:
    return NodeGone(f"Node {node.name} (uid {node.uid}) does not exist.")


async def current(connection: Connection, node: NodeSeen) -> Current:
    """Raises NodeGone when there is none of that name and uid, and when it was given to another worker."""
    call = Call(verb="get", resource=NODES, name=node.name)
    try:
        body = await connection.call(call)
    except ApiError as error:
        if error.absent:
            raise gone(node) from None
        raise
    try:
        found = _CURRENT.decode(body)
    except UNREADABLE as error:
        raise unreadable(connection.cluster, call, str(error)) from None
    if found.metadata.uid != node.uid:
        raise gone(node)
    now = worker_of(found)
    if now and node.worker is not None and now != node.worker:
        raise NodeGone(f"Node {node.name} is no longer that of worker {node.worker}, but of worker {now}.")
    return found


def worker_of(found: Current) -> str:
    """As its label says; empty: it has none."""
    return (found.metadata.labels or {}).get(WORKER_LABEL, "")


async def cordon(connection: Connection, node: NodeSeen, cordoned: bool) -> None:
    for _ in range(_TRIES):
        found = await current(connection, node)
        if found.spec.unschedulable == cordoned:
            return
        # As kubectl does, the field is removed rather than set to false.
        if await _patched(connection, found, {"spec": {"unschedulable": True if cordoned else None}}):
            return
    raise _too_many(connection, node)


async def mark(
    connection: Connection, node: NodeSeen, labels: Mapping[str, str], taints: Sequence[Taint]
) -> None:
    for _ in range(_TRIES):
        found = await current(connection, node)
        change = change_of(found, labels, taints)
        if not change or await _patched(connection, found, change):
            return
    raise _too_many(connection, node)


def change_of(found: Current, labels: Mapping[str, str], taints: Sequence[Taint]) -> dict[str, Any]:
    """What a merge patch has to say, beside the version; empty when the node has all of it."""
    change: dict[str, Any] = {}
    have = found.metadata.labels or {}
    lacking = {key: value for key, value in labels.items() if have.get(key) != value}
    if lacking:
        change["metadata"] = {"labels": lacking}
    before = found.spec.taints or []
    after = _with_taints(before, taints)
    if after != before:
        change["spec"] = {"taints": after}
    return change


def _with_taints(before: list[dict[str, str]], taints: Sequence[Taint]) -> list[dict[str, str]]:
    """A taint is known by key and effect, as in Kubernetes."""
    after = list(before)
    places = {(each.get("key"), each.get("effect")): place for place, each in enumerate(before)}
    for taint in taints:
        wanted = {"key": taint.key, "effect": taint.effect.value}
        if taint.value:
            wanted["value"] = taint.value
        place = places.get((taint.key, taint.effect.value))
        if place is None:
            after.append(wanted)
        elif before[place].get("value", "") != taint.value:
            after[place] = wanted
    return after


async def _patched(connection: Connection, found: Current, change: dict[str, Any]) -> bool:
    """Whether it was the version that we saw. A deleted node is seen at the next try."""
    metadata = {
        **change.get("metadata", {}),
        "uid": found.metadata.uid,
        "resourceVersion": found.metadata.resource_version,
    }
    try:
        await connection.call(
            Call(verb="patch", resource=NODES, name=found.metadata.name),
            query={"fieldManager": FIELD_MANAGER},
            body={**change, "metadata": metadata},
            form=MERGE_PATCH,
        )
    except ApiError as error:
        if error.conflict or error.absent:
            return False
        raise
    return True


def _too_many(connection: Connection, node: NodeSeen) -> ClusterUnavailable:
    return ClusterUnavailable(
        f"Node {node.name} of cluster {connection.cluster} changes faster than it can be patched ({_TRIES} tries). Herder tries again."
    )
