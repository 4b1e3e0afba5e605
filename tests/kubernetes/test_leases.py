"""Leases: of many who create or replace at once, exactly one wins."""

from __future__ import annotations

from tests.kubernetes.clusters import Asked

GROUP = "/apis/coordination.k8s.io/v1/namespaces"


def lease(holder: str) -> dict[str, object]:
    return {"metadata": {"name": "herder"}, "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15}}


def test_one_of_ten_creates_wins(cluster: Asked, namespace: str) -> None:
    replies = [
        cluster.send("POST", f"{GROUP}/{namespace}/leases", lease(str(number))) for number in range(10)
    ]
    assert [each.status for each in replies] == [201] + [409] * 9
    assert cluster.send("GET", f"{GROUP}/{namespace}/leases/herder").body["spec"]["holderIdentity"] == "0"


def test_one_of_ten_replacements_of_a_version_wins(cluster: Asked, namespace: str) -> None:
    held = cluster.send("POST", f"{GROUP}/{namespace}/leases", lease("first")).body
    replies = []
    for number in range(10):
        body = {**held, "spec": {**held["spec"], "holderIdentity": str(number)}}
        replies.append(cluster.send("PUT", f"{GROUP}/{namespace}/leases/herder", body).status)
    assert replies == [200] + [409] * 9


def test_a_replacement_must_name_its_version(cluster: Asked, namespace: str) -> None:
    cluster.send("POST", f"{GROUP}/{namespace}/leases", lease("first"))
    refused = cluster.send("PUT", f"{GROUP}/{namespace}/leases/herder", lease("second"))
    assert refused.status == 422
    assert "must be specified for an update" in refused.body["message"]
