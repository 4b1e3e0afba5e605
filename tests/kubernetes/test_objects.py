"""Creating, updating and deleting: server fields, conflicts, validation, finalizers, preconditions, subresources."""

from __future__ import annotations

from tests.kubernetes.clusters import Asked, until
from tests.kubernetes.objects import config, configs_path, job, jobs_path, pod, pods_path

GATED = [{"name": "herder.dev/test"}]


def test_a_new_object_gets_what_the_server_decides(cluster: Asked, namespace: str) -> None:
    made = cluster.send("POST", configs_path(namespace), config("a", x="1"))
    assert made.status == 201
    metadata = made.body["metadata"]
    assert metadata["uid"]
    assert metadata["creationTimestamp"]
    assert metadata["namespace"] == namespace
    other = cluster.send("POST", configs_path(namespace), config("b"))
    assert other.version > made.version


def test_the_server_ignores_what_it_alone_decides(cluster: Asked, namespace: str) -> None:
    sent = config("a")
    sent["metadata"] |= {
        "uid": "mine",
        "creationTimestamp": "2001-01-01T00:00:00Z",
        "deletionTimestamp": "2001-01-01T00:00:00Z",
    }
    metadata = cluster.send("POST", configs_path(namespace), sent).body["metadata"]
    assert metadata["uid"] != "mine"
    assert not metadata["creationTimestamp"].startswith("2001")
    assert "deletionTimestamp" not in metadata


def test_a_quantity_that_is_sent_as_a_number_is_answered_as_text(cluster: Asked, namespace: str) -> None:
    sent = pod("a", schedulingGates=GATED)
    sent["spec"]["containers"][0]["resources"] = {"limits": {"example.com/card": 1, "cpu": 0.5}}
    path, texts = pods_path(namespace), {"example.com/card": "1", "cpu": "500m"}
    for answer in (cluster.send("POST", path, sent), cluster.send("GET", pods_path(namespace, "a"))):
        assert answer.body["spec"]["containers"][0]["resources"] == {"limits": texts, "requests": texts}


def test_a_second_of_the_same_name_is_refused(cluster: Asked, namespace: str) -> None:
    cluster.send("POST", configs_path(namespace), config("a"))
    again = cluster.send("POST", configs_path(namespace), config("a"))
    assert (again.status, again.body["reason"]) == (409, "AlreadyExists")
    assert again.body["message"] == 'configmaps "a" already exists'


def test_generated_names_differ(cluster: Asked, namespace: str) -> None:
    names = {
        cluster.send("POST", pods_path(namespace), pod(generate="g-", schedulingGates=GATED)).body[
            "metadata"
        ]["name"]
        for _ in range(5)
    }
    assert len(names) == 5
    assert all(name.startswith("g-") and len(name) == 7 for name in names)


def test_a_dry_run_leaves_nothing(cluster: Asked, namespace: str) -> None:
    assert cluster.send("POST", configs_path(namespace), config("a"), dryRun="All").status == 201
    assert cluster.send("GET", configs_path(namespace, "a")).status == 404


def test_a_namespace_that_is_missing_is_named(cluster: Asked) -> None:
    refused = cluster.send("POST", configs_path("no-such-namespace"), config("a"))
    assert (refused.status, refused.body["message"]) == (404, 'namespaces "no-such-namespace" not found')


def test_each_wrong_field_is_a_cause(cluster: Asked, namespace: str) -> None:
    bad = pod("a", labels={"bad key!": "x"}, restartPolicy="Sometimes")
    bad["spec"]["containers"][0].pop("image")
    refused = cluster.send("POST", pods_path(namespace), bad)
    assert refused.status == 422
    fields = {each["field"] for each in refused.body["details"]["causes"]}
    assert {"metadata.labels", "spec.containers[0].image", "spec.restartPolicy"} <= fields


def test_an_update_from_an_old_version_conflicts(cluster: Asked, namespace: str) -> None:
    first = cluster.send("POST", configs_path(namespace), config("a", x="1")).body
    second = cluster.send("PUT", configs_path(namespace, "a"), {**first, "data": {"x": "2"}})
    assert second.status == 200
    late = cluster.send("PUT", configs_path(namespace, "a"), {**first, "data": {"x": "3"}})
    assert (late.status, late.body["reason"]) == (409, "Conflict")
    assert cluster.send("GET", configs_path(namespace, "a")).body["data"] == {"x": "2"}


def test_an_update_that_changes_nothing_is_no_new_version(cluster: Asked, namespace: str) -> None:
    first = cluster.send("POST", configs_path(namespace), config("a", x="1"))
    again = cluster.send("PUT", configs_path(namespace, "a"), first.body)
    assert again.version == first.version


def test_status_and_specification_are_written_apart(cluster: Asked, namespace: str) -> None:
    cluster.send("POST", pods_path(namespace), pod("a", schedulingGates=GATED))
    plain = cluster.send("PATCH", pods_path(namespace, "a"), {"status": {"message": "by the object"}}).body
    assert "message" not in plain["status"]
    told = {"status": {"message": "by the status"}, "spec": {"activeDeadlineSeconds": 7}}
    written = cluster.send("PATCH", pods_path(namespace, "a", "status"), told).body
    assert written["status"]["message"] == "by the status"
    assert "activeDeadlineSeconds" not in written["spec"]


def test_the_specification_of_a_pod_stays(cluster: Asked, namespace: str) -> None:
    cluster.send("POST", pods_path(namespace), pod("a", schedulingGates=GATED))
    refused = cluster.send("PATCH", pods_path(namespace, "a"), {"spec": {"hostname": "other"}})
    assert refused.status == 422
    assert "pod updates may not change fields" in refused.body["message"]


