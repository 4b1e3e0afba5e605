"""Who may do what: tokens, service accounts, roles, impersonation, reviews, and the sentences of refusals."""

from __future__ import annotations

import pytest

from herder.testing.kubernetes import ClusterSettings
from tests.kubernetes.clusters import Asked, Json, Reply, Virtual
from tests.kubernetes.objects import config, configs_path, pods_path

RBAC = "/apis/rbac.authorization.k8s.io/v1"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def as_user(
    cluster: Asked, user: str, method: str, path: str, body: Json | None = None, **query: str
) -> Reply:
    return cluster.send(method, path, body, headers={"Impersonate-User": user}, **query)


def grant(cluster: Asked, namespace: str, user: str, *rules: Json) -> None:
    role = {"metadata": {"name": "r"}, "rules": list(rules)}
    assert cluster.send("POST", f"{RBAC}/namespaces/{namespace}/roles", role).status == 201
    binding = {
        "metadata": {"name": "r"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}],
    }  # fmt: skip
    assert cluster.send("POST", f"{RBAC}/namespaces/{namespace}/rolebindings", binding).status == 201


def may(cluster: Asked, user: str, **attributes: str) -> bool:
    body = {"spec": {"resourceAttributes": attributes}}
    return bool(as_user(cluster, user, "POST", REVIEWS, body).body["status"]["allowed"])


@pytest.mark.parametrize(
    ("method", "path", "sentence"),
    [
        ("GET", "/api/v1/nodes", 'nodes is forbidden: User "bob" cannot list resource "nodes" in API group "" at the cluster scope'),
        ("DELETE", "/api/v1/nodes/n1", 'nodes "n1" is forbidden: User "bob" cannot delete resource "nodes" in API group "" at the cluster scope'),
        ("GET", "/api/v1/namespaces/default/pods/a/log", 'pods "a" is forbidden: User "bob" cannot get resource "pods/log" in API group "" in the namespace "default"'),
        ("GET", "/apis/batch/v1/namespaces/default/jobs", 'jobs.batch is forbidden: User "bob" cannot list resource "jobs" in API group "batch" in the namespace "default"'),
        ("POST", "/api/v1/namespaces/default/pods/a/eviction", 'pods "a" is forbidden: User "bob" cannot create resource "pods/eviction" in API group "" in the namespace "default"'),
    ],
)  # fmt: skip
def test_a_refusal_names_user_verb_and_resource(
    cluster: Asked, method: str, path: str, sentence: str
) -> None:
    refused = as_user(cluster, "bob", method, path, {} if method == "POST" else None)
    assert (refused.status, refused.body["reason"]) == (403, "Forbidden")
    assert refused.body["message"] == sentence


def test_a_watch_is_a_right_of_its_own(cluster: Asked, namespace: str) -> None:
    grant(cluster, namespace, "ann", {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]})
    assert as_user(cluster, "ann", "GET", configs_path(namespace)).status == 200
    refused = as_user(cluster, "ann", "GET", configs_path(namespace), watch="true")
    assert 'cannot watch resource "configmaps"' in refused.body["message"]


def test_a_role_holds_in_its_namespace_and_for_its_verbs(cluster: Asked, namespace: str) -> None:
    grant(
        cluster,
        namespace,
        "ann",
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create"]},
    )
    assert as_user(cluster, "ann", "POST", configs_path(namespace), config("a")).status == 201
    assert as_user(cluster, "ann", "GET", configs_path(namespace, "a")).status == 200
    assert as_user(cluster, "ann", "DELETE", configs_path(namespace, "a")).status == 403
    assert as_user(cluster, "ann", "GET", configs_path("default", "a")).status == 403


def test_a_role_may_name_its_objects(cluster: Asked, namespace: str) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["a"]}
    grant(cluster, namespace, "ann", rule)
    cluster.send("POST", configs_path(namespace), config("a"))
    assert as_user(cluster, "ann", "GET", configs_path(namespace, "a")).status == 200
    assert as_user(cluster, "ann", "GET", configs_path(namespace, "b")).status == 403


