"""The four kinds of patches, and who owns which field."""

from __future__ import annotations

import json

import pytest

from herder.testing.kubernetes.objects.patches import BadPatch, json_patched, merged
from herder.testing.kubernetes.objects.strategic import strategic_merged
from tests.kubernetes.clusters import Asked, Reply
from tests.kubernetes.objects import config, configs_path, pod, pods_path

JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
GATED = [{"name": "herder.dev/test"}]


def test_merge_sets_and_removes(cluster: Asked, namespace: str) -> None:
    cluster.send("POST", configs_path(namespace), config("a", x="1", y="2"))
    found = cluster.send("PATCH", configs_path(namespace, "a"), {"data": {"x": None, "z": "3"}}).body
    assert found["data"] == {"y": "2", "z": "3"}


def test_a_json_patch_may_test_first(cluster: Asked, namespace: str) -> None:
    cluster.send("POST", configs_path(namespace), config("a", x="1"))
    good = [
        {"op": "test", "path": "/data/x", "value": "1"},
        {"op": "replace", "path": "/data/x", "value": "2"},
    ]
    assert cluster.send("PATCH", configs_path(namespace, "a"), good, JSON_PATCH).body["data"] == {"x": "2"}
    again = cluster.send("PATCH", configs_path(namespace, "a"), good, JSON_PATCH)
    assert (again.status, again.body["reason"]) == (422, "Invalid")


def test_a_strategic_patch_merges_lists_by_key(cluster: Asked, namespace: str) -> None:
    cluster.send("POST", pods_path(namespace), pod("a", schedulingGates=GATED))
    change = {"spec": {"containers": [{"name": "c", "image": "example.com/x:2"}]}}
    found = cluster.send("PATCH", pods_path(namespace, "a"), change, STRATEGIC).body["spec"]["containers"][0]
    assert found["image"] == "example.com/x:2"
    assert found["resources"]["requests"]["cpu"] == "100m"


def test_a_patch_of_an_old_version_conflicts(cluster: Asked, namespace: str) -> None:
    first = cluster.send("POST", configs_path(namespace), config("a"))
    cluster.send("PATCH", configs_path(namespace, "a"), {"data": {"x": "1"}})
    old = {"metadata": {"resourceVersion": str(first.version)}, "data": {"x": "2"}}
    assert cluster.send("PATCH", configs_path(namespace, "a"), old).status == 409


def test_another_form_is_refused(cluster: Asked, namespace: str) -> None:
    cluster.send("POST", configs_path(namespace), config("a"))
    refused = cluster.send("PATCH", configs_path(namespace, "a"), {}, "application/json")
    assert (refused.status, refused.body["reason"]) == (415, "UnsupportedMediaType")


# --- server-side apply


def apply(cluster: Asked, namespace: str, manager: str, data: dict[str, str], **query: str) -> Reply:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}
    return cluster.send("PATCH", configs_path(namespace, "a"), body, APPLY, fieldManager=manager, **query)


def test_apply_creates_and_then_changes(cluster: Asked, namespace: str) -> None:
    assert apply(cluster, namespace, "one", {"x": "1"}).status == 201
    again = apply(cluster, namespace, "one", {"x": "2"})
    assert (again.status, again.body["data"]) == (200, {"x": "2"})


def test_apply_of_the_same_is_no_new_version(cluster: Asked, namespace: str) -> None:
    first = apply(cluster, namespace, "one", {"x": "1"})
    cluster.sleep(2)
    assert apply(cluster, namespace, "one", {"x": "1"}).version == first.version


def test_apply_removes_what_its_manager_no_longer_names(cluster: Asked, namespace: str) -> None:
    apply(cluster, namespace, "one", {"x": "1", "y": "1"})
    apply(cluster, namespace, "two", {"y": "1", "z": "1"})
    assert apply(cluster, namespace, "one", {}).body["data"] == {"y": "1", "z": "1"}


def test_apply_conflicts_with_another_manager_until_it_is_forced(cluster: Asked, namespace: str) -> None:
    apply(cluster, namespace, "one", {"x": "1"})
    refused = apply(cluster, namespace, "two", {"x": "2"})
    assert (refused.status, refused.body["reason"]) == (409, "Conflict")
    assert refused.body["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.x'
    assert refused.body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.x"}
    ]
    assert apply(cluster, namespace, "two", {"x": "2"}, force="true").body["data"] == {"x": "2"}
    owners = {
        each["manager"]
        for each in apply(cluster, namespace, "two", {"x": "2"}).body["metadata"]["managedFields"]
    }
    assert owners == {"two"}


