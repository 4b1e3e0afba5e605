"""`on_retry`: more memory after out of memory, and what people are shown of it."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.wire.api.work import OnRetry
from herder.wire.worker.exchange import Finished
from tests.api.conftest import POOLS, PlayedWorker, Refusal, Server

JOB: dict[str, Any] = {"runtime": "noop", "pool": "std", "memory": "1Gi"}
OUT_OF_MEMORY: dict[str, Any] = {
    "state": "failed",
    "cause": "out_of_memory",
    "message": "It used 1030 MiB.",
    "memory_peak_mib": 1030,
}


def submitted(api: httpx.Client, **on_retry: Any) -> int:
    answer = api.post("/jobs", json={**JOB, "on_retry": on_retry}).raise_for_status()
    return int(answer.json()["first_job"])


def end(worker: PlayedWorker, job: int, attempt: int = 1, **how: Any) -> list[Any]:
    """What the answer gives it to do next."""
    return worker.exchange(
        finished=[Finished(job=job, attempt=attempt, started_at_ms=1, ended_at_ms=2**53, **how)]
    ).assign


def why(api: httpx.Client, job: int) -> list[str]:
    facts = api.get(f"/jobs/{job}/explain").raise_for_status().json()["facts"]
    return [each["text"].partition("Z ")[2] for each in facts if each["kind"].startswith("memory_")]


def test_more_memory_is_shown_wherever_people_look(api: httpx.Client, worker: PlayedWorker) -> None:
    job = submitted(api, memory_factor=2, memory_max="64Gi")
    (assignment,) = worker.take()
    for attempt, mib in ((1, 1024), (2, 2048), (3, 4096)):
        assert (assignment.job, assignment.attempt, assignment.memory_mib) == (job, attempt, mib)
        assignment = next(iter(end(worker, job, attempt, **OUT_OF_MEMORY)), None)
    assert assignment is None
    shown = api.get(f"/jobs/{job}").raise_for_status().json()
    assert (shown["state"], shown["cause"], shown["memory_mib"]) == ("failed", "out_of_memory", 4096)
    assert [each["memory_mib"] for each in shown["history"]] == [1024, 2048, 4096]
    costs = [float(each["cost_usd"]) for each in shown["history"]]
    assert all(costs)
    raised = [
        f"Job {job} ran out of memory with 1 GiB, so its next attempt requests 2 GiB.",
        f"Job {job} ran out of memory with 2 GiB, so its next attempt requests 4 GiB.",
        f"Job {job} ran out of memory with 4 GiB, as much as the largest worker for it has, so it is not tried again.",
    ]
    assert why(api, job) == raised
    events = api.get(f"/events?object=job/{job}").raise_for_status().json()["items"]
    assert [each["text"] for each in events] == raised


def test_a_job_that_grew_is_held_released_and_cancelled_where_it_is(
    server: Server, api: httpx.Client, worker: PlayedWorker
) -> None:
    job = submitted(api, memory_factor=2)
    worker.take()
    api.post(f"/workers/{worker.name}/cordon", json={}).raise_for_status()
    worker.end(job, **OUT_OF_MEMORY)
    assert api.get(f"/jobs/{job}").json()["memory_mib"] == 2048
    for verb, state in (("hold", "held"), ("release", "ready"), ("cancel", "cancelled")):
        api.post(f"/jobs/{job}/{verb}", json={}).raise_for_status()
        assert api.get(f"/jobs/{job}").json()["state"] == state
    assert not server.running.core.state.retried_as


def test_a_job_that_is_submitted_again_asks_for_what_it_had_at_last(
    api: httpx.Client, worker: PlayedWorker
) -> None:
    job = submitted(api, memory_factor=2, memory_max="3Gi", on_demand_after=2)
    worker.take()
    (second,) = end(worker, job, **OUT_OF_MEMORY)
    assert end(worker, job, second.attempt, state="failed", cause="exit_code", exit_code=1) == []
    again = api.post(f"/jobs/{job}/retry", json={}).raise_for_status().json()["first_job"]
    (assignment,) = worker.take()
    assert (assignment.job, assignment.memory_mib) == (again, 2048)
    (assignment,) = end(worker, again, **OUT_OF_MEMORY)
    assert assignment.memory_mib == 3072
    end(worker, again, 2, state="succeeded")


@pytest.mark.parametrize(
    ("on_retry", "field", "words"),
    [
        ({"memory_factor": 0.5}, "memory_factor", "memory_factor 0.5 is not between 1.1 and 100."),
        ({"memory_factor": 1e9}, "memory_factor", "not between"),
        (
            {"memory_factor": 2, "memory_max": "512Mi"},
            "memory_max",
            "memory_max is 512 MiB, but the job requests 1 GiB of memory at first.",
        ),
        ({"memory_factor": 2, "memory_max": "much"}, "memory_max", "'much' is not a size"),
        ({"memory_max": "64Gi"}, "memory_max", "memory_max has no effect without memory_factor."),
        ({"on_demand_after": 0}, "on_demand_after", "0 is not between 1 and 1000."),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(
    refused: Refusal, on_retry: dict[str, Any], field: str, words: str
) -> None:
    body = refused(422, "POST", "/jobs", json={**JOB, "on_retry": on_retry})
    assert body["field"] == f"on_retry.{field}"
    assert words in body["detail"]


def test_a_class_is_told_from_others_by_it(server: Server, api: httpx.Client) -> None:
    jobs = [submitted(api, memory_factor=factor) for factor in (2, 3, 2)]
    of = [api.get(f"/jobs/{job}").json()["memory_mib"] for job in jobs]
    assert of == [1024, 1024, 1024]
    known = server.running.core.state.classes.values()
    assert {each.retry.memory_factor for each in known} >= {2.0, 3.0}
    assert hash(OnRetry(memory_factor=2)) == hash(OnRetry(memory_factor=2.0))
    for job in jobs:
        api.post(f"/jobs/{job}/cancel", json={}).raise_for_status()


PROFILE: dict[str, Any] = {**JOB, "on_retry": {"memory_factor": 2}}


def test_memory_is_learned_from_jobs_of_the_same_profile(tmp_path: Path) -> None:
    made = Server(tmp_path).start()
    made.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    worker = made.worker()

    def run(name: str, peak_mib: int | None) -> int:
        """What it requests; it uses so much, or waits."""
        body = {**PROFILE, "memory_profile": name}
        job = made.http.post("/jobs", json=body).raise_for_status().json()["first_job"]
        if peak_mib is not None:
            worker.take()
            end(worker, job, state="succeeded", memory_peak_mib=peak_mib)
        return int(made.http.get(f"/jobs/{job}").json()["memory_mib"])

    assert [run("align", peak) for peak in (200, 250, 0, 230)] == [1024] * 4, "0: it is not known"
    assert run("align", 100) == 320, "20 % above 250 MiB, in steps"
    assert run("other", 100) == 1024
    worker.close()
    made.http.post(f"/workers/{worker.name}/cordon", json={}).raise_for_status()
    made.restart()
    made.http.post("/pools/std/freeze", json={}).raise_for_status()
    assert run("align", None) == 320, "also after a restart"
    (job, *_) = made.http.get("/jobs?state=ready").json()["items"]
    facts = made.http.get(f"/jobs/{job['id']}/explain").json()["facts"]
    assert [each["text"] for each in facts if each["kind"] == "memory_profile"] == [
        "The last 4 successful attempts with the memory profile align used at most 250 MiB; jobs that are submitted now request 320 MiB."
    ]
    made.stop()


def test_a_profile_needs_a_factor(refused: Refusal) -> None:
    body = refused(422, "POST", "/jobs", json={**JOB, "memory_profile": "align"})
    assert body["field"] == "memory_profile"
    assert "needs memory_factor" in body["detail"]
