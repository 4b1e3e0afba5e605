"""Objects as tables, as `kubectl get` asks for them."""

import msgspec

from herder.testing.kubernetes.api.column_texts import COLUMN_TEXTS
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import NODES, PODS, Resource
from herder.testing.kubernetes.objects.stored import Stored
from herder.testing.kubernetes.objects.times import age_text, condition_of

NONE = "<none>"
#: Columns of a kind: name, format, priority.
COLUMNS: dict[str, tuple[tuple[str, str, int], ...]] = {
    PODS.full_name: (
        ("Name", "name", 0), ("Ready", "", 0), ("Status", "", 0), ("Restarts", "", 0), ("Age", "", 0),
        ("IP", "", 1), ("Node", "", 1), ("Nominated Node", "", 1), ("Readiness Gates", "", 1),
    ),
    NODES.full_name: (
        ("Name", "name", 0), ("Status", "", 0), ("Roles", "", 0), ("Age", "", 0), ("Version", "", 0),
    ),
}  # fmt: skip
OTHERS = (("Name", "name", 0), ("Age", "", 0))


def _pod_status(obj: Json) -> str:
    status = obj.get("status") or {}
    for each in status.get("containerStatuses") or ():
        state = each.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if reason := waiting.get("reason") or ended.get("reason"):
            return str(reason)
    if "deletionTimestamp" in obj["metadata"]:
        return "Terminating"
    if (condition_of(obj, "PodScheduled") or {}).get("reason") == "SchedulingGated":
        return "SchedulingGated"
    return str(status.get("reason") or status.get("phase", "Unknown"))


def _pod_cells(obj: Json, now_ms: int) -> list[str]:
    spec, status = obj["spec"], obj.get("status") or {}
    states = status.get("containerStatuses") or []
    ready = sum(bool(each.get("ready")) for each in states)
    return [
        obj["metadata"]["name"],
        f"{ready}/{len(spec['containers'])}",
        _pod_status(obj),
        str(sum(each.get("restartCount", 0) for each in states)),
        age_text(obj["metadata"]["creationTimestamp"], now_ms),
        status.get("podIP") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        NONE,
    ]


def _node_cells(obj: Json, now_ms: int) -> list[str]:
    ready = (condition_of(obj, "Ready") or {}).get("status", "Unknown")
    shown = {"True": "Ready", "False": "NotReady"}.get(ready, "NotReady" if ready != "Unknown" else "Unknown")
    if (obj.get("spec") or {}).get("unschedulable"):
        shown += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = [
        key.removeprefix(prefix) for key in obj["metadata"].get("labels") or {} if key.startswith(prefix)
    ]
    version = ((obj.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion", "")
    age = age_text(obj["metadata"]["creationTimestamp"], now_ms)
    return [obj["metadata"]["name"], shown, ",".join(roles) or NONE, age, version]


def _cells(resource: Resource, obj: Json, now_ms: int) -> list[str]:
    if resource is PODS:
        return _pod_cells(obj, now_ms)
    if resource is NODES:
        return _node_cells(obj, now_ms)
    metadata = obj["metadata"]
    return [metadata["name"], age_text(metadata["creationTimestamp"], now_ms)]


def table(resource: Resource, objects: list[Stored], metadata: Json, now_ms: int) -> Json:
    columns = COLUMNS.get(resource.full_name, OTHERS)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [
            {
                "name": name,
                "type": "string",
                "format": form,
                "description": COLUMN_TEXTS.get(name, ""),
                "priority": priority,
            }
            for name, form, priority in columns
        ],
        "rows": [
            {
                "cells": _cells(resource, stored.decode(), now_ms),
                "object": msgspec.Raw(stored.metadata_only()),
            }
            for stored in objects
        ],
    }
