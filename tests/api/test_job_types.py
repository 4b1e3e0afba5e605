"""Job types, in a running server: defaults, limits over the whole server, and what an attempt of a typed job finds."""

from typing import Any

import httpx
import pytest
from msgspec import json as codec

from herder.wire.worker.exchange import Finished
from tests.api.conftest import PlayedWorker, Refusal, Server

TYPES: dict[str, Any] = {
    "ml_training": {"max_concurrent": 2, "cpu": "200m", "memory": "64Mi", "command": ["python", "train.py"]},
    "report": {"env": {"FORMAT": "pdf", "LANG": "C"}, "timeout": "5m", "retries": 2, "pool": "std"},
}


@pytest.fixture(autouse=True)
def types(api: httpx.Client) -> None:
    apply(api, job_types=TYPES, fair_share={}, priority_classes={}, projects={}, users={})
    for job in api.get("/jobs", params={"state": "ready"}).json()["items"]:
        api.post(f"/jobs/{job['id']}/cancel", json={}).raise_for_status()


def apply(api: httpx.Client, **sections: Any) -> None:
    api.post("/apply", json={"pools": [], "sharing": sections}).raise_for_status()


def submit(api: httpx.Client, **job: Any) -> int:
    made: int = api.post("/jobs", json=job).raise_for_status().json()["first_job"]
    return made


def test_what_a_job_does_not_say_comes_from_its_type(api: httpx.Client) -> None:
    job = api.get(f"/jobs/{submit(api, type='ml_training', pool='std')}").json()
    assert (job["type"], job["priority"], job["cpu_milli"], job["memory_mib"]) == ("ml_training", 3, 200, 64)
    assert job["payload"]["command"] == ["python", "train.py"]
    own = {"command": ["make"], "cpu": "300m", "env": {"LANG": "de"}, "priority": -1}
    job = api.get(f"/jobs/{submit(api, type='report', **own)}").json()
    assert (job["priority"], job["cpu_milli"], job["pool"]) == (-1, 300, "std")
    assert job["payload"]["env"] == {"FORMAT": "pdf", "LANG": "de"}


def test_an_unknown_type_is_refused_with_the_known_ones(api: httpx.Client, refused: Refusal) -> None:
    said = refused(422, "POST", "/jobs", json={"type": "training", "command": ["true"]})
    assert (said["field"], said["detail"]) == ("type", "There is no job type 'training'.")
    assert said["hint"] == "Job types are ml_training, report."
    said = refused(422, "POST", "/batches", json={"jobs": [{"type": "report"}]})
    assert said["field"] == "jobs[0].command", "a type without a command needs one"
    apply(api, job_types={})
    said = refused(422, "POST", "/jobs", json={"type": "report", "command": ["true"]})
    assert "defined under `job_types` in herder.yaml" in said["hint"]


def test_what_is_wrong_in_the_type_is_told_of_the_type(api: httpx.Client, refused: Refusal) -> None:
    apply(api, job_types={"boxed": {"image": "debian:12"}, "huge": {"command": ["a"], "cpu": 999}})
    said = refused(422, "POST", "/jobs", json={"type": "boxed"})
    assert said["field"] == "type"
    assert said["hint"].startswith("The image is that of job type boxed. Set containers: true on a pool")
    assert refused(422, "POST", "/jobs", json={"type": "huge"})["field"] == "type"
    assert refused(422, "POST", "/jobs", json={"type": "huge", "cpu": 998})["field"] == "cpu"
    assert refused(422, "POST", "/jobs", json={"image": "debian:12"})["field"] == "image"


def test_so_many_of_a_type_run_over_the_whole_server(api: httpx.Client, worker: PlayedWorker) -> None:
    made = [submit(api, type="ml_training", pool="std", project=f"p{n}") for n in range(4)]
    other = submit(api, command=["true"], pool="std")
    taken = {each.job for each in worker.take(3)}
    assert taken == {made[0], made[1], other}
    view = next(each for each in api.get("/job-types").json()["items"] if each["name"] == "ml_training")
    assert (view["running_jobs"], view["queued_jobs"], view["may_start"]) == (2, 2, 0)
    said = api.get(f"/jobs/{made[2]}/explain").json()
    assert "for job type ml_training: 2 of its jobs run or may start" in said["summary"]
    worker.end(other)
    done = Finished(job=made[0], attempt=1, state="succeeded", started_at_ms=1, ended_at_ms=2**53)
    came = worker.exchange(finished=[done]).assign or worker.take(1)
    assert [each.job for each in came] == [made[2]]
    apply(api, job_types={**TYPES, "ml_training": {**TYPES["ml_training"], "max_concurrent": None}})
    assert [each.job for each in worker.take(1)] == [made[3]], "a change holds at once"
    for job in made[1:]:
        worker.end(job)


def test_the_slots_hold_over_a_restart(server: Server, worker: PlayedWorker) -> None:
    api = server.http
    slots = {"job_types": {"slots": 2}}
    apply(api, job_types={"report": {"resource_weight": 1.5, "command": ["true"]}}, fair_share=slots)
    made = [submit(api, type="report", pool="std", cpu="10m") for _ in range(2)]
    assert [each.job for each in worker.take(1)] == [made[0]]
    server.restart()
    state = server.running.core.state
    assert (state.sharing.job_slots, dict(state.running_types)) == (2, {"report": 1})
    said = server.http.get(f"/jobs/{made[1]}/explain").json()
    assert "each job of type report takes 1.5, and 1.5 of 2 are in use" in said["summary"]


def test_a_job_is_submitted_again_with_its_type_by_whoever_may_submit(
    api: httpx.Client, worker: PlayedWorker
) -> None:
    made = submit(api, type="ml_training", pool="std")
    worker.take(1)
    worker.end(made)
    again = api.post(f"/jobs/{made}/retry").raise_for_status().json()["first_job"]
    job = api.get(f"/jobs/{again}").json()
    assert (job["type"], job["priority"], job["payload"]["command"]) == (
        "ml_training",
        3,
        ["python", "train.py"],
    )
    worker.take(1)
    worker.end(again)


def test_an_attempt_of_a_typed_job_finds_the_documented_variables(
    api: httpx.Client, worker: PlayedWorker, server: Server
) -> None:
    made = submit(api, type="report", command=["true"], project="maps")
    (attempt,) = worker.take(1)
    found = codec.decode(bytes(attempt.payload))["env"]
    token = found.pop("ACCESS_TOKEN")
    assert found == {
        "JOB_ID": str(made),
        "JOB_TYPE": "report",
        "PROJECT_ID": "maps",
        "ORCHESTRATOR_URL": server.running.core.settings.server_url,
        "FORMAT": "pdf",
        "LANG": "C",
    }
    assert token.startswith(f"attempt-{made}-1-")
    assert token not in api.get(f"/jobs/{made}").text, "it is shown to nobody"
    worker.end(made)
    plain = submit(api, command=["true"], pool="std")
    (attempt,) = worker.take(1)
    assert "env" not in codec.decode(bytes(attempt.payload)), "a job without a type finds what it sent"
    worker.end(plain)
