"""Pods: defaults, priority, tolerations and quotas at creation, and what an update may change."""

from typing import Any

from herder.testing.kubernetes.api import answers
from herder.testing.kubernetes.api.answers import Cause
from herder.testing.kubernetes.api.context import Context, Kind
from herder.testing.kubernetes.api.kinds.nodes import NOT_READY, UNREACHABLE
from herder.testing.kubernetes.api.kinds.pod_spec import default_spec, quality_class, read_spec, spec_causes
from herder.testing.kubernetes.api.kinds.quotas import admit_pod
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import PODS, PRIORITY_CLASSES
from herder.testing.kubernetes.objects.times import condition
from herder.testing.kubernetes.scheduler.pods import check_spec

TOLERATES_FOR_S = 300
SYSTEM_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
#: Fields of the specification that may change later.
MUTABLE = frozenset(
    (
        "activeDeadlineSeconds",
        "terminationGracePeriodSeconds",
        "tolerations",
        "schedulingGates",
        "nodeSelector",
    )
)
IMMUTABLE_TEXT = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
    "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
    "previously negative)"
)


def _read(obj: Json) -> None:
    read_spec(obj.get("spec") or {})
    check_spec(obj.get("spec") or {})


def _create(obj: Json, context: Context) -> None:
    spec = obj.get("spec") or {}
    obj["spec"] = spec
    default_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    _set_priority(obj, spec, context)
    _add_tolerations(spec)
    status: Json = {"phase": "Pending"}
    if spec.get("schedulingGates"):
        status["conditions"] = [
            condition(
                "PodScheduled", "False", context.now_ms, reason="SchedulingGated", probe=True,
                message="Scheduling is blocked due to non-empty scheduling gates",
            )
        ]  # fmt: skip
    status["qosClass"] = quality_class(spec)
    obj["status"] = status


def _set_priority(obj: Json, spec: Json, context: Context) -> None:
    name = spec.get("priorityClassName")
    chosen = None
    if not name:
        for stored in context.store.all(PRIORITY_CLASSES):
            each = stored.decode()
            if each.get("globalDefault"):
                chosen, spec["priorityClassName"] = each, stored.key[1]
    elif name in SYSTEM_PRIORITIES:
        chosen = {"value": SYSTEM_PRIORITIES[name]}
    else:
        held = context.store.get(PRIORITY_CLASSES, ("", name))
        if held is None:
            why = f"no PriorityClass with name {name} was found"
            raise answers.forbidden(PODS, obj["metadata"]["name"], why)
        chosen = held.decode()
    value = (chosen or {}).get("value", 0)
    if spec.get("priority", value) != value:
        why = "the integer value of priority must not be provided in pod spec; priority admission controller computed "
        raise answers.forbidden(
            PODS, obj["metadata"]["name"], f"{why}{value} from the given PriorityClass name"
        )
    spec["priority"] = value
    spec["preemptionPolicy"] = (chosen or {}).get("preemptionPolicy", "PreemptLowerPriority")


def _add_tolerations(spec: Json) -> None:
    held = list(spec.get("tolerations") or [])
    for key in (NOT_READY, UNREACHABLE):
        if any(
            each.get("key", key) == key and each.get("effect", "NoExecute") in ("NoExecute", "")
            for each in held
        ):
            continue
        held.append(
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATES_FOR_S}
        )
    spec["tolerations"] = held


def _update(new: Json, old: Json, context: Context) -> None:
    spec = new.get("spec") or {}
    for key in ("schedulingGates", "tolerations", "nodeSelector"):
        if key in spec and not spec[key]:
            del spec[key]
    if (old.get("spec") or {}).get("schedulingGates") and not spec.get("schedulingGates"):
        status = new.setdefault("status", {})
        status["conditions"] = [
            each for each in status.get("conditions") or [] if each.get("reason") != "SchedulingGated"
        ]
        if not status["conditions"]:
            del status["conditions"]


def _causes(obj: Json) -> list[Cause]:
    return spec_causes(obj.get("spec") or {})


def _fixed(spec: Json) -> dict[str, Any]:
    found = {key: value for key, value in spec.items() if key not in MUTABLE}
    for part in ("containers", "initContainers"):
        if part in found:
            found[part] = [
                {key: value for key, value in each.items() if key != "image"} for each in found[part] or ()
            ]
    return found


def _update_causes(new: Json, old: Json) -> list[Cause]:
    before, after = old["spec"], new["spec"]
    causes = []
    tolerations = after.get("tolerations") or []
    kept = all(each in tolerations for each in before.get("tolerations") or ())
    gates = before.get("schedulingGates") or []
    selector_changed = before.get("nodeSelector") != after.get("nodeSelector")
    if _fixed(before) != _fixed(after) or not kept or (selector_changed and not gates):
        causes.append(Cause(field="spec", message=IMMUTABLE_TEXT, reason="FieldValueForbidden"))
    new_gates = [gate.get("name") for gate in after.get("schedulingGates") or () if gate not in gates]
    return causes + [
        Cause(
            field="spec.schedulingGates",
            message=f"Forbidden: only deletion is allowed, but found new scheduling gate '{name}'",
            reason="FieldValueForbidden",
        )
        for name in new_gates
    ]


POD = Kind(
    read=_read,
    create=_create,
    admit=admit_pod,
    update=_update,
    causes=_causes,
    update_causes=_update_causes,
)
