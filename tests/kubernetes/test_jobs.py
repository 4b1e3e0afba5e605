"""Jobs: pods up to completions, failure and its policy, deadlines, suspension, lost nodes, quotas, and what is left afterwards."""

from __future__ import annotations

import pytest

from tests.kubernetes.clusters import Json, Virtual, until
from tests.kubernetes.objects import job, jobs_path, pods_path

IGNORES = {
    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
}


@pytest.fixture
def cluster(virtual: Virtual) -> Virtual:
    for name in ("n1", "n2"):
        virtual.cluster.kubelets.boot(name, virtual.now_ms)
    virtual._next_ms = virtual.cluster.step(virtual.now_ms)
    virtual.sleep(3)
    return virtual


def submit(cluster: Virtual, name: str, **spec: object) -> Json:
    reply = cluster.send("POST", jobs_path("default"), job(name, **spec))  # type: ignore[arg-type]
    assert reply.status == 201, reply.body
    found: Json = reply.body
    return found


def status(cluster: Virtual, name: str) -> Json:
    found: Json = cluster.send("GET", jobs_path("default", name)).body["status"]
    return found


def conditions(cluster: Virtual, name: str) -> dict[str, str]:
    return {
        each["type"]: each["reason"]
        for each in status(cluster, name).get("conditions", [])
        if each["status"] == "True"
    }


def pods(cluster: Virtual, name: str) -> list[Json]:
    found: list[Json] = cluster.send("GET", pods_path("default"), labelSelector=f"job-name={name}").body[
        "items"
    ]
    return found


def test_a_job_of_twenty_completes_in_parallel(cluster: Virtual) -> None:
    submit(cluster, "a", completions=20, parallelism=20, completionMode="Indexed", annotations={"run-s": "3"})
    until(cluster, lambda: "Complete" in conditions(cluster, "a"), 6)
    found = status(cluster, "a")
    assert (found["succeeded"], found["completedIndexes"]) == (20, "0-19")
    assert list(conditions(cluster, "a")) == ["SuccessCriteriaMet", "Complete"]


def test_a_job_keeps_to_its_parallelism(cluster: Virtual) -> None:
    submit(cluster, "a", completions=5, parallelism=2, annotations={"run-s": "3"})
    most = 0
    while "Complete" not in conditions(cluster, "a"):
        most = max(most, status(cluster, "a").get("active", 0))
        cluster.sleep(0.5)
    assert (most, status(cluster, "a")["succeeded"]) == (2, 5)


def test_a_failure_ends_a_job_without_another_try(cluster: Virtual) -> None:
    submit(cluster, "a", annotations={"run-s": "1", "exit-code": "3"})
    until(cluster, lambda: "Failed" in conditions(cluster, "a"))
    assert conditions(cluster, "a")["Failed"] == "BackoffLimitExceeded"
    (pod,) = pods(cluster, "a")
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], pod["status"]["phase"]) == (3, "Error", "Failed")


def test_a_job_that_may_fail_tries_again_after_a_while(cluster: Virtual) -> None:
    submit(cluster, "a", backoffLimit=2, annotations={"run-s": "1", "exit-code": "1"})
    until(cluster, lambda: "Failed" in conditions(cluster, "a"), 60)
    assert status(cluster, "a")["failed"] == 3


def test_out_of_memory_is_named(cluster: Virtual) -> None:
    submit(cluster, "a", annotations={"run-s": "1", "reason": "OOMKilled"})
    until(cluster, lambda: "Failed" in conditions(cluster, "a"))
    ended = pods(cluster, "a")[0]["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")


