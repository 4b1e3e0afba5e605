"""What goes wrong with a worker's Job and pod, and what the driver says of it: the error of a creation, or why a machine has ended."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from herder.drivers.kubernetes_jobs import KubernetesJobsDriver
from herder.drivers.kubernetes_jobs.names import job_name
from herder.model.fleet.creation import Step
from herder.model.fleet.driver import (
    DriverError,
    InvalidRequest,
    Machine,
    MachineEnd,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    Phase,
    QuotaExceeded,
    RateLimited,
    Unauthorised,
    Unavailable,
)
from herder.model.ids import WorkerName
from herder.testing.kubernetes import ClusterSettings
from tests.drivers.kubernetes_jobs.lab import INSTALLATION, NAMESPACE, Lab, spec, start

W = WorkerName("pool-1-0")
JOB = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs/{job_name(INSTALLATION, W)}"


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab(ClusterSettings(job_pod_runs_ms=3_600_000, job_batch_ms=1))
    yield made
    made.close()


def error_of(ask: Callable[[], object]) -> DriverError:
    with pytest.raises(DriverError) as caught:
        ask()
    return caught.value


def failing(lab: Lab, driver: KubernetesJobsDriver) -> DriverError:
    """The error that the creation ends with, when it comes."""

    def look() -> DriverError | None:
        try:
            driver.get(W)
        except DriverError as error:
            return error
        return None

    found: DriverError = lab.until(look)
    return found


def stopped(lab: Lab, driver: KubernetesJobsDriver) -> Machine:
    """The machine, once `get` and `list` both call it over and agree: between the two the pod may go, and the Job's words take the place of its own."""

    def look() -> Machine | None:
        machine = driver.get(W)
        over = machine.phase in (Phase.STOPPED, Phase.FAILED)
        return machine if over and [each for each in driver.list() if each.worker == W] == [machine] else None

    found: Machine = lab.until(look)
    return found


def running(lab: Lab, driver: KubernetesJobsDriver) -> Machine:
    driver.create(spec(), start())
    return lab.until_phase(driver, W, Phase.RUNNING)


# --- never runs


def test_an_image_that_cannot_be_pulled_is_an_invalid_request_after_a_while(lab: Lab) -> None:
    driver = lab.driver(image="missing/herder:9")
    driver.create(spec(), start())
    lab.until(lambda: "cannot be pulled" in driver.get(W).detail)
    waiting = driver.get(W)
    assert (waiting.phase, waiting.step) == (Phase.CREATING, Step.START)
    lab.jump(46_000)
    error = failing(lab, driver)
    assert type(error) is InvalidRequest
    assert str(error).startswith("Image missing/herder:9 of worker pool-1-0 cannot be pulled: ")
    assert "not found" in str(error)
    assert driver.list().machines[0].phase is Phase.CREATING, "a listing raises nothing for one of many"


def test_a_pod_that_no_node_can_take_is_out_of_capacity_after_a_while(lab: Lab) -> None:
    driver = lab.driver(node_selector="disk=ssd")
    driver.create(spec(zone="a"), start())
    lab.until(lambda: "No node can take" in driver.get(W).detail)
    assert driver.get(W).step is Step.CREATE
    lab.jump(61_000)
    error = failing(lab, driver)
    assert isinstance(error, OutOfCapacity)
    assert error.zone == "a"
    assert "0/1 nodes are available" in str(error)


def quota(lab: Lab, **hard: str) -> None:
    body = {"metadata": {"name": "team"}, "spec": {"hard": hard}, "status": {"hard": hard, "used": {}}}
    objects = [{"apiVersion": "v1", "kind": "ResourceQuota", **body}]
    objects[0]["metadata"] = {"name": "team", "namespace": NAMESPACE}
    lab.do(lambda cluster, now_ms: cluster.load(objects, now_ms))


def test_a_quota_is_looked_at_before_anything_is_made(lab: Lab) -> None:
    quota(lab, **{"requests.memory": "500Mi"})
    driver = lab.driver()
    error = error_of(lambda: driver.create(spec(), start()))
    assert isinstance(error, QuotaExceeded)
    assert str(error) == (
        "Quota team of namespace herder does not allow one more worker: requests.memory is 0 of 500Mi, and 576Mi more is needed."
    )
    assert lab.of_worker(W) == []
    (limit,) = driver.quotas()
    assert (limit.name, limit.limit, limit.used) == ("team/requests.memory", 500 * 2**20, 0)


def test_a_quota_that_refuses_the_pod_shows_in_the_events_of_the_job(lab: Lab) -> None:
    """Somebody else was faster: the check before has passed."""
    quota(lab, pods="0")
    driver = lab.driver()
    driver._api.quotas = list
    driver.create(spec(), start())
    error = failing(lab, driver)
    assert isinstance(error, QuotaExceeded)
    assert "exceeded quota: team, requested: pods=1" in str(error)


