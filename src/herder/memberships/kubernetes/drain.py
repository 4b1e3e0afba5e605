"""Empties a node: one pass of evictions by the Eviction API, and the removal of a node whose machine is known to be gone.

Called by `cluster`, again and again while a worker drains. DaemonSet and mirror pods are ignored, ended pods too; pods without an owner and
those with an emptyDir are evicted as all others. A budget is never circumvented, except with `force`. No pod is deleted with grace 0 before
its machine is known to be gone: its containers might still run.
"""

import math
from dataclasses import dataclass
from typing import Any

import msgspec

from herder.memberships.kubernetes.node_calls import Current, current, worker_of
from herder.memberships.kubernetes.objects import Pod, PodPage
from herder.model.fleet.node import NodeSeen
from herder.model.values.phrases import clause, counted, sentence, sentences
from herder.ports.cluster import Blocked, BlockedBy, Emptying, NodeGone
from herder.remote.kubernetes.calls import NODES, PODS, Call
from herder.remote.kubernetes.connection import PAGE_BYTES_MAX, Connection
from herder.remote.kubernetes.errors import ApiBusy, ApiError, RightMissing, unreadable
from herder.remote.kubernetes.objects import UNREADABLE, Metadata, moment_ms

_PAGE = 500
#: Far above what a kubelet takes, which is 110 pods by default. What lies beyond is not known, so nothing is done.
_PAGES_MAX = 10
#: A pod may be there so long after its grace has ended before it counts as stuck: clocks differ, and volumes are unmounted.
STUCK_AFTER_MS = 60_000
_PAGES: msgspec.json.Decoder[PodPage] = msgspec.json.Decoder(PodPage)


@dataclass(frozen=True, slots=True)
class _Evicted:
    """Accepted: the pod ends within its grace."""


@dataclass(frozen=True, slots=True)
class _Gone:
    """There is no such pod any longer."""


_Outcome = _Evicted | _Gone | Blocked


async def empty(
    connection: Connection, node: NodeSeen, *, grace_s: float | None, at_once: int, force: bool, now_ms: int
) -> Emptying:
    """One pass. Raises NodeGone, and ClusterUnavailable when nothing could be done."""
    pods = await pods_on(connection, node)
    await current(connection, node)
    left = [pod for pod in pods if is_workload(pod)]
    left.sort(key=_order)
    blocked: list[Blocked] = []
    evicted = away = 0
    for pod in left:
        if pod.metadata.deletion_timestamp is not None:
            blocked += _stuck(pod, now_ms)
            continue
        if evicted >= at_once:
            break
        try:
            outcome = await _evict(connection, pod, grace_s)
            if force and isinstance(outcome, Blocked) and outcome.by is not BlockedBy.FORBIDDEN:
                outcome = await _delete(connection, pod, grace_s)
        except ApiBusy:
            if not evicted and not blocked:
                raise
            break
        evicted += isinstance(outcome, _Evicted)
        away += isinstance(outcome, _Gone)
        if isinstance(outcome, Blocked):
            blocked.append(outcome)
    return Emptying(left=len(left) - away, evicted=evicted, blocked=tuple(blocked))


async def remove(connection: Connection, node: NodeSeen) -> None:
    """Pods that are stuck on it, by force, then the Node object. A node that is already gone is no error; one that has taken its name, or that
    is no longer its worker's, is left alone."""
    pods = await pods_on(connection, node)
    found: Current | None = None
    try:
        found = await current(connection, node)
        if node.worker is not None and not worker_of(found):
            return
    except NodeGone:
        if await _name_taken(connection, node):
            return
    for pod in pods:
        if not pod.ended:
            await _delete_by_force(connection, pod)
    if found is not None:
        await _delete_node(connection, found)


async def pods_on(connection: Connection, node: NodeSeen) -> list[Pod]:
    """All that are bound to a node of this name and have not ended, from the API itself: all of them, or an error."""
    call = Call(verb="list", resource=PODS)
    selector = f"spec.nodeName={node.name},status.phase!=Succeeded,status.phase!=Failed"
    query = {"fieldSelector": selector, "limit": str(_PAGE)}
    found: list[Pod] = []
    for _ in range(_PAGES_MAX):
        body = await connection.call(call, query=query, bytes_max=PAGE_BYTES_MAX)
        try:
            page = _PAGES.decode(body)
        except UNREADABLE as error:
            raise unreadable(connection.cluster, call, str(error)) from None
        found += page.items or ()
        if not page.metadata.continue_:
            break
        query["continue"] = page.metadata.continue_
    else:
        raise unreadable(connection.cluster, call, f"more than {counted(_PAGES_MAX, 'page')} of pods")
    other = next((pod for pod in found if not _is_on(pod, node)), None)
    if other is not None or not page.metadata.resource_version:
        words = "a list without a version" if other is None else f"pod {other.metadata.key} of another node"
        raise unreadable(connection.cluster, call, words)
    return found


def _is_on(pod: Pod, node: NodeSeen) -> bool:
    """What is done to a pod is done to that pod, and it is on this node."""
    return pod.metadata.names_one and pod.spec.node_name == node.name


