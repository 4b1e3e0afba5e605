"""What the server says about itself: version, health, groups, resources, and a little OpenAPI."""

from herder.testing.kubernetes.api.answers import Answer
from herder.testing.kubernetes.api.routes import Registry
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import Resource

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2",
    "gitCommit": "8e16b12fda5b1dccc41a6de48b3e356cc7d5048b",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.27.3",
    "compiler": "gc",
    "platform": "linux/amd64",
}
HEALTH = ("/readyz", "/livez", "/healthz")


def _entries(resource: Resource) -> list[Json]:
    base: Json = {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        base["shortNames"] = list(resource.short_names)
    found = [base]
    if resource.status:
        found.append(_below(resource, "status", ["get", "patch", "update"]))
    return found + [
        _below(resource, name, ["get"] if name == "log" else ["create"]) for name in resource.subresources
    ]


def _below(resource: Resource, name: str, verbs: list[str]) -> Json:
    return {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": {"eviction": "Eviction", "binding": "Binding", "token": "TokenRequest"}.get(
            name, resource.kind
        ),
        "verbs": verbs,
    }


def _group(name: str, versions: list[str]) -> Json:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _groups(registry: Registry) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for resource in registry.all():
        if resource.group and resource.version not in found.setdefault(resource.group, []):
            found[resource.group].append(resource.version)
    return found


def discovery(registry: Registry, path: str) -> Answer | None:
    """None: the path is none of discovery's."""
    parts = [part for part in path.split("/") if part]
    if path == "/version":
        return Answer.of(200, VERSION)
    if path in HEALTH:
        return Answer.text(200, "ok")
    if parts == ["api"]:
        return Answer.of(200, {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
    if parts == ["apis"]:
        groups = [_group(name, versions) for name, versions in _groups(registry).items()]
        return Answer.of(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
    if len(parts) == 2 and parts[0] == "apis" and parts[1] in _groups(registry):
        group = _group(parts[1], _groups(registry)[parts[1]])
        return Answer.of(200, {"kind": "APIGroup", "apiVersion": "v1", **group})
    if (parts[0:1] == ["api"] and len(parts) == 2) or (parts[0:1] == ["apis"] and len(parts) == 3):
        return _resources(registry, "/".join(parts[1:]))
    if parts[:2] == ["openapi", "v3"]:
        return _openapi(registry, "/".join(parts[2:]))
    return None


def _openapi(registry: Registry, version_path: str) -> Answer | None:
    """As far as kubectl reads it before it sends a manifest: that the server itself checks fields."""
    paths: dict[str, Json] = {}
    for resource in registry.all():
        place = f"{'apis' if resource.group else 'api'}/{resource.api_version}"
        paths.setdefault(place, {})[f"/{place}/{resource.plural}/{{name}}"] = {"patch": _patch(resource)}
    if not version_path:
        index = {place: {"serverRelativeURL": f"/openapi/v3/{place}"} for place in paths}
        return Answer.of(200, {"paths": index})
    if version_path not in paths:
        return None
    info = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
    return Answer.of(200, {"openapi": "3.0.0", "info": info, "paths": paths[version_path]})


def _patch(resource: Resource) -> Json:
    kind = {"group": resource.group, "kind": resource.kind, "version": resource.version}
    parameter = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
    return {"parameters": [parameter], "x-kubernetes-group-version-kind": kind}


def _resources(registry: Registry, api_version: str) -> Answer | None:
    found = [resource for resource in registry.all() if resource.api_version == api_version]
    if not found:
        return None
    entries = [
        entry for resource in sorted(found, key=lambda each: each.plural) for entry in _entries(resource)
    ]
    return Answer.of(
        200,
        {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": entries},
    )
