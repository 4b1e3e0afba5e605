"""The verbs on objects: create, update, patch, delete. Used by the routes for requests and by the controllers for themselves.

All rules that hold for every kind are here; what a kind adds is in its `Kind`. Raises ApiError and leaves the store as it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

from herder.testing.kubernetes.api import answers
from herder.testing.kubernetes.api.context import Context, Kind
from herder.testing.kubernetes.api.known_fields import pruned
from herder.testing.kubernetes.api.validation import label_causes, name_causes
from herder.testing.kubernetes.objects import Json, managed
from herder.testing.kubernetes.objects.ids import Ids
from herder.testing.kubernetes.objects.resources import NAMESPACES, Resource
from herder.testing.kubernetes.objects.store import Store
from herder.testing.kubernetes.objects.stored import Key, Stored
from herder.testing.kubernetes.objects.times import rfc3339
from herder.testing.kubernetes.settings import ClusterSettings

NO_KIND = Kind()
#: What the server alone sets.
SERVER_FIELDS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How a write is meant."""

    now_ms: int
    dry_run: bool = False
    manager: str = ""
    """Who writes, for managedFields; none for controllers."""
    subresource: str = ""
    strict: bool = False
    """An unknown field is an error."""
    warnings: list[str] = field(default_factory=list)
    """Filled with what the client should be told."""
    fields: list[Json] | None = None
    """managedFields of a new object that was applied."""


