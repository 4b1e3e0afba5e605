"""The small kinds: namespaces, secrets, budgets, leases, priority classes, claims, quotas, roles and events."""

import base64
import binascii

from herder.testing.kubernetes.api.answers import Cause
from herder.testing.kubernetes.api.context import Context, Kind
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.quantities import milli
from herder.testing.kubernetes.objects.selectors import selector_of


def _create_namespace(obj: Json, _context: Context) -> None:
    labels = obj["metadata"].get("labels") or {}
    obj["metadata"]["labels"] = labels | {"kubernetes.io/metadata.name": obj["metadata"]["name"]}
    obj["spec"] = {"finalizers": ["kubernetes"]}
    obj["status"] = {"phase": "Active"}


def _read_secret(obj: Json) -> None:
    for value in (obj.get("data") or {}).values():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError):
            raise ValueError("illegal base64 data at input byte 0") from None


def _fill_secret(obj: Json) -> None:
    texts = obj.pop("stringData", None) or {}
    if texts:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in texts.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}
    obj.setdefault("type", "Opaque")


def _create_secret(obj: Json, _context: Context) -> None:
    _fill_secret(obj)


def _update_secret(new: Json, _old: Json, _context: Context) -> None:
    _fill_secret(new)


def _secret_update_causes(new: Json, old: Json) -> list[Cause]:
    causes = []
    if new.get("type") != old.get("type"):
        causes.append(Cause.invalid("type", new.get("type"), "field is immutable"))
    if old.get("immutable") and new.get("data") != old.get("data"):
        causes.append(
            Cause(
                field="data",
                message="Forbidden: field is immutable when `immutable` is set",
                reason="FieldValueForbidden",
            )
        )
    return causes


def _read_budget(obj: Json) -> None:
    spec = obj.get("spec") or {}
    selector_of(spec.get("selector"))
    for name in ("minAvailable", "maxUnavailable"):
        value = spec.get(name)
        if value is not None:
            int(value[:-1] if isinstance(value, str) and value.endswith("%") else value)


def _create_budget(obj: Json, _context: Context) -> None:
    obj["status"] = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}


def _budget_causes(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        return [Cause.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set")]
    return []


def _create_priority(obj: Json, _context: Context) -> None:
    obj.setdefault("preemptionPolicy", "PreemptLowerPriority")
    obj["value"] = obj.get("value", 0)


def _priority_update_causes(new: Json, old: Json) -> list[Cause]:
    if new.get("value", 0) != old.get("value", 0):
        return [
            Cause(
                field="value",
                message="Forbidden: may not be changed in an update.",
                reason="FieldValueForbidden",
            )
        ]
    return []


def _priority_causes(obj: Json) -> list[Cause]:
    if obj["metadata"]["name"].startswith("system-"):
        text = "Forbidden: priority class names with 'system-' prefix are reserved for system use only"
        return [Cause(field="metadata.name", message=text, reason="FieldValueForbidden")]
    if obj.get("value", 0) > 1_000_000_000:
        text = "Forbidden: maximum allowed value of a user defined priority is 1000000000"
        return [Cause(field="value", message=text, reason="FieldValueForbidden")]
    return []


def _create_quota(obj: Json, _context: Context) -> None:
    obj["status"] = {}


def _read_quota(obj: Json) -> None:
    for value in ((obj.get("spec") or {}).get("hard") or {}).values():
        milli(value)


def _create_claim(obj: Json, _context: Context) -> None:
    obj["status"] = {"phase": "Pending"}


def _lease_causes(obj: Json) -> list[Cause]:
    seconds = (obj.get("spec") or {}).get("leaseDurationSeconds")
    if seconds is not None and (not isinstance(seconds, int) or seconds <= 0):
        return [Cause.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")]
    return []


def _binding_causes(new: Json, old: Json) -> list[Cause]:
    if new.get("roleRef") != old.get("roleRef"):
        return [Cause.invalid("roleRef", new.get("roleRef"), "cannot change roleRef")]
    return []


_ROLE = Kind(free_names=True, create_on_update=False)
_ROLE_BINDING = Kind(free_names=True, update_causes=_binding_causes)

CLUSTER_KINDS = {
    "namespaces": Kind(create=_create_namespace),
    "secrets": Kind(
        read=_read_secret, create=_create_secret, update=_update_secret, update_causes=_secret_update_causes
    ),
    "poddisruptionbudgets.policy": Kind(read=_read_budget, create=_create_budget, causes=_budget_causes),
    "priorityclasses.scheduling.k8s.io": Kind(
        create=_create_priority, causes=_priority_causes, update_causes=_priority_update_causes
    ),
    "leases.coordination.k8s.io": Kind(causes=_lease_causes, create_on_update=True, needs_version=True),
    "resourcequotas": Kind(read=_read_quota, create=_create_quota),
    "persistentvolumeclaims": Kind(create=_create_claim),
    "roles.rbac.authorization.k8s.io": _ROLE,
    "clusterroles.rbac.authorization.k8s.io": _ROLE,
    "rolebindings.rbac.authorization.k8s.io": _ROLE_BINDING,
    "clusterrolebindings.rbac.authorization.k8s.io": _ROLE_BINDING,
}
