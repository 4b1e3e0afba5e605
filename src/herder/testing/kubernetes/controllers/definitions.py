"""Custom resources: a definition that is created adds its resource to the API, and takes it away when it is deleted."""

from collections.abc import Callable

from herder.testing.kubernetes.api.answers import Cause
from herder.testing.kubernetes.api.context import Context, Kind
from herder.testing.kubernetes.api.routes import Registry
from herder.testing.kubernetes.api.schemas import completed, schema_causes
from herder.testing.kubernetes.api.verbs import Verbs
from herder.testing.kubernetes.controllers.queue import Controller, Moment
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import DEFINITIONS, Resource
from herder.testing.kubernetes.objects.store import Change
from herder.testing.kubernetes.objects.times import rfc3339


class Definitions(Controller[str]):
    def __init__(self, verbs: Verbs, moment: Moment, registry: Registry) -> None:
        super().__init__(verbs, moment)
        self._registry = registry
        self._served: dict[str, list[Resource]] = {}
        self.store.listen(DEFINITIONS, self._changed)

    def _changed(self, change: Change) -> None:
        self.queue.add(change.new.key[1])

    def reconcile(self, key: str, now_ms: int) -> None:
        held = self.store.get(DEFINITIONS, ("", key))
        for resource in self._served.pop(key, []):
            self._registry.drop(resource)
            if held is None:
                self.store.forget(resource)
        if held is None:
            return
        definition = held.decode()
        for version in definition["spec"].get("versions") or ():
            if version.get("served", True):
                self._serve(key, definition, version)
        if not (definition.get("status") or {}).get("conditions"):
            self.store.put(DEFINITIONS, {**definition, "status": _established(definition, now_ms)})

    def _serve(self, name: str, definition: Json, version: Json) -> None:
        spec = definition["spec"]
        names = spec["names"]
        resource = Resource(
            group=spec["group"],
            version=version["name"],
            plural=names["plural"],
            kind=names["kind"],
            namespaced=spec.get("scope") == "Namespaced",
            status="status" in (version.get("subresources") or {}),
            generation=True,
            short_names=tuple(names.get("shortNames") or ()),
            strategic=False,
        )
        schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
        self.verbs.kinds[resource.full_name] = Kind(
            create=_completing(schema), causes=_checking(schema), update=_completing_update(schema)
        )
        self._registry.add(resource)
        self._served.setdefault(name, []).append(resource)


def _complete(obj: Json, schema: Json) -> None:
    found = completed({key: value for key, value in obj.items() if key != "metadata"}, schema)
    for key in [key for key in obj if key != "metadata"]:
        del obj[key]
    obj.update({key: value for key, value in found.items() if key != "metadata"})


def _completing(schema: Json) -> Callable[[Json, Context], None]:
    def complete(obj: Json, _context: Context) -> None:
        _complete(obj, schema)

    return complete


def _completing_update(schema: Json) -> Callable[[Json, Json, Context], None]:
    def complete(new: Json, _old: Json, _context: Context) -> None:
        _complete(new, schema)

    return complete


def _checking(schema: Json) -> Callable[[Json], list[Cause]]:
    def check(obj: Json) -> list[Cause]:
        return schema_causes(obj, schema, "")

    return check


def _established(definition: Json, now_ms: int) -> Json:
    conditions = [
        {
            "type": kind,
            "status": "True",
            "lastTransitionTime": rfc3339(now_ms),
            "reason": reason,
            "message": message,
        }
        for kind, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
    ]
    versions = definition["spec"].get("versions") or ()
    return {
        "conditions": conditions,
        "acceptedNames": definition["spec"]["names"],
        "storedVersions": [each["name"] for each in versions if each.get("storage")],
    }