def test_an_image_that_is_missing_leaves_the_pod_pending(cluster: Virtual) -> None:
    submit(cluster, "a", annotations={"image": "missing"})
    cluster.sleep(1)
    waiting = pods(cluster, "a")[0]["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "ErrImagePull"
    cluster.sleep(15)
    pod = pods(cluster, "a")[0]
    assert pod["status"]["phase"] == "Pending"
    assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"
    logs = cluster.send("GET", pods_path("default", pod["metadata"]["name"], "log"))
    assert logs.status == 400


def test_the_deadline_ends_a_job(cluster: Virtual) -> None:
    submit(cluster, "a", activeDeadlineSeconds=3, annotations={"run-s": "1000"})
    until(cluster, lambda: "Failed" in conditions(cluster, "a"), 6)
    assert conditions(cluster, "a")["Failed"] == "DeadlineExceeded"
    assert all(each["status"]["phase"] == "Failed" for each in pods(cluster, "a"))


def test_a_suspended_job_has_no_pods_until_it_is_resumed(cluster: Virtual) -> None:
    submit(cluster, "a", suspend=True)
    cluster.sleep(10)
    assert pods(cluster, "a") == []
    cluster.send("PATCH", jobs_path("default", "a"), {"spec": {"suspend": False}})
    cluster.sleep(2)
    assert status(cluster, "a")["active"] == 1
    cluster.send("PATCH", jobs_path("default", "a"), {"spec": {"suspend": True}})
    cluster.sleep(2)
    assert pods(cluster, "a") == [] or all(
        each["metadata"].get("deletionTimestamp") or each["status"]["phase"] == "Failed"
        for each in pods(cluster, "a")
    )
    assert "startTime" not in status(cluster, "a")


def test_what_was_disrupted_is_not_counted_where_the_policy_says_so(cluster: Virtual) -> None:
    submit(cluster, "a", podFailurePolicy=IGNORES, annotations={"run-s": "20"})
    cluster.sleep(2)
    first = pods(cluster, "a")[0]["metadata"]["name"]
    body = {"metadata": {"name": first}}
    assert cluster.send("POST", pods_path("default", first, "eviction"), body).status == 201
    until(cluster, lambda: "Complete" in conditions(cluster, "a"), 60)
    assert "failed" not in status(cluster, "a")
    assert status(cluster, "a")["succeeded"] == 1


def test_an_exit_code_may_fail_the_job_at_once(cluster: Virtual) -> None:
    rules = [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]
    submit(
        cluster,
        "a",
        backoffLimit=5,
        podFailurePolicy={"rules": rules},
        annotations={"run-s": "1", "exit-code": "42"},
    )
    until(cluster, lambda: "Failed" in conditions(cluster, "a"))
    assert conditions(cluster, "a")["Failed"] == "PodFailurePolicy"
    assert status(cluster, "a")["failed"] == 1


FIVE_S = {
    "tolerations": [
        {
            "key": "node.kubernetes.io/unreachable",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 5,
        }
    ]
}


def lose(cluster: Virtual, name: str) -> Json:
    """Its pod, whose machine is dead."""
    cluster.sleep(2)
    (lost,) = pods(cluster, name)
    cluster.cluster.kubelets.remove(lost["spec"]["nodeName"])
    cluster.sleep(100)
    (still,) = (each for each in pods(cluster, name) if "deletionTimestamp" in each["metadata"])
    assert status(cluster, name)["terminating"] == 1
    return still


def test_a_job_on_a_dead_machine_ends_when_its_pod_is_force_deleted(cluster: Virtual) -> None:
    submit(cluster, "a", annotations={"run-s": "30"}, pod_spec=FIVE_S)
    lost = lose(cluster, "a")
    assert (status(cluster, "a")["failed"], "Failed" in conditions(cluster, "a")) == (1, False)
    gone = cluster.send("DELETE", pods_path("default", lost["metadata"]["name"]), {"gracePeriodSeconds": 0})
    assert gone.status == 200
    until(cluster, lambda: "Failed" in conditions(cluster, "a"), 5)


def test_a_job_that_may_fail_replaces_a_pod_that_never_ends(cluster: Virtual) -> None:
    submit(cluster, "a", backoffLimit=1, annotations={"run-s": "10"}, pod_spec=FIVE_S)
    lose(cluster, "a")
    assert status(cluster, "a")["succeeded"] == 1


def test_a_job_that_waits_for_failed_pods_goes_on_when_the_node_object_is_gone_too(cluster: Virtual) -> None:
    """With a failure policy a pod is replaced only when its phase says that it failed, and no kubelet is left to say so."""
    submit(cluster, "a", podFailurePolicy=IGNORES, annotations={"run-s": "30"}, pod_spec=FIVE_S)
    lost = lose(cluster, "a")
    cluster.send("DELETE", pods_path("default", lost["metadata"]["name"]), {"gracePeriodSeconds": 0})
    cluster.sleep(60)
    assert status(cluster, "a")["terminating"] == 1
    cluster.send("DELETE", f"/api/v1/nodes/{lost['spec']['nodeName']}")
    until(cluster, lambda: "Complete" in conditions(cluster, "a"), 120)
    assert "failed" not in status(cluster, "a")


def test_a_machine_that_restarts_has_lost_its_containers(cluster: Virtual) -> None:
    submit(cluster, "a", annotations={"run-s": "500"})
    cluster.sleep(2)
    node = pods(cluster, "a")[0]["spec"]["nodeName"]
    cluster.cluster.kubelets.kill(node)
    cluster.sleep(20)
    cluster.cluster.kubelets.revive(node, cluster.now_ms)
    cluster._next_ms = cluster.cluster.step(cluster.now_ms)
    until(cluster, lambda: "Failed" in conditions(cluster, "a"))
    ended = pods(cluster, "a")[0]["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (255, "Unknown")


def test_a_machine_without_network_works_on(cluster: Virtual) -> None:
    submit(cluster, "a", annotations={"run-s": "30"})
    cluster.sleep(2)
    node = pods(cluster, "a")[0]["spec"]["nodeName"]
    cluster.cluster.kubelets.cut_off(node)
    cluster.sleep(70)
    assert pods(cluster, "a")[0]["status"]["phase"] == "Running"
    cluster.cluster.kubelets.connect(node)
    cluster._next_ms = cluster.cluster.step(cluster.now_ms)
    until(cluster, lambda: "Complete" in conditions(cluster, "a"), 5)
    assert pods(cluster, "a")[0]["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


def test_a_quota_shows_in_the_events_of_the_job(cluster: Virtual) -> None:
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}}}
    cluster.send("POST", "/api/v1/namespaces/default/resourcequotas", quota)
    submit(cluster, "a")
    cluster.sleep(2)
    assert pods(cluster, "a") == []
    events = cluster.send(
        "GET", "/api/v1/namespaces/default/events", fieldSelector="reason=FailedCreate"
    ).body["items"]
    assert "exceeded quota: q" in events[0]["message"]
    assert events[0]["involvedObject"]["name"] == "a"
    cluster.send("DELETE", "/api/v1/namespaces/default/resourcequotas/q")
    until(cluster, lambda: "Complete" in conditions(cluster, "a"), 60)


