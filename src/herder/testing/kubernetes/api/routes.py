"""From a method and a path to what is asked for: resource, namespace, name, subresource and verb."""

from collections.abc import Mapping
from dataclasses import dataclass

from herder.testing.kubernetes.objects.resources import Resource

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}
#: What is a subresource of a namespace and no resource in it.
OF_NAMESPACES = ("status", "finalize")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    resource: Resource
    verb: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def asked(self) -> str:
        """As rights name it: pods/eviction."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural


class Registry:
    """The resources that exist now. Custom ones come and go."""

    def __init__(self, resources: tuple[Resource, ...]) -> None:
        self._by_place: dict[tuple[str, str, str], Resource] = {}
        for resource in resources:
            self.add(resource)

    def add(self, resource: Resource) -> None:
        self._by_place[resource.group, resource.version, resource.plural] = resource

    def drop(self, resource: Resource) -> None:
        self._by_place.pop((resource.group, resource.version, resource.plural), None)

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._by_place.get((group, version, plural))

    def named(self, group: str, kind: str) -> Resource | None:
        return next(
            (each for each in self._by_place.values() if (each.group, each.kind) == (group, kind)), None
        )

    def all(self) -> list[Resource]:
        return list(self._by_place.values())


def route(registry: Registry, method: str, path: str, query: Mapping[str, str]) -> Route | None:
    """None: there is no such path."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and (group or rest[2] not in OF_NAMESPACES):
        namespace, rest = rest[1], rest[2:]
    resource = registry.find(group, version, rest[0])
    if resource is None or len(rest) > 3 or (namespace and not resource.namespaced):
        return None
    name, subresource = (*rest[1:], "", "")[:2]
    if resource.namespaced and name and not namespace:
        return None
    return Route(
        resource=resource,
        verb=_verb(method, name, query),
        namespace=namespace,
        name=name,
        subresource=subresource,
    )


def _verb(method: str, name: str, query: Mapping[str, str]) -> str:
    verb = VERBS.get(method, "")
    if verb == "get" and query.get("watch") in ("true", "1"):
        return "watch"
    if name:
        return verb
    return {"get": "list", "delete": "deletecollection"}.get(verb, verb)
