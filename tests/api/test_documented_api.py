"""The API that Mimir documents: `/api/jobs`, its status names, and the call by which an attempt says that it has ended."""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from herder.wire.nesting import LEVELS_MAX
from tests.api.conftest import PlayedWorker, Server

#: Word for word as in the documentation, but for the amounts: the test's workers have two cores.
SUBMITTED: dict[str, Any] = {
    "type": "pipeline_execution",
    "pipeline_id": "sensor-data-pipeline",
    "project_id": "manufacturing-project",
    "parameters": {"input_data": "s3://bucket/sensor-data.csv", "output_format": "cir"},
    "resource_requirements": {"cpu": "2", "memory": "4Gi", "gpu": False},
}
TYPES = {
    "pipeline_execution": {"command": ["python", "pipeline.py"], "pool": "std"},
    "ml_training": {"command": ["python", "train.py"], "cpu": "100m", "memory": "64Mi", "pool": "std"},
}


@pytest.fixture
def calls(server: Server) -> Iterator[httpx.Client]:
    server.http.post("/apply", json={"pools": [], "sharing": {"job_types": TYPES}}).raise_for_status()
    for job in server.http.get("/jobs", params={"state": "ready"}).json()["items"]:
        server.http.post(f"/jobs/{job['id']}/cancel", json={}).raise_for_status()
    headers = {"Authorization": server.http.headers["authorization"]}
    base = str(server.http.base_url).removesuffix("/").removesuffix("/v1")
    with httpx.Client(base_url=base, headers=headers) as client:
        yield client


def submit(calls: httpx.Client, **more: Any) -> str:
    answer = calls.post("/jobs", json={**SUBMITTED, **more}).raise_for_status().json()
    assert answer["status"] == "queued"
    return str(answer["job_id"])


def variables(attempt: Any) -> dict[str, str]:
    found: dict[str, str] = msgspec.json.decode(bytes(attempt.payload))["env"]
    return found


def status(calls: httpx.Client, job: str) -> str:
    return str(calls.get(f"/jobs/{job}").raise_for_status().json()["status"])


