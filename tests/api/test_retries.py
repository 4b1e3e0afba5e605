"""`on_retry`: more memory after out of memory, and what people are shown of it."""

from typing import Any

import httpx
import pytest

from herder.wire.api.work import OnRetry
from herder.wire.worker.exchange import Finished
from tests.api.conftest import PlayedWorker, Refusal, Server

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