def test_the_template_of_a_job_stays(cluster: Asked, namespace: str) -> None:
    cluster.send("POST", jobs_path(namespace), job("a", suspend=True))
    change = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}
    refused = cluster.send("PATCH", jobs_path(namespace, "a"), change)
    assert refused.status == 422
    assert "field is immutable" in refused.body["message"]


def test_generation_counts_changes_of_the_specification(cluster: Asked, namespace: str) -> None:
    cluster.send("POST", jobs_path(namespace), job("a", suspend=True))
    labelled = cluster.send("PATCH", jobs_path(namespace, "a"), {"metadata": {"labels": {"x": "1"}}}).body
    assert labelled["metadata"]["generation"] == 1
    changed = cluster.send("PATCH", jobs_path(namespace, "a"), {"spec": {"parallelism": 2}}).body
    assert changed["metadata"]["generation"] == 2


def test_a_finalizer_holds_an_object(cluster: Asked, namespace: str) -> None:
    held = config("a")
    held["metadata"]["finalizers"] = ["herder.dev/test"]
    cluster.send("POST", configs_path(namespace), held)
    going = cluster.send("DELETE", configs_path(namespace, "a"))
    assert going.status == 200
    assert cluster.send("GET", configs_path(namespace, "a")).body["metadata"]["deletionTimestamp"]
    freed = cluster.send("PATCH", configs_path(namespace, "a"), {"metadata": {"finalizers": None}})
    assert freed.status == 200
    assert cluster.send("GET", configs_path(namespace, "a")).status == 404


def test_a_deletion_may_name_what_it_means(cluster: Asked, namespace: str) -> None:
    made = cluster.send("POST", configs_path(namespace), config("a"))
    wrong = {"preconditions": {"resourceVersion": "1"}}
    assert cluster.send("DELETE", configs_path(namespace, "a"), wrong).status == 409
    right = {"preconditions": {"uid": made.body["metadata"]["uid"]}}
    assert cluster.send("DELETE", configs_path(namespace, "a"), right).status == 200


def test_a_collection_is_deleted_by_its_labels(cluster: Asked, namespace: str) -> None:
    for name, color in (("a", "red"), ("b", "red"), ("c", "blue")):
        cluster.send("POST", configs_path(namespace), config(name, {"color": color}))
    assert cluster.send("DELETE", configs_path(namespace), labelSelector="color=red").status == 200
    left = cluster.send("GET", configs_path(namespace), labelSelector="color").body["items"]
    assert [each["metadata"]["name"] for each in left] == ["c"]


def test_a_pod_that_no_kubelet_holds_goes_at_once(cluster: Asked, namespace: str) -> None:
    cluster.send("POST", pods_path(namespace), pod("a", schedulingGates=GATED))
    assert cluster.send("DELETE", pods_path(namespace, "a")).status == 200
    until(cluster, lambda: cluster.send("GET", pods_path(namespace, "a")).status == 404)


def test_what_a_deleted_job_owned_is_deleted(cluster: Asked, namespace: str) -> None:
    made = cluster.send("POST", jobs_path(namespace), job("a", suspend=True)).body
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "a", "uid": made["metadata"]["uid"]}
    owned = config("owned")
    owned["metadata"]["ownerReferences"] = [owner]
    cluster.send("POST", configs_path(namespace), owned)
    cluster.send("DELETE", jobs_path(namespace, "a"), {"propagationPolicy": "Background"})
    until(cluster, lambda: cluster.send("GET", configs_path(namespace, "owned")).status == 404)


def test_a_job_that_is_deleted_without_a_word_leaves_what_it_owned(cluster: Asked, namespace: str) -> None:
    made = cluster.send("POST", jobs_path(namespace), job("a", suspend=True)).body
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "a", "uid": made["metadata"]["uid"]}
    owned = config("owned")
    owned["metadata"]["ownerReferences"] = [owner]
    cluster.send("POST", configs_path(namespace), owned)
    cluster.send("DELETE", jobs_path(namespace, "a"))
    until(cluster, lambda: cluster.send("GET", jobs_path(namespace, "a")).status == 404)
    kept = cluster.send("GET", configs_path(namespace, "owned"))
    assert kept.status == 200
    assert "ownerReferences" not in kept.body["metadata"]


def test_a_namespace_takes_all_that_is_in_it(cluster: Asked, namespace: str) -> None:
    cluster.send("POST", configs_path(namespace), config("a"))
    going = cluster.send("DELETE", f"/api/v1/namespaces/{namespace}")
    assert going.body["status"]["phase"] == "Terminating"
    until(cluster, lambda: cluster.send("GET", f"/api/v1/namespaces/{namespace}").status == 404)
    assert cluster.send("GET", configs_path(namespace, "a")).status == 404


def test_a_field_that_does_not_exist_is_dropped_with_a_warning(cluster: Asked, namespace: str) -> None:
    wrong = job("a", suspend=True, activeDeadlineSecond=5)
    wrong["spec"]["template"]["spec"]["containers"][0]["comand"] = ["x"]
    made = cluster.send("POST", jobs_path(namespace), wrong)
    assert made.status == 201
    assert "activeDeadlineSecond" not in made.body["spec"]
    told = made.headers.get("Warning") or made.headers["warning"]
    assert 'unknown field \\"spec.activeDeadlineSecond\\"' in told
    assert 'unknown field \\"spec.template.spec.containers[0].comand\\"' in told


def test_a_client_may_want_an_error_for_an_unknown_field(cluster: Asked, namespace: str) -> None:
    refused = cluster.send(
        "POST", jobs_path(namespace), job("a", suspend=True, color="red"), fieldValidation="Strict"
    )
    assert refused.status == 400
    assert 'strict decoding error: unknown field "spec.color"' in refused.body["message"]
