"""Lists: selectors by label and field, pages, versions, and the forms that are asked for."""

from __future__ import annotations

import pytest

from tests.kubernetes.clusters import Asked, Virtual
from tests.kubernetes.objects import config, configs_path, pod, pods_path

TREES = {
    "oak": {"kind": "tree", "size": "big"},
    "elm": {"kind": "tree"},
    "rose": {"kind": "bush", "size": "small"},
}
GATED = [{"name": "herder.dev/test"}]


@pytest.fixture
def trees(cluster: Asked, namespace: str) -> str:
    for name, labels in TREES.items():
        cluster.send("POST", configs_path(namespace), config(name, labels))
    return namespace


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("kind=tree", ["elm", "oak"]),
        ("kind==tree,size=big", ["oak"]),
        ("kind!=tree", ["rose"]),
        ("kind in (tree, bush),size", ["oak", "rose"]),
        ("kind,size notin (big)", ["elm", "rose"]),
        ("kind,!size", ["elm"]),
    ],
)
def test_labels_select(cluster: Asked, trees: str, selector: str, names: list[str]) -> None:
    found = cluster.send("GET", configs_path(trees), labelSelector=selector).body["items"]
    assert [each["metadata"]["name"] for each in found] == names


def test_fields_select(cluster: Asked, trees: str) -> None:
    found = cluster.send("GET", configs_path(trees), fieldSelector="metadata.name=oak").body["items"]
    assert [each["metadata"]["name"] for each in found] == ["oak"]


def test_pending_demand_is_what_no_node_has(cluster: Asked, namespace: str) -> None:
    cluster.send("POST", pods_path(namespace), pod("gated", schedulingGates=GATED))
    found = cluster.send(
        "GET", pods_path(namespace), fieldSelector="spec.nodeName=,status.phase=Pending"
    ).body["items"]
    assert [each["status"]["conditions"][0]["reason"] for each in found] == ["SchedulingGated"]


@pytest.mark.parametrize(
    "query", [{"labelSelector": "a in b"}, {"fieldSelector": "spec.color=red"}, {"limit": "many"}]
)
def test_what_cannot_be_read_is_a_bad_request(cluster: Asked, namespace: str, query: dict[str, str]) -> None:
    refused = cluster.send("GET", pods_path(namespace), **query)
    assert (refused.status, refused.body["reason"]) == (400, "BadRequest")


def test_a_list_names_its_kind_and_its_version(cluster: Asked, trees: str) -> None:
    found = cluster.send("GET", configs_path(trees))
    assert (found.body["kind"], found.body["apiVersion"]) == ("ConfigMapList", "v1")
    assert found.version >= max(int(each["metadata"]["resourceVersion"]) for each in found.body["items"])
    assert all("kind" not in each for each in found.body["items"])


def test_pages_are_of_one_version(cluster: Asked, trees: str) -> None:
    names = "kind in (tree,bush)"
    first = cluster.send("GET", configs_path(trees), limit="2", labelSelector=names)
    cluster.send("POST", configs_path(trees), config("zebra", {"kind": "tree"}))
    token = first.body["metadata"]["continue"]
    second = cluster.send(
        "GET", configs_path(trees), **{"limit": "2", "continue": token, "labelSelector": names}
    )
    found = [each["metadata"]["name"] for page in (first, second) for each in page.body["items"]]
    assert found == ["elm", "oak", "rose"]
    assert second.version == first.version
    assert "continue" not in second.body["metadata"]


def test_pages_of_all_namespaces_lose_nothing(virtual: Virtual) -> None:
    for namespace in ("a", "a-b", "b"):
        virtual.send("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        for name in ("x", "y"):
            virtual.send("POST", configs_path(namespace), config(name, {"all": "1"}))
    query, found = {"limit": "1", "labelSelector": "all"}, []
    while True:
        page = virtual.send("GET", "/api/v1/configmaps", **query).body
        found += [(each["metadata"]["namespace"], each["metadata"]["name"]) for each in page["items"]]
        if "continue" not in page["metadata"]:
            break
        query["continue"] = page["metadata"]["continue"]
    assert sorted(found) == [(namespace, name) for namespace in ("a", "a-b", "b") for name in ("x", "y")]


def test_a_page_of_a_version_that_is_gone_expires(virtual: Virtual) -> None:
    virtual.send("POST", configs_path("default"), config("a"))
    virtual.send("POST", configs_path("default"), config("b"))
    token = virtual.send("GET", configs_path("default"), limit="1").body["metadata"]["continue"]
    virtual.cluster.compact()
    expired = virtual.send("GET", configs_path("default"), **{"limit": "1", "continue": token})
    assert (expired.status, expired.body["reason"]) == (410, "Expired")
    assert expired.body["metadata"]["continue"]


def test_metadata_alone(cluster: Asked, trees: str) -> None:
    accept = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
    found = cluster.send("GET", configs_path(trees, "oak"), headers=accept).body
    assert (found["kind"], found["metadata"]["labels"]) == ("PartialObjectMetadata", TREES["oak"])
    assert "data" not in found


def test_a_table(cluster: Asked, trees: str) -> None:
    accept = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
    found = cluster.send("GET", configs_path(trees), headers=accept, labelSelector="kind=tree").body
    assert found["kind"] == "Table"
    assert [row["cells"][0] for row in found["rows"]] == ["elm", "oak"]
