"""Whether a node of the cluster has free capacity for one more pod: asked before a Job is made, where `check_free_capacity` is set.

The answer is a courtesy, and it is given only when it is known: a right that is missing, an answer that does not come, an amount that cannot
be read and pods without a node all mean that the Job is made. The scheduler decides. Called by `driver`, from any thread.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from herder.drivers.kubernetes_jobs.api import Api
from herder.memberships.kubernetes.demand.requests import effective
from herder.memberships.kubernetes.objects import NodeTaint, Pod
from herder.memberships.kubernetes.quantities import NANO, QuantityError, nano
from herder.model.fleet.driver import DriverClock, DriverError, OutOfCapacity
from herder.model.values.phrases import counted

#: Listing all pods of a large cluster takes seconds: one listing is used for so long, less what was placed meanwhile.
KEPT_MS = 15_000

_Amounts = dict[str, int]


@dataclass(slots=True, kw_only=True)
class _Room:
    """One node that takes pods."""

    labels: Mapping[str, str]
    taints: tuple[NodeTaint, ...]
    free: _Amounts


class FreeCapacity:
    def __init__(self, api: Api, clock: DriverClock) -> None:
        self._api, self._clock = api, clock
        self._lock = threading.Lock()
        self._rooms: list[_Room] = []
        self._until_ms: int | None = None

    def check(self, worker: str, pod: Mapping[str, Any], zone: str) -> None:
        """`pod`: the spec of a pod. Raises OutOfCapacity when it is known that no node can take it."""
        wanted = _wanted(pod)
        with self._lock:
            now_ms = self._clock.monotonic_ms()
            if self._until_ms is None or now_ms >= self._until_ms:
                try:
                    self._rooms = _rooms(self._api)
                except (DriverError, QuantityError):
                    return
                self._until_ms = now_ms + KEPT_MS
            able = [room for room in self._rooms if _may_run(pod, room)]
            room = next((room for room in able if _fits(wanted, room.free)), None)
            if room is not None:
                _take(room.free, wanted)
                return
            nodes = len(self._rooms)
        raise OutOfCapacity(
            f"No node has free capacity for the pod of worker {worker}: {len(able):,} of {counted(nodes, 'node')} "
            "match its node selector and taints, and none of these has what it requests (check_free_capacity).",
            zone,
        )


def _rooms(api: Api) -> list[_Room]:
    """Raises DriverError and QuantityError."""
    found: dict[str, _Room] = {}
    for node in api.nodes():
        if not node.spec.unschedulable:
            allocatable = {name: nano(text) for name, text in (node.status.allocatable or {}).items()}
            taints = tuple(each for each in node.spec.taints or () if each.effect != "PreferNoSchedule")
            found[node.metadata.name] = _Room(
                labels=node.metadata.labels or {}, taints=taints, free=allocatable
            )
    for pod in api.pods_everywhere():
        room = found.get(pod.spec.node_name)
        if room is not None and not pod.ended:
            _take(room.free, _asked(pod))
    return list(found.values())


def _asked(pod: Pod) -> _Amounts:
    return effective(pod.spec) | {"pods": NANO}


def _wanted(pod: Mapping[str, Any]) -> _Amounts:
    return _asked(msgspec.convert({"metadata": {}, "spec": pod}, Pod))


def _fits(wanted: _Amounts, free: _Amounts) -> bool:
    return all(amount <= free.get(name, 0) for name, amount in wanted.items() if amount)


def _take(free: _Amounts, wanted: _Amounts) -> None:
    for name, amount in wanted.items():
        free[name] = free.get(name, 0) - amount


def _may_run(pod: Mapping[str, Any], room: _Room) -> bool:
    selector, tolerations = pod.get("nodeSelector", {}), pod.get("tolerations", [])
    if any(room.labels.get(key) != value for key, value in selector.items()):
        return False
    return all(any(_tolerates(each, taint) for each in tolerations) for taint in room.taints)


def _tolerates(toleration: Mapping[str, str], taint: NodeTaint) -> bool:
    if toleration["key"] != taint.key or toleration.get("effect", taint.effect) != taint.effect:
        return False
    return toleration["operator"] == "Exists" or toleration.get("value", "") == taint.value