@pytest.mark.parametrize("path", ["/jobs$", "/secrets/", "/jobs/"])
def test_what_is_refused_leaves_nothing(lab: Lab, path: str) -> None:
    method = "POST" if path == "/jobs$" else "PATCH"
    lab.rule(path=path, method=method, status=422)
    error = error_of(lambda: lab.driver().create(spec(), start()))
    assert type(error) is InvalidRequest
    assert lab.of_worker(W) == []


def test_a_namespace_that_is_missing_is_named(lab: Lab) -> None:
    error = error_of(lambda: lab.driver(namespace="nowhere").create(spec(), start()))
    assert type(error) is InvalidRequest
    assert 'Namespaces "nowhere" not found' in str(error)


def test_a_pool_without_one_job_per_worker_is_told_so(lab: Lab) -> None:
    error = error_of(lambda: lab.driver().create(spec(slots=110), start()))
    assert str(error) == (
        "Driver jobs makes a worker for one job, but template small has 110 slots. Set one_job_per_worker: true in pool pool."
    )
    assert isinstance(error_of(lambda: lab.driver().create(spec(spot=True), start())), InvalidRequest)


# --- ends


def terminate(lab: Lab, reason: str, code: int) -> None:
    """The container of the pod ends, as its kubelet says it."""

    def end(cluster: Any, now_ms: int) -> None:
        from herder.testing.kubernetes.kubelets import statuses
        from herder.testing.kubernetes.objects.resources import PODS

        (pod,) = [
            each.decode()
            for each in cluster.store.all(PODS, NAMESPACE)
            if each.key[1].startswith(job_name(INSTALLATION, W))
        ]
        state = statuses.terminated(code, reason, now_ms, now_ms)
        cluster.store.put(PODS, {**pod, "status": statuses.ended(pod, state, now_ms)})

    lab.do(end)


def test_a_pod_that_used_too_much_memory_says_so(lab: Lab) -> None:
    driver = lab.driver()
    running(lab, driver)
    terminate(lab, "OOMKilled", 137)
    machine = stopped(lab, driver)
    assert (machine.end, machine.phase) == (MachineEnd.OUT_OF_MEMORY, Phase.STOPPED)
    assert "OOMKilled" in machine.detail


def test_an_agent_that_fails_says_with_which_code(lab: Lab) -> None:
    driver = lab.driver()
    running(lab, driver)
    terminate(lab, "Error", 6)
    machine = stopped(lab, driver)
    assert (machine.end, machine.detail) == (None, "Its agent has ended with exit code 6.")


def test_no_second_pod_is_made(lab: Lab) -> None:
    driver = lab.driver()
    running(lab, driver)
    terminate(lab, "Error", 1)
    lab.until(
        lambda: any(each["type"] == "Failed" for each in lab.ask("GET", JOB)[1]["status"]["conditions"])
    )
    lab.jump(20_000)
    assert len(lab.items("v1/pods")) == 1


def test_an_evicted_pod_was_preempted(lab: Lab) -> None:
    driver = lab.driver()
    running(lab, driver)
    name = lab.pod(W)["metadata"]["name"]
    lab.do(lambda cluster, now_ms: cluster.kubelets.evict_pod((NAMESPACE, name), now_ms))
    machine = stopped(lab, driver)
    assert machine.end is MachineEnd.PREEMPTED
    assert "low on resource: memory" in machine.detail


