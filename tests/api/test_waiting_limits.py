"""How many jobs of a project and of a user may wait: `queued_jobs` in herder.yaml."""

from typing import Any

import httpx
import pytest

from herder.control.kernel.jobs import waiting_limits
from tests.api.conftest import POOLS, Refusal, Server

JOB: dict[str, Any] = {"runtime": "noop", "pool": "big", "cpu": 8}


@pytest.fixture(autouse=True)
def limits(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_limits, "LOOK_MS", 0)
    shared = {"projects": {"lab": {"queued_jobs": 3}}, "users": {"xann": {"queued_jobs": 2}}}
    server.http.post(
        "/apply", json={"pools": [POOLS[0], {**POOLS[1], "max_workers": 30}], "sharing": shared}
    ).raise_for_status()


def batch(client: httpx.Client, jobs: int, **more: Any) -> httpx.Response:
    return client.post("/batches", json={"project": "lab", "jobs": [JOB] * jobs, "commit": True, **more})


def test_a_project_has_so_many_waiting_jobs_and_no_more(server: Server, refused: Refusal) -> None:
    api = server.http
    said = refused(429, "POST", "/batches", json={"project": "lab", "jobs": [JOB] * 4})
    assert said["detail"] == "Project lab would have 4 waiting jobs; the maximum is 3 (queued_jobs)."
    assert said["hint"] == "Wait until some of the jobs have started, or cancel some, then try again."
    first = batch(api, 2).raise_for_status().json()["id"]
    api.post("/jobs", json={**JOB, "project": "lab"}).raise_for_status()
    assert refused(429, "POST", "/jobs", json={**JOB, "project": "lab"})
    dry = refused(429, "POST", "/batches?dry_run=true", json={"project": "lab", "jobs": [JOB]})
    assert "would have 4 waiting jobs" in dry["detail"]
    api.post("/jobs", json=JOB).raise_for_status()  # of another project
    worker = server.worker("big")
    (given,) = worker.take(1)
    assert batch(api, 1).status_code == 200, "what has started waits no longer"
    assert batch(api, 1).status_code == 429
    worker.end(given.job)
    worker.close()
    api.post(f"/batches/{first}/cancel", json={}).raise_for_status()
    shared = {"projects": {"lab": {"queued_jobs": None}}}
    api.post("/apply", json={"pools": [], "sharing": shared}).raise_for_status()
    assert batch(api, 10).status_code == 200
    server.http.post("/apply", json={"pools": [], "sharing": {"projects": {"lab": {"queued_jobs": 11}}}})
    assert batch(api, 3).status_code == 429, "what came without a limit counts when there is one"


def test_a_user_has_so_many_waiting_jobs_and_no_more(server: Server, refused: Refusal) -> None:
    ann = server.client(server.person("xann"))
    held = ann.post("/batches", json={"jobs": [JOB] * 2}).raise_for_status().json()["id"]
    said = refused(429, "POST", "/jobs", ann, json=JOB)
    assert said["detail"] == "User xann would have 3 waiting jobs; the maximum is 2 (queued_jobs)."
    assert refused(429, "POST", f"/batches/{held}/jobs", ann, json={"jobs": [JOB]})
    ann.post(f"/batches/{held}/cancel", json={}).raise_for_status()
    ann.post("/jobs", json=JOB).raise_for_status()