def test_a_review_answers_before_one_tries(cluster: Asked, namespace: str) -> None:
    grant(cluster, namespace, "ann", {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]})
    assert may(cluster, "ann", namespace=namespace, verb="create", resource="pods", subresource="eviction")
    assert not may(cluster, "ann", namespace=namespace, verb="create", resource="pods")
    assert not may(
        cluster, "ann", namespace="default", verb="create", resource="pods", subresource="eviction"
    )
    assert not may(cluster, "ann", verb="patch", resource="nodes")


def test_a_cluster_role_holds_everywhere(virtual: Virtual) -> None:
    role = {
        "metadata": {"name": "herder:nodes"},
        "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["*"]}],
    }
    virtual.send("POST", f"{RBAC}/clusterroles", role)
    subject = {"kind": "ServiceAccount", "namespace": "default", "name": "herder"}
    binding = {
        "metadata": {"name": "b"},
        "roleRef": {"kind": "ClusterRole", "name": "herder:nodes"},
        "subjects": [subject],
    }
    virtual.send("POST", f"{RBAC}/clusterrolebindings", binding)
    assert as_user(virtual, "system:serviceaccount:default:herder", "GET", "/api/v1/nodes").status == 200
    assert as_user(virtual, "system:serviceaccount:default:other", "GET", "/api/v1/nodes").status == 403


def test_a_token_of_a_service_account_ends(virtual: Virtual) -> None:
    virtual.send("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "herder"}})
    path = "/api/v1/namespaces/default/serviceaccounts/herder/token"
    made = virtual.send("POST", path, {"spec": {"expirationSeconds": 600}})
    assert made.status == 201
    token = made.body["status"]["token"]
    refused = virtual.send("GET", pods_path("default"), token=token)
    assert (refused.status, 'User "system:serviceaccount:default:herder"' in refused.body["message"]) == (
        403,
        True,
    )
    virtual.sleep(599)
    assert virtual.send("GET", pods_path("default"), token=token).status == 403
    virtual.sleep(2)
    assert virtual.send("GET", pods_path("default"), token=token).status == 401


def test_the_tokens_of_a_deleted_account_are_worth_nothing(virtual: Virtual) -> None:
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    virtual.send("POST", accounts, {"metadata": {"name": "herder"}})
    token = virtual.send("POST", f"{accounts}/herder/token", {"spec": {}}).body["status"]["token"]
    virtual.send("DELETE", f"{accounts}/herder")
    assert virtual.send("GET", pods_path("default"), token=token).status == 401


def test_a_short_token_is_refused(virtual: Virtual) -> None:
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    virtual.send("POST", accounts, {"metadata": {"name": "herder"}})
    refused = virtual.send("POST", f"{accounts}/herder/token", {"spec": {"expirationSeconds": 60}})
    assert refused.status == 422


def test_nobody_without_a_token_sees_more_than_health(virtual: Virtual) -> None:
    nobody = {"authorization": ""}
    assert virtual.send("GET", "/readyz", headers=nobody).body == "ok"
    refused = virtual.send("GET", "/api/v1/nodes", headers=nobody)
    assert (refused.status, 'User "system:anonymous"' in refused.body["message"]) == (403, True)


def test_where_it_is_set_a_request_without_a_token_is_that_of_the_administrator() -> None:
    cluster = Virtual(ClusterSettings(anonymous_admin=True))
    nobody, wrong = {"authorization": ""}, {"authorization": "Bearer wrong"}
    assert cluster.send("GET", "/api/v1/nodes", headers=nobody).status == 200
    assert cluster.send("GET", "/api", headers=nobody).body["versions"] == ["v1"]
    assert cluster.send("GET", "/api/v1/nodes", headers=wrong).status == 401
    cluster.cluster.close()


def test_who_may_not_impersonate_does_not(virtual: Virtual) -> None:
    virtual.send("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "herder"}})
    path = "/api/v1/namespaces/default/serviceaccounts/herder/token"
    token = virtual.send("POST", path, {"spec": {}}).body["status"]["token"]
    refused = virtual.send(
        "GET", "/api/v1/nodes", token=token, headers={"Impersonate-User": "kubernetes-admin"}
    )
    assert refused.status == 403
    assert "cannot impersonate" in refused.body["message"]