class Verbs:
    def __init__(self, store: Store, settings: ClusterSettings, ids: Ids, kinds: Mapping[str, Kind]) -> None:
        self.store, self.settings, self.ids = store, settings, ids
        self.kinds = dict(kinds)

    def kind(self, resource: Resource) -> Kind:
        return self.kinds.get(resource.full_name, NO_KIND)

    def context(self, now_ms: int) -> Context:
        return Context(store=self.store, settings=self.settings, ids=self.ids, now_ms=now_ms)

    def must_get(self, resource: Resource, key: Key) -> Stored:
        found = self.store.get(resource, key)
        if found is None:
            raise answers.not_found(resource, key[1])
        return found

    # --- create

    def create(self, resource: Resource, namespace: str, obj: Json, writing: Writing) -> Json:
        """The new object, with kind and apiVersion."""
        kind, context = self.kind(resource), self.context(writing.now_ms)
        obj = known(resource, obj, writing)
        read(resource, kind, obj)
        obj = self._new(resource, namespace, obj, writing.now_ms)
        name = obj["metadata"]["name"]
        self._check_namespace(resource, namespace, name)
        kind.create(obj, context)
        self._check(resource, kind, obj)
        if self.store.get(resource, (namespace, name)) is not None:
            raise answers.already_exists(resource, name)
        kind.admit(obj, context)
        if writing.fields is not None:
            obj["metadata"]["managedFields"] = writing.fields
        elif writing.manager and self.settings.managed_fields:
            managed.written(
                None, obj, resource, writing.manager, "Update", writing.subresource, rfc3339(writing.now_ms)
            )
        if writing.dry_run:
            obj["metadata"].pop("resourceVersion", None)
            return {"kind": resource.kind, "apiVersion": resource.api_version, **obj}
        return self.store.put(resource, obj).whole()

    def _new(self, resource: Resource, namespace: str, obj: Json, now_ms: int) -> Json:
        obj = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
        metadata = {
            key: value
            for key, value in (obj.get("metadata") or {}).items()
            if key not in (*SERVER_FIELDS, "resourceVersion", "managedFields", "selfLink")
            and value not in ({}, [], None, "")
        }
        if metadata.get("generateName") and not metadata.get("name"):
            metadata["name"] = self.ids.name(metadata["generateName"])
        metadata.setdefault("name", "")
        if resource.namespaced:
            if metadata.setdefault("namespace", namespace) != namespace:
                raise answers.bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
        else:
            metadata.pop("namespace", None)
        metadata["uid"] = self.ids.uid()
        metadata["creationTimestamp"] = rfc3339(now_ms)
        if resource.generation:
            metadata["generation"] = 1
        if resource.status and not self.kind(resource).keeps_status:
            obj.pop("status", None)
        return {"metadata": metadata, **{key: value for key, value in obj.items() if key != "metadata"}}

    def _check_namespace(self, resource: Resource, namespace: str, name: str) -> None:
        if not resource.namespaced:
            return
        held = self.store.get(NAMESPACES, ("", namespace))
        if held is None:
            raise answers.not_found(NAMESPACES, namespace)
        if held.deleting:
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise answers.forbidden(resource, name, why, [cause])

    def _check(self, resource: Resource, kind: Kind, obj: Json, old: Json | None = None) -> None:
        metadata = obj["metadata"]
        causes = name_causes(metadata["name"], free=kind.free_names)
        causes += label_causes(metadata.get("labels"))
        causes += kind.causes(obj)
        if old is not None:
            causes += kind.update_causes(obj, old)
        if causes:
            raise answers.invalid(resource, metadata["name"], causes)

    # --- update

    def update(self, resource: Resource, key: Key, obj: Json, writing: Writing) -> Json:
        """PUT of an object or of its status."""
        kind = self.kind(resource)
        held = self.store.get(resource, key)
        if held is None:
            if kind.create_on_update:
                return self.create(resource, key[0], obj, writing)
            raise answers.not_found(resource, key[1])
        version = (obj.get("metadata") or {}).get("resourceVersion", "")
        if not version and kind.needs_version:
            cause = answers.Cause.invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise answers.invalid(resource, key[1], [cause])
        return self.replace(resource, held, obj, writing)

    def replace(
        self, resource: Resource, held: Stored, obj: Json, writing: Writing, operation: str = "Update"
    ) -> Json:
        """`obj` in place of what is held, as far as it may."""
        old = held.decode()
        obj = known(resource, obj, writing)
        read(resource, self.kind(resource), obj)
        new = {each: value for each, value in obj.items() if each not in ("kind", "apiVersion")}
        new["metadata"] = self._metadata(resource, held, old["metadata"], new.get("metadata") or {})
        new = self._parts(resource, new, old, writing.subresource)
        kind = self.kind(resource)
        if not writing.subresource:
            kind.update(new, old, self.context(writing.now_ms))
        if resource.generation and _desired(new) != _desired(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        self._check(resource, kind, new, old)
        if writing.manager and self.settings.managed_fields:
            managed.written(
                old, new, resource, writing.manager, operation, writing.subresource, rfc3339(writing.now_ms)
            )
        if writing.dry_run:
            return {"kind": resource.kind, "apiVersion": resource.api_version, **new}
        return self.keep(resource, held, old, new)

    def keep(self, resource: Resource, held: Stored, old: Json, new: Json) -> Json:
        """Store it when it differs; remove it when nothing holds it any more."""
        if _may_go(new):
            if new != old:
                self.store.put(resource, new)
            return self.store.remove(resource, held.key).whole()
        if new == old:
            return held.whole()
        return self.store.put(resource, new).whole()

    def _metadata(self, resource: Resource, held: Stored, old: Json, new: Json) -> Json:
        if new.get("uid", held.uid) not in ("", held.uid):
            raise answers.precondition_failed(resource, held.key[1], "UID", new["uid"], held.uid)
        if new.get("resourceVersion", "") not in ("", str(held.version)):
            raise answers.conflict(resource, held.key[1])
        found = {each: value for each, value in new.items() if value not in ({}, [], None, "")}
        for name in (*SERVER_FIELDS, "name", "namespace", "resourceVersion"):
            found.pop(name, None)
            if name in old:
                found[name] = old[name]
        if "managedFields" in old and "managedFields" not in new:
            found["managedFields"] = old["managedFields"]
        return found

    def _parts(self, resource: Resource, new: Json, old: Json, subresource: str) -> Json:
        """An update of the object leaves its status, one of the status all but it."""
        if subresource == "status":
            kept = {each: value for each, value in old.items() if each not in ("metadata", "status")}
            return {"metadata": new["metadata"], **kept, "status": new.get("status") or {}}
        if not resource.status:
            return new
        found = {each: value for each, value in new.items() if each != "status"}
        if "status" in old:
            found["status"] = old["status"]
        return found

    # --- change in place, for controllers

    def change(self, resource: Resource, key: Key, now_ms: int, new: Json) -> Json:
        """Store what a controller decided, status and specification alike; finalizers and generation are heeded."""
        held = self.must_get(resource, key)
        old = held.decode()
        if resource.generation and _desired(new) != _desired(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        return self.keep(resource, held, old, new)


def _may_go(obj: Json) -> bool:
    """It is to be deleted, and nothing waits for anything any more."""
    metadata = obj["metadata"]
    waits = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds")
    return "deletionTimestamp" in metadata and not waits and not (obj.get("spec") or {}).get("finalizers")


def _desired(obj: Json) -> Json:
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


def known(resource: Resource, obj: Any, writing: Writing) -> Any:
    """Without fields that the kind does not have. Raises ApiError 400 when the client wants that."""
    if not isinstance(obj, dict):
        return obj
    try:
        found, unknown = pruned(obj, resource.full_name)
    except ValueError as error:
        raise answers.bad_request(_cannot(resource, str(error))) from None
    texts = [f'unknown field "{path}"' for path in unknown]
    if texts and writing.strict:
        raise answers.bad_request(_cannot(resource, f"strict decoding error: {', '.join(texts)}"))
    writing.warnings.extend(texts)
    return found


def read(resource: Resource, kind: Kind, obj: Any) -> None:
    """Raises 400 when it is no such object."""
    if not isinstance(obj, dict):
        raise answers.bad_request("the body is no object")
    for name, wanted, what in (
        ("kind", resource.kind, "kind"),
        ("apiVersion", resource.api_version, "API version"),
    ):
        if obj.get(name, wanted) not in ("", wanted):
            raise answers.bad_request(
                f"the {what} in the data ({obj[name]}) does not match the expected {what} ({wanted})"
            )
    for name in ("metadata", "spec", "status"):
        if not isinstance(obj.get(name, {}), dict | NoneType):
            raise answers.bad_request(_cannot(resource, f"json: cannot unmarshal {name} into Go value"))
    try:
        _read_shared(obj)
        kind.read(obj)
    except ValueError as error:
        raise answers.bad_request(_cannot(resource, str(error))) from None
    except (AttributeError, KeyError, TypeError):
        raise answers.bad_request(
            _cannot(resource, "json: cannot unmarshal a value of another type")
        ) from None


def _read_shared(obj: Json) -> None:
    """What all kinds have. Raises AttributeError, KeyError or TypeError."""
    metadata = obj.get("metadata") or {}
    for name in ("labels", "annotations"):
        if any(not isinstance(value, str) for value in (metadata.get(name) or {}).values()):
            raise TypeError
    for owner in metadata.get("ownerReferences") or ():
        if not all(isinstance(owner[name], str) for name in ("apiVersion", "kind", "name", "uid")):
            raise TypeError
    for name in ("name", "namespace", "generateName"):
        if not isinstance(metadata.get(name) or "", str):
            raise TypeError
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if not isinstance(condition["type"], str) or not isinstance(condition["status"], str):
            raise TypeError


def _cannot(resource: Resource, text: str) -> str:
    return f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {text}'