def test_a_finished_job_goes_after_its_time(cluster: Virtual) -> None:
    submit(cluster, "a", ttlSecondsAfterFinished=30, annotations={"run-s": "1"})
    until(cluster, lambda: "Complete" in conditions(cluster, "a"))
    cluster.sleep(25)
    assert cluster.send("GET", jobs_path("default", "a")).status == 200
    cluster.sleep(10)
    assert cluster.send("GET", jobs_path("default", "a")).status == 404
    assert pods(cluster, "a") == []


def test_the_background_deletion_of_a_running_job_ends_its_pods(cluster: Virtual) -> None:
    submit(cluster, "a", annotations={"run-s": "1000"})
    cluster.sleep(2)
    cluster.send("DELETE", jobs_path("default", "a"), {"propagationPolicy": "Background"})
    until(cluster, lambda: not pods(cluster, "a"))


def test_the_foreground_deletion_waits_for_the_pods(cluster: Virtual) -> None:
    submit(cluster, "a", annotations={"run-s": "1000", "stop-s": "10"})
    cluster.sleep(2)
    cluster.send("DELETE", jobs_path("default", "a"), {"propagationPolicy": "Foreground"})
    cluster.sleep(5)
    assert cluster.send("GET", jobs_path("default", "a")).body["metadata"]["finalizers"] == [
        "foregroundDeletion"
    ]
    cluster.sleep(10)
    assert cluster.send("GET", jobs_path("default", "a")).status == 404
    assert pods(cluster, "a") == []


def test_a_pod_that_is_killed_by_hand_is_a_failure(cluster: Virtual) -> None:
    submit(cluster, "a", backoffLimit=1, annotations={"run-s": "20"})
    cluster.sleep(2)
    cluster.send("DELETE", pods_path("default", pods(cluster, "a")[0]["metadata"]["name"]))
    until(cluster, lambda: "Complete" in conditions(cluster, "a"), 90)
    assert (status(cluster, "a")["failed"], status(cluster, "a")["succeeded"]) == (1, 1)


def test_an_evicted_pod_of_a_full_machine_has_failed(cluster: Virtual) -> None:
    submit(cluster, "a", annotations={"run-s": "20"})
    cluster.sleep(2)
    name = pods(cluster, "a")[0]["metadata"]["name"]
    cluster.cluster.kubelets.evict_pod(("default", name), cluster.now_ms)
    cluster._next_ms = cluster.cluster.step(cluster.now_ms)
    found = cluster.send("GET", pods_path("default", name)).body["status"]
    assert (found["phase"], found["reason"]) == ("Failed", "Evicted")
    until(cluster, lambda: "Failed" in conditions(cluster, "a"))


def test_logs_of_a_played_pod(cluster: Virtual) -> None:
    submit(cluster, "a", annotations={"run-s": "1", "log": "one\ntwo\nthree\n"})
    cluster.sleep(4)
    path = pods_path("default", pods(cluster, "a")[0]["metadata"]["name"], "log")
    assert cluster.send("GET", path).body == "one\ntwo\nthree\n"
    assert cluster.send("GET", path, tailLines="1").body == "three\n"


def test_a_container_that_fails_again_and_again_backs_off(cluster: Virtual) -> None:
    submit(
        cluster,
        "a",
        backoffLimit=6,
        pod_spec={"restartPolicy": "OnFailure"},
        annotations={"run-s": "1", "exit-code": "1"},
    )
    cluster.sleep(40)
    found = pods(cluster, "a")[0]["status"]["containerStatuses"][0]
    assert found["restartCount"] >= 2
    assert found["lastState"]["terminated"]["exitCode"] == 1