def report(calls: httpx.Client, job: str, token: str, **body: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return calls.post(f"/jobs/{job}/complete", json=body, headers=headers)


def test_a_job_goes_through_the_documented_states(calls: httpx.Client, worker: PlayedWorker) -> None:
    job = submit(calls)
    found = calls.get(f"/jobs/{job}").json()
    assert found["task_spec"] == {key: SUBMITTED[key] for key in ("pipeline_id", "parameters")}
    assert (found["type"], found["project_id"], found["priority"]) == (
        "pipeline_execution",
        "manufacturing-project",
        1,
    )
    (attempt,) = worker.take(1)
    assert (attempt.cpu_milli, attempt.memory_mib) == (2000, 4096)
    worker.exchange()
    assert status(calls, job) == "spawned"
    worker.exchange(started=[(int(job), 1, 1)])
    assert status(calls, job) == "executing"
    found = variables(attempt)
    assert (found["JOB_ID"], found["PIPELINE_ID"]) == (job, "sensor-data-pipeline")
    assert msgspec.json.decode(found["JOB_SPEC"])["task_spec"]["parameters"] == SUBMITTED["parameters"]
    done = {"status": "completed", "output_location": f"s3://results/{job}/"}
    answer = report(calls, job, found["ACCESS_TOKEN"], **done)
    assert (answer.status_code, answer.json()) == (200, {"job_id": job, "status": "completed"})
    found = calls.get(f"/jobs/{job}").json()
    assert (found["status"], found["output_location"]) == ("completed", f"s3://results/{job}/")
    assert [int(job), 1] in [list(each) for each in worker.exchange().cancel], "what still runs is stopped"
    worker.end(int(job), state="failed", exit_code=137, cause="exit_code")
    assert status(calls, job) == "completed", "what the worker says later changes nothing"


def test_only_the_token_of_the_attempt_ends_it(
    calls: httpx.Client, worker: PlayedWorker, server: Server
) -> None:
    job, other = submit(calls, type="ml_training", resource_requirements={}), "999999"
    (attempt,) = worker.take(1)
    token = variables(attempt)["ACCESS_TOKEN"]
    admin = server.http.headers["authorization"].removeprefix("Bearer ")
    for wrong in (
        "none",
        "x",
        admin,
        token[:-1] + ("0" if token[-1] != "0" else "1"),
        token.replace("-1-", "-2-"),
    ):
        answer = report(calls, job, wrong, status="completed")
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), wrong
    assert report(calls, other, token, status="completed").status_code == 401
    answer = report(calls, job, token, status="done")
    assert (answer.status_code, answer.json()["field"]) == (422, "status")
    assert status(calls, job) in ("scheduled", "spawned"), "nothing has changed"
    assert server.http.get("/jobs", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    worker.end(int(job))


def test_a_report_is_answered_again_and_one_of_an_old_attempt_changes_nothing(
    calls: httpx.Client, worker: PlayedWorker, server: Server
) -> None:
    job = submit(calls, type="ml_training", resource_requirements={})
    (attempt,) = worker.take(1)
    token = variables(attempt)["ACCESS_TOKEN"]
    for _ in range(2):
        assert report(calls, job, token, status="completed").status_code == 200
    answer = report(calls, job, token, status="failed")
    assert answer.status_code == 409
    assert "has ended" in answer.json()["detail"]
    server.restart()
    base = str(server.http.base_url).removesuffix("/").removesuffix("/v1")
    with httpx.Client(base_url=base) as again:
        assert report(again, job, token, status="completed").status_code == 200
        assert report(again, job, token, status="failed").status_code == 409
    assert server.http.get("/invariants").json() == {"violations": []}


@pytest.mark.parametrize("levels", [LEVELS_MAX + 1, 500])
def test_a_report_nested_too_deeply_is_refused_and_changes_nothing(
    calls: httpx.Client, worker: PlayedWorker, levels: int
) -> None:
    """Some readers of JSON would crash. The report itself is a level."""
    job = submit(calls, type="ml_training", resource_requirements={})
    (attempt,) = worker.take(1)
    token = variables(attempt)["ACCESS_TOKEN"]
    answer = report(calls, job, token, status="completed", metadata=nested(levels - 1))
    assert (answer.status_code, answer.json()["field"]) == (422, "metadata")
    assert f"nested more than {LEVELS_MAX} levels deep" in answer.json()["detail"]
    assert status(calls, job) in ("scheduled", "spawned"), "nothing has changed"
    assert report(calls, job, token, status="completed", metadata=nested(LEVELS_MAX - 1)).status_code == 200
    assert status(calls, job) == "completed"


def nested(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(levels - 1):
        made = {"a": made}
    return made


def test_a_failure_has_its_message_and_a_job_past_its_time_limit_its_status(
    calls: httpx.Client, worker: PlayedWorker
) -> None:
    failed, late = (submit(calls, type="ml_training", resource_requirements={}) for _ in range(2))
    attempts = {str(each.job): each for each in worker.take(2)}
    token = variables(attempts[failed])["ACCESS_TOKEN"]
    assert report(calls, failed, token, status="failed", error_message="no data").status_code == 200
    worker.end(int(late), state="failed", cause="timeout", message="It ran too long.")
    found = calls.get(f"/jobs/{failed}").json()
    assert (found["status"], found["error_message"]) == ("failed", "no data")
    assert status(calls, late) == "timeout"
    cancelled = submit(calls, type="ml_training", resource_requirements={"cpu": "2"})
    listed = calls.get("/jobs", params={"limit": 1}).json()
    assert [each["job_id"] for each in listed["jobs"]] == [cancelled]


def test_bad_input_names_its_field_and_the_same_request_again_makes_one_job(calls: httpx.Client) -> None:
    for body, field in (
        ({"type": "unknown"}, "type"),
        ({"type": ""}, "type"),
        ({"resource_requirements": {"cpu": "many"}}, "cpu"),
        ({"resource_requirements": {"cores": 2}}, "resource_requirements"),
        ({"parameters": []}, "parameters"),
        ({"project_id": ""}, "project"),
    ):
        answer = calls.post("/jobs", json={**SUBMITTED, **body})
        assert answer.status_code == 422, body
        assert field in answer.json()["field"] + answer.json()["detail"], answer.json()
    assert httpx.post(f"{calls.base_url}jobs", json=SUBMITTED).status_code == 401
    assert calls.get("/jobs/nobody").status_code == calls.get("/jobs/99999999").status_code == 404
    keyed = {"headers": {"Idempotency-Key": "record-1"}, "json": SUBMITTED}
    assert len({calls.post("/jobs", **keyed).raise_for_status().json()["job_id"] for _ in range(3)}) == 1