def test_apply_conflicts_with_who_updated(cluster: Asked, namespace: str) -> None:
    cluster.send("POST", configs_path(namespace), config("a", x="1"), fieldManager="editor")
    refused = apply(cluster, namespace, "one", {"x": "2"})
    assert refused.body["message"] == 'Apply failed with 1 conflict: conflict with "editor" using v1: .data.x'


def test_an_update_takes_the_field_over(cluster: Asked, namespace: str) -> None:
    apply(cluster, namespace, "one", {"x": "1"})
    cluster.send("PATCH", configs_path(namespace, "a"), {"data": {"x": "5"}}, fieldManager="editor")
    assert apply(cluster, namespace, "one", {"x": "1"}).status == 409


def test_apply_needs_a_manager(cluster: Asked, namespace: str) -> None:
    body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}).encode()
    refused = cluster.send("PATCH", configs_path(namespace, "a"), body, APPLY)
    assert refused.status == 422


def test_apply_reads_yaml(cluster: Asked, namespace: str) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: hello\n"
    made = cluster.send("PATCH", configs_path(namespace, "a"), text, APPLY, fieldManager="one")
    assert (made.status, made.body["data"]) == (201, {"x": "hello"})


def test_the_fields_of_a_manager_are_listed(cluster: Asked, namespace: str) -> None:
    entry = apply(cluster, namespace, "one", {"x": "1"}).body["metadata"]["managedFields"][0]
    assert (entry["manager"], entry["operation"], entry["fieldsType"]) == ("one", "Apply", "FieldsV1")
    assert entry["fieldsV1"] == {"f:data": {"f:x": {}}}


# --- the functions


def test_merge_is_rfc_7386() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": None}, "d": [2]}) == {
        "a": {"c": 2},
        "d": [2],
    }
    assert merged({"a": "text"}, {"a": {"b": {"c": None}}}) == {"a": {"b": {}}}


@pytest.mark.parametrize(
    ("operation", "wanted"),
    [
        ({"op": "add", "path": "/l/-", "value": 3}, {"l": [1, 2, 3], "m": {"a/b": 1}}),
        ({"op": "add", "path": "/l/0", "value": 0}, {"l": [0, 1, 2], "m": {"a/b": 1}}),
        ({"op": "remove", "path": "/l/0"}, {"l": [2], "m": {"a/b": 1}}),
        ({"op": "replace", "path": "/m/a~1b", "value": 2}, {"l": [1, 2], "m": {"a/b": 2}}),
        ({"op": "move", "from": "/m/a~1b", "path": "/x"}, {"l": [1, 2], "m": {}, "x": 1}),
        ({"op": "copy", "from": "/l", "path": "/x"}, {"l": [1, 2], "m": {"a/b": 1}, "x": [1, 2]}),
    ],
)
def test_json_patch_is_rfc_6902(operation: dict[str, object], wanted: dict[str, object]) -> None:
    assert json_patched({"l": [1, 2], "m": {"a/b": 1}}, [operation]) == wanted


@pytest.mark.parametrize(
    "operation",
    [{"op": "remove", "path": "/no"}, {"op": "replace", "path": "/no/no", "value": 1}, {"op": "add", "path": "/l/9", "value": 1}, {"op": "jump", "path": "/l"}],
)  # fmt: skip
def test_a_json_patch_that_does_not_fit_is_refused(operation: dict[str, object]) -> None:
    with pytest.raises(BadPatch):
        json_patched({"l": [1]}, [operation])


def test_strategic_lists_may_be_replaced_or_lose_an_item() -> None:
    held = {"containers": [{"name": "a", "x": 1}, {"name": "b"}], "finalizers": ["f"]}
    lost = strategic_merged(held, {"containers": [{"name": "a", "$patch": "delete"}]})
    assert lost["containers"] == [{"name": "b"}]
    replaced = strategic_merged(held, {"containers": [{"$patch": "replace"}, {"name": "z"}]})
    assert replaced["containers"] == [{"name": "z"}]
    assert strategic_merged(held, {"finalizers": ["g"]})["finalizers"] == ["f", "g"]
    gone = strategic_merged(held, {"$deleteFromPrimitiveList/finalizers": ["f"]})
    assert gone["finalizers"] == []
