"""Pods and nodes as the API would send them, for tests; read by the product's own types."""

from typing import Any

import msgspec

from herder.memberships.kubernetes.demand.pods import Rules
from herder.memberships.kubernetes.demand.requests import NamesOfResources
from herder.memberships.kubernetes.objects import Node, Pod
from herder.model.values.resources import PLAIN, Dimensions

STARTED = "2026-11-27T05:00:00Z"
STARTED_MS = 1_795_755_600_000
UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/2 nodes are available: 2 Insufficient cpu.",
    "lastTransitionTime": STARTED,
}


def container(requests: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": "c", "image": "x", **({"resources": {"requests": requests}} if requests else {}), **more}


def pod_json(
    name: str = "web-0",
    *,
    requests: dict[str, str] | None = None,
    node: str = "",
    phase: str = "",
    conditions: list[dict[str, Any]] | None = None,
    metadata: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    namespace: str = "default",
    **spec: Any,
) -> dict[str, Any]:
    """Unbound, and tried by the scheduler without success, unless something else is said."""
    conditions = ([] if node else [UNSCHEDULABLE]) if conditions is None else conditions
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "creationTimestamp": STARTED,
            **(metadata or {}),
        },
        "spec": {
            "containers": [container({"cpu": "500m", "memory": "256Mi"} if requests is None else requests)],
            **({"nodeName": node} if node else {}),
            "schedulerName": "default-scheduler",
            **spec,
        },
        "status": {
            "phase": phase or ("Running" if node else "Pending"),
            "conditions": conditions,
            **(status or {}),
        },
    }


def pod(name: str = "web-0", **given: Any) -> Pod:
    return msgspec.json.decode(msgspec.json.encode(pod_json(name, **given)), type=Pod)


def owned_by(kind: str) -> dict[str, Any]:
    owner = {"apiVersion": "apps/v1", "kind": kind, "name": "x", "uid": "u", "controller": True}
    return {"ownerReferences": [owner]}


MIRROR = {"annotations": {"kubernetes.io/config.mirror": "abc", "other": "x"}}


def node_json(name: str = "w1", *, ready: str | None = "True", **given: Any) -> dict[str, Any]:
    conditions = list(given.pop("conditions", ()))
    if ready is not None:
        conditions.append(
            {
                "type": "Ready",
                "status": ready,
                "reason": "Kubelet",
                "message": "" if ready == "True" else "Kubelet stopped posting node status.",
                "lastTransitionTime": STARTED,
                "lastHeartbeatTime": given.pop("heartbeat", STARTED),
            }
        )
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": given.pop("uid", f"uid-{name}"),
            "resourceVersion": given.pop("version", "1"),
            "creationTimestamp": STARTED,
            "labels": given.pop("labels", {}),
        },
        "spec": given.pop("spec", {}),
        "status": {
            "allocatable": given.pop("allocatable", {"cpu": "8", "memory": "32Gi", "pods": "110"}),
            "conditions": conditions,
            "addresses": given.pop("addresses", []),
            "nodeInfo": {"kubeletVersion": "v1.36.2"},
        },
    }


def node(name: str = "w1", **given: Any) -> Node:
    return msgspec.json.decode(msgspec.json.encode(node_json(name, **given)), type=Node)


def rules(dimensions: Dimensions = PLAIN, *namespaces: str) -> Rules:
    return Rules(resources=NamesOfResources(dimensions), namespaces=frozenset(namespaces))