def test_a_pod_that_a_drain_evicts_was_preempted(lab: Lab) -> None:
    driver = lab.driver()
    running(lab, driver)
    name = lab.pod(W)["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
    lab.ask("POST", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction", body)
    assert stopped(lab, driver).end is MachineEnd.PREEMPTED
    lab.jump(40_000)
    lab.until(lambda: not lab.items("v1/pods"))
    machine = stopped(lab, driver)
    assert (machine.end, machine.phase) == (MachineEnd.PREEMPTED, Phase.STOPPED)


def test_a_pod_that_somebody_deletes_is_a_machine_that_stopped(lab: Lab) -> None:
    driver = lab.driver()
    running(lab, driver)
    name = lab.pod(W)["metadata"]["name"]
    lab.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}", gracePeriodSeconds="0")
    lab.until(lambda: not lab.items("v1/pods"))
    machine = stopped(lab, driver)
    assert machine.end is None
    assert machine.detail.startswith("Its pod no longer exists")


def test_a_job_beyond_its_deadline_timed_out(lab: Lab) -> None:
    driver = lab.driver(active_deadline_s=60)
    running(lab, driver)
    lab.jump(61_000)
    machine = stopped(lab, driver)
    assert machine.end is MachineEnd.TIMEOUT


def test_a_job_that_kubernetes_has_removed_is_gone(lab: Lab) -> None:
    driver = lab.driver()
    running(lab, driver)
    terminate(lab, "Completed", 0)
    assert stopped(lab, driver).end is None
    lab.until(lambda: "completionTime" in lab.ask("GET", JOB)[1]["status"])
    lab.jump(301_000)
    lab.until(lambda: lab.of_worker(W) == [])
    with pytest.raises(NotFound):
        driver.get(W)


# --- interrupted, repeated, foreign


def test_an_interrupted_creation_goes_on_and_an_answer_that_was_lost_is_met_again(lab: Lab) -> None:
    driver = lab.driver()
    lab.rule(path="/secrets/", method="PATCH", status=503)
    assert type(error_of(lambda: driver.create(spec(), start()))) is Unavailable
    assert [(each.worker, each.phase) for each in driver.list()] == [(W, Phase.CREATING)]
    with pytest.raises(NotFound):  # so that the creation is called again, also by another process
        driver.get(W)
    lab.rule(path="/secrets/", method="PATCH", lose_answer=True)
    assert isinstance(error_of(lambda: driver.create(spec(), start())), OutcomeUnknown)
    assert driver.create(spec(), start()).phase is Phase.CREATING
    lab.until_phase(driver, W, Phase.RUNNING)
    (job,) = lab.items("batch/v1/jobs")
    (secret,) = lab.items("v1/secrets")
    assert [each["uid"] for each in secret["metadata"]["ownerReferences"]] == [job["metadata"]["uid"]]


def test_the_answer_to_the_job_itself_may_be_lost(lab: Lab) -> None:
    driver = lab.driver()
    lab.rule(path="/jobs$", method="POST", lose_answer=True)
    assert driver.create(spec(), start()).phase is Phase.CREATING
    lab.until_phase(driver, W, Phase.RUNNING)
    assert len(lab.items("batch/v1/jobs")) == 1


def test_a_removal_takes_the_secret_and_waits_for_the_pod(lab: Lab) -> None:
    driver = lab.driver(annotations="testing.herder.dev/stop-s=20")
    running(lab, driver)
    machine = driver.delete(W)
    assert (machine.phase, bool(machine.operation)) == (Phase.STOPPING, True)
    assert lab.items("batch/v1/jobs") == lab.items("v1/secrets") == []
    lab.until(lambda: driver.get(W).phase is Phase.STOPPING)
    assert [each.phase for each in driver.list()] == [Phase.STOPPING]
    lab.jump(25_000)
    lab.until(lambda: lab.of_worker(W) == [])
    with pytest.raises(NotFound):
        driver.get(W)
    assert driver.list().machines == ()


@pytest.mark.parametrize(
    ("status", "kind"), [(429, RateLimited), (503, Unavailable), (500, Unavailable), (401, Unauthorised)]
)
def test_what_the_api_answers_instead(lab: Lab, status: int, kind: type[DriverError]) -> None:
    driver = lab.driver()
    lab.rule(path="/jobs", method="GET", status=status, retry_after_s=7, times=2)
    error = error_of(driver.list)
    assert type(error) is kind
    if isinstance(error, RateLimited):
        assert error.retry_after_s == 7
    lab.do(lambda cluster, _: cluster.faults.clear())
    assert driver.list().machines == ()


def test_wrong_credentials_are_unauthorised(lab: Lab) -> None:
    error = error_of(lab.driver(token="of-nobody").health)
    assert type(error) is Unauthorised
    assert "refuses the credentials" in str(error)


def test_several_clusters_at_once(lab: Lab) -> None:
    other = Lab(ClusterSettings(job_pod_runs_ms=3_600_000))
    try:
        here, there = lab.driver(), other.driver()
        here.create(spec("pool-1-0"), start())
        there.create(spec("pool-1-1"), start())
        other.stop()
        assert [each.worker for each in here.list()] == ["pool-1-0"]
        assert isinstance(error_of(there.list), Unavailable)
    finally:
        other.close()


def test_two_names_that_look_alike_to_kubernetes_are_two_jobs(lab: Lab) -> None:
    names = ("Pool_1-0", "pool-1-0", "p" * 200 + "-1", "p" * 200 + "-2", "wörker")
    driver = lab.driver()
    for name in names:
        driver.create(spec(name), start())
    assert sorted(each.worker for each in driver.list()) == sorted(names)
    for name in names:
        lab.until_phase(driver, name, Phase.RUNNING)
        driver.delete(WorkerName(name))


def test_the_console_is_the_log_of_the_pod(lab: Lab) -> None:
    driver = lab.driver(annotations="testing.herder.dev/log=hello", console_most_bytes=1024)
    running(lab, driver)
    assert driver.console(W) == "hello"
