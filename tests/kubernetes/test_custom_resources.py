"""Custom resources: served once they are defined, checked against their schema, gone with their definition."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kubernetes.clusters import Asked, until

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SPEC = {
    "type": "object", "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10},
        "mode": {"type": "string", "enum": ["fast", "cheap"], "default": "cheap"},
        "zones": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]$"}},
    },
}  # fmt: skip
SCHEMA = {
    "type": "object",
    "properties": {"spec": SPEC, "status": {"type": "object", "properties": {"ready": {"type": "integer"}}}},
}
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "pools.test.herder.dev"},
    "spec": {
        "group": "test.herder.dev", "scope": "Namespaced", "names": {"plural": "pools", "singular": "pool", "kind": "Pool", "listKind": "PoolList"},
        "versions": [{"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": SCHEMA}}],
    },
}  # fmt: skip


@pytest.fixture
def path(cluster: Asked, namespace: str) -> Iterator[str]:
    assert cluster.send("POST", DEFINITIONS, DEFINITION).status == 201
    found = f"/apis/test.herder.dev/v1/namespaces/{namespace}/pools"
    until(cluster, lambda: cluster.send("GET", found).status == 200)
    yield found
    cluster.send("DELETE", f"{DEFINITIONS}/pools.test.herder.dev")


def pool(name: str, **spec: object) -> dict[str, object]:
    return {"apiVersion": "test.herder.dev/v1", "kind": "Pool", "metadata": {"name": name}, "spec": spec}


def test_defaults_are_filled_and_unknown_fields_dropped(cluster: Asked, path: str) -> None:
    made = cluster.send("POST", path, pool("a", size=2, color="red"))
    assert (made.status, made.body["spec"]) == (201, {"size": 2, "mode": "cheap"})


@pytest.mark.parametrize(
    ("spec", "field", "text"),
    [
        ({}, "spec.size", "Required value"),
        ({"size": "two"}, "spec.size", "must be of type integer"),
        ({"size": 11}, "spec.size", "should be less than or equal to 10"),
        ({"size": 1, "mode": "slow"}, "spec.mode", "Unsupported value"),
        ({"size": 1, "zones": ["a", "bb"]}, "spec.zones[1]", "should match"),
    ],
)
def test_what_the_schema_forbids_is_named(
    cluster: Asked, path: str, spec: dict[str, object], field: str, text: str
) -> None:
    refused = cluster.send("POST", path, pool("a", **spec))
    assert refused.status == 422
    (cause,) = refused.body["details"]["causes"]
    assert cause["field"] == field
    assert text in cause["message"]


def test_its_status_is_a_subresource(cluster: Asked, path: str) -> None:
    cluster.send("POST", path, pool("a", size=2))
    cluster.send("PATCH", f"{path}/a/status", {"status": {"ready": 1}, "spec": {"size": 3}})
    found = cluster.send("GET", f"{path}/a").body
    assert (found["status"], found["spec"]["size"]) == ({"ready": 1}, 2)


def test_it_is_discovered_and_goes_with_its_definition(cluster: Asked, path: str) -> None:
    resources = cluster.send("GET", "/apis/test.herder.dev/v1").body["resources"]
    assert {each["name"] for each in resources} == {"pools", "pools/status"}
    cluster.send("DELETE", f"{DEFINITIONS}/pools.test.herder.dev")
    until(cluster, lambda: cluster.send("GET", path).status == 404)
