"""One version of one object: its JSON bytes, encoded once, and the few fields that selectors and indexes read.

Whoever wants the object decodes it and may change what it gets: nobody else sees that.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import Resource

Key = tuple[str, str]
"""Namespace ("" at cluster scope) and name."""
ENCODER = msgspec.json.Encoder()
DECODER = msgspec.json.Decoder()
NO_LABELS: Mapping[str, str] = {}


class _Head(msgspec.Struct):
    metadata: msgspec.Raw


_HEAD = msgspec.json.Decoder(_Head)


_POD_FIELDS = (
    "spec.nodeName", "status.phase", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
    "status.nominatedNodeName", "status.podIP", ".ready",
)  # fmt: skip


@lru_cache(maxsize=1 << 16)
def _shared_fields(*values: str) -> dict[str, str]:
    """Many pods have the same, and share one."""
    return dict(zip(_POD_FIELDS, values, strict=True))


def _pod_fields(obj: Json) -> dict[str, str]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return _shared_fields(
        spec.get("nodeName", ""),
        status.get("phase", ""),
        spec.get("restartPolicy", ""),
        spec.get("schedulerName", ""),
        spec.get("serviceAccountName", ""),
        status.get("nominatedNodeName", ""),
        status.get("podIP", ""),
        _is_ready(status),
    )


def _is_ready(status: Json) -> str:
    for each in status.get("conditions") or ():
        if each["type"] == "Ready":
            return "1" if each.get("status") == "True" else ""
    return ""


def _node_fields(obj: Json) -> dict[str, str]:
    return {"spec.unschedulable": "true" if (obj.get("spec") or {}).get("unschedulable") else "false"}


def _event_fields(obj: Json) -> dict[str, str]:
    about = obj.get("involvedObject") or {}
    found = {
        f"involvedObject.{name}": about.get(name, "")
        for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    }
    return found | {"reason": obj.get("reason", ""), "type": obj.get("type", "")}


def _job_fields(obj: Json) -> dict[str, str]:
    return {"status.successful": str((obj.get("status") or {}).get("succeeded", 0))}


def _phase_field(obj: Json) -> dict[str, str]:
    return {"status.phase": (obj.get("status") or {}).get("phase", "")}


def _type_field(obj: Json) -> dict[str, str]:
    return {"type": obj.get("type", "")}


FIELDS: dict[str, Callable[[Json], dict[str, str]]] = {
    "pods": _pod_fields,
    "nodes": _node_fields,
    "events": _event_fields,
    "jobs.batch": _job_fields,
    "namespaces": _phase_field,
    "secrets": _type_field,
}
#: What may be selected by, beside metadata.name and metadata.namespace. Names with a dot in front are for indexes only.
SELECTABLE = {
    name: frozenset(field for field in fields({}) if not field.startswith("."))
    for name, fields in FIELDS.items()
}


class Stored:
    __slots__ = ("body", "deleting", "fields", "key", "labels", "owners", "resource", "uid", "version")

    def __init__(self, resource: Resource, obj: Json, version: int) -> None:
        """`obj` without kind and apiVersion; its resourceVersion is set here."""
        metadata = obj["metadata"]
        metadata["resourceVersion"] = str(version)
        self.resource = resource
        self.version = version
        self.key: Key = (metadata.get("namespace", ""), metadata["name"])
        self.uid: str = metadata.get("uid", "")
        self.labels: Mapping[str, str] = metadata.get("labels") or NO_LABELS
        owners = metadata.get("ownerReferences")
        self.owners: tuple[str, ...] = tuple(each["uid"] for each in owners) if owners else ()
        self.deleting = "deletionTimestamp" in metadata
        fields = FIELDS.get(resource.full_name)
        self.fields: Mapping[str, str] = fields(obj) if fields is not None else NO_LABELS
        self.body: bytes = ENCODER.encode(obj)

    def field(self, name: str) -> str:
        if name == "metadata.name":
            return self.key[1]
        if name == "metadata.namespace":
            return self.key[0]
        return self.fields.get(name, "")

    def decode(self) -> Json:
        """A copy of its own, without kind and apiVersion."""
        found: Json = DECODER.decode(self.body)
        return found

    def whole(self) -> Json:
        return {"kind": self.resource.kind, "apiVersion": self.resource.api_version, **self.decode()}

    def json(self) -> bytes:
        """With kind and apiVersion."""
        return self.resource.head + self.body[1:]

    def metadata_only(self) -> bytes:
        raw = bytes(_HEAD.decode(self.body).metadata)
        return b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":' + raw + b"}"


def meta(obj: Json) -> dict[str, Any]:
    found: dict[str, Any] = obj["metadata"]
    return found
