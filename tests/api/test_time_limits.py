"""Deadlines and queue time-outs over HTTP: what is taken, what is refused, and what a job looks like afterwards."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from herder.cli.input.attached_files import Inputs
from herder.cli.input.job_rows import job_of
from tests.api.conftest import POOLS, PlayedWorker, Refusal, Server

JOB = {"runtime": "noop", "pool": "std"}


def submitted(api: httpx.Client, **more: object) -> int:
    return int(api.post("/jobs", json={**JOB, **more}).raise_for_status().json()["first_job"])


def waited(api: httpx.Client, job: int) -> dict[str, object]:
    return dict(api.get(f"/jobs/{job}/wait", params={"timeout_s": 30}).raise_for_status().json())


def test_a_job_that_waits_is_cancelled_at_its_deadline(api: httpx.Client) -> None:
    job = submitted(api, deadline="+1s", cpu=2)
    view = api.get(f"/jobs/{job}").json()
    assert view["deadline"].endswith(".000Z"), "a relative deadline is rounded up to a second"
    ended = waited(api, job)
    assert (ended["state"], ended["cause"]) == ("cancelled", "deadline")


def test_a_job_that_runs_is_stopped_at_its_deadline(api: httpx.Client, worker: PlayedWorker) -> None:
    job = submitted(api, deadline="+3s")
    worker.take()
    for _ in range(200):
        answer = worker.exchange(wait=True)
        if answer.cancel:
            break
    worker.end(job, state="cancelled", cause="cancelled")
    ended = waited(api, job)
    assert (ended["state"], ended["cause"]) == ("cancelled", "deadline")


def test_a_job_that_finds_no_worker_fails_after_its_queue_timeout(server: Server) -> None:
    server.http.post("/pools/std/freeze", json={}).raise_for_status()
    try:
        job = submitted(server.http, queue_timeout_s=1.0)
        other = submitted(server.http)
        ended = waited(server.http, job)
        assert (ended["state"], ended["cause"]) == ("failed", "queue_timeout")
        (event,) = server.http.get("/events", params={"object": f"job/{job}"}).json()["items"]
        assert event["text"] == f"Job {job} failed: no worker was found within 1 s (queue_timeout)."
        server.http.post(f"/jobs/{other}/cancel", json={}).raise_for_status()
    finally:
        server.http.post("/pools/std/unfreeze", json={}).raise_for_status()


def test_a_deadline_is_a_time_with_a_zone_in_the_future(api: httpx.Client, refused: Refusal) -> None:
    for text in ("tomorrow", "2030-01-01T00:00:00", "+2", "+-2h", "+", "2h", "+0s", "9" * 100, "+11y"):
        problem = refused(422, "POST", "/jobs", json={**JOB, "deadline": text})
        assert (problem["field"], problem["detail"]) == ("deadline", f"{text[:50]!r} is not a deadline.")
        assert "+2h" in problem["hint"]
    for text, says in (
        ("2020-01-01T00:00:00Z", "The deadline 2020-01-01T00:00:00.000Z has passed."),
        ("+9000h", "The deadline is more than 366 days away."),
    ):
        problem = refused(422, "POST", "/jobs?dry_run=true", json={**JOB, "deadline": text})
        assert problem["detail"].endswith(says)
    body = {"jobs": [JOB, {**JOB, "deadline": "never"}]}
    assert refused(422, "POST", "/batches", json=body)["field"] == "jobs[1].deadline"
    for seconds in (0, -1, 0.5, 1e12):
        problem = refused(422, "POST", "/jobs", json={**JOB, "queue_timeout_s": seconds})
        assert problem["field"] == "queue_timeout_s"


def test_zones_of_deadlines(api: httpx.Client) -> None:
    at = (datetime.now(UTC) + timedelta(hours=5)).replace(microsecond=0)
    job = submitted(api, deadline=at.isoformat().replace("+00:00", "Z"))
    east = at.astimezone(datetime.strptime("+0130", "%z").tzinfo)
    same = submitted(api, deadline=east.isoformat())
    views = [api.get(f"/jobs/{number}").json() for number in (job, same)]
    assert {view["deadline"] for view in views} == {f"{at:%Y-%m-%dT%H:%M:%S}.000Z"}
    for number in (job, same):
        api.post(f"/jobs/{number}/cancel", json={}).raise_for_status()


def test_a_restart_keeps_deadlines(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    try:
        server.http.post("/apply", json={"pools": [{**POOLS[0], "frozen": True}]}).raise_for_status()
        late, patient = submitted(server.http, deadline="+2s"), submitted(server.http, queue_timeout_s=2)
        server.restart()
        assert waited(server.http, late)["cause"] == "deadline"
        assert waited(server.http, patient)["cause"] == "queue_timeout"
        again = server.http.post(f"/jobs/{patient}/retry").raise_for_status().json()["first_job"]
        assert waited(server.http, again)["cause"] == "queue_timeout"
        again = server.http.post(f"/jobs/{late}/retry").raise_for_status().json()["first_job"]
        assert server.http.get(f"/jobs/{again}").json()["deadline"] is None
    finally:
        server.stop()


@pytest.mark.parametrize("row", [{"queue_timeout": "90s", "deadline": "+2h"}])
def test_files_name_them_as_the_options_do(row: dict[str, str]) -> None:
    job = job_of({"command": ["true"], **row}, Inputs(Path()))
    assert (job.queue_timeout_s, job.deadline) == (90.0, "+2h")
