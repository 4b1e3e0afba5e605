"""Nodes: a new one is not ready, and carries the taint that says so."""

from herder.testing.kubernetes.api.answers import Cause
from herder.testing.kubernetes.api.context import Context, Kind
from herder.testing.kubernetes.api.validation import taint_causes
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.quantities import milli

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
NO_INFO = dict.fromkeys(("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion", "kubeletVersion", "kubeProxyVersion", "operatingSystem", "architecture"), "")  # fmt: skip


def _read(obj: Json) -> None:
    for name in ("capacity", "allocatable"):
        for value in ((obj.get("status") or {}).get(name) or {}).values():
            milli(value)


def _create(obj: Json, _context: Context) -> None:
    spec = obj.setdefault("spec", {}) or {}
    obj["spec"] = spec
    taints = list(spec.get("taints") or [])
    if all(taint.get("key") != NOT_READY for taint in taints):
        taints.append({"key": NOT_READY, "effect": "NoSchedule"})
    spec["taints"] = taints
    status = obj.setdefault("status", {}) or {}
    obj["status"] = status
    status.setdefault("daemonEndpoints", {"kubeletEndpoint": {"Port": 0}})
    status.setdefault("nodeInfo", dict(NO_INFO))


def _update(new: Json, _old: Json, _context: Context) -> None:
    spec = new.get("spec") or {}
    new["spec"] = {key: value for key, value in spec.items() if value not in (False, [], None)}


def _causes(obj: Json) -> list[Cause]:
    return taint_causes((obj.get("spec") or {}).get("taints"))


def _update_causes(new: Json, old: Json) -> list[Cause]:
    before, after = (old.get("spec") or {}).get("providerID"), (new.get("spec") or {}).get("providerID")
    if before and after != before:
        return [
            Cause(
                field="spec.providerID",
                message='Forbidden: node updates may not change providerID except from "" to valid',
                reason="FieldValueForbidden",
            )
        ]
    return []


NODE = Kind(
    read=_read,
    create=_create,
    update=_update,
    causes=_causes,
    update_causes=_update_causes,
    keeps_status=True,
)