def is_workload(pod: Pod) -> bool:
    """Whether a drain has to wait for it."""
    return not (pod.ended or pod.metadata.mirror or pod.metadata.of_daemon_set)


def _order(pod: Pod) -> tuple[bool, int, str]:
    """Those that are already going first, then the least important."""
    return pod.metadata.deletion_timestamp is None, pod.spec.priority, pod.metadata.key


def _stuck(pod: Pod, now_ms: int) -> list[Blocked]:
    until_ms = moment_ms(pod.metadata.deletion_timestamp or "") or 0
    late_ms = now_ms - until_ms
    if late_ms < STUCK_AFTER_MS:
        return []
    text = (
        f"Pod {pod.metadata.key} was to end {late_ms // 1000:,} s ago and has not. It is deleted by force "
        "when its machine is known to be gone."
    )
    return [Blocked(pod=pod.metadata.key, by=BlockedBy.TERMINATING, text=text)]


async def _evict(connection: Connection, pod: Pod, grace_s: float | None) -> _Outcome:
    metadata = pod.metadata
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": metadata.name, "namespace": metadata.namespace},
        "deleteOptions": _options(metadata, grace_s),
    }
    try:
        await connection.call(_pod_call("create", metadata, "eviction"), body=body)
    except ApiBusy as error:
        return _refusal(metadata.key, error)
    except (ApiError, RightMissing) as error:
        return _answer(metadata.key, error)
    return _Evicted()


def _refusal(pod: str, error: ApiBusy) -> Blocked:
    """Raises the error again when it is the API that is busy, and not a budget that refuses."""
    budget = next((each for each in error.status.causes if each.reason == "DisruptionBudget"), None)
    if budget is not None:
        text = sentences(f"Pod {pod} may not be evicted now", sentence(budget.message))
        return Blocked(pod=pod, by=BlockedBy.BUDGET, text=text)
    if "more than one PodDisruptionBudget" in error.status.message:
        text = f"Pod {pod} has more than one PodDisruptionBudget, and Kubernetes evicts no such pod. Delete all but one."
        return Blocked(pod=pod, by=BlockedBy.SEVERAL_BUDGETS, text=text)
    if error.status.code == 429 or error.status.code > 500:
        raise error
    text = sentences(f"Pod {pod} could not be evicted", sentence(clause(error.status.message)[:300]))
    return Blocked(pod=pod, by=BlockedBy.UNKNOWN, text=text)


def _answer(pod: str, error: ApiError | RightMissing) -> _Outcome:
    if isinstance(error, RightMissing):
        return Blocked(pod=pod, by=BlockedBy.FORBIDDEN, text=str(error))
    # A conflict: another pod has the name by now.
    if error.absent or error.conflict:
        return _Gone()
    text = sentences(f"Pod {pod} could not be evicted", sentence(clause(error.status.message)[:300]))
    by = BlockedBy.FORBIDDEN if error.status.code == 403 else BlockedBy.UNKNOWN
    return Blocked(pod=pod, by=by, text=text)


async def _delete(connection: Connection, pod: Pod, grace_s: float | None) -> _Outcome:
    metadata = pod.metadata
    try:
        await connection.call(_pod_call("delete", metadata), body=_options(metadata, grace_s))
    except (ApiError, RightMissing) as error:
        return _answer(metadata.key, error)
    return _Evicted()


async def _delete_by_force(connection: Connection, pod: Pod) -> None:
    call = _pod_call("delete", pod.metadata)
    try:
        await connection.call(call, body=_options(pod.metadata, 0.0))
    except ApiError as error:
        if not (error.absent or error.conflict):
            raise


async def _delete_node(connection: Connection, node: Current) -> None:
    """As it was seen just now: one that has changed since may be another worker's."""
    call = Call(verb="delete", resource=NODES, name=node.metadata.name)
    as_seen = {"uid": node.metadata.uid, "resourceVersion": node.metadata.resource_version}
    try:
        await connection.call(call, body={**_OPTIONS, "preconditions": as_seen})
    except ApiError as error:
        if not (error.absent or error.conflict):
            raise


async def _name_taken(connection: Connection, node: NodeSeen) -> bool:
    """Whether there is a later node of that name: the pods may be its own."""
    try:
        await connection.call(Call(verb="get", resource=NODES, name=node.name))
    except ApiError as error:
        if error.absent:
            return False
        raise
    return True


_OPTIONS = {"apiVersion": "v1", "kind": "DeleteOptions"}


def _options(metadata: Metadata, grace_s: float | None) -> dict[str, Any]:
    grace = {} if grace_s is None else {"gracePeriodSeconds": math.ceil(grace_s)}
    return {**_OPTIONS, **grace, "preconditions": {"uid": metadata.uid}}


def _pod_call(verb: str, metadata: Metadata, subresource: str = "") -> Call:
    return Call(
        verb=verb, resource=PODS, namespace=metadata.namespace, name=metadata.name, subresource=subresource
    )
