"""Interruption notices over HTTP: what a worker reports and is answered, and what each view shows of it."""

import time

import httpx
import msgspec
import pytest

from herder.cli.views.tables import worker_status
from herder.wire.api.resources import WorkerView
from tests.api.conftest import POOLS, PlayedWorker, Server

LONG = {"runtime": "noop", "pool": "std", "cpu": "1m", "memory": "1Mi", "timeout_s": 3600}


def test_a_report_drains_the_worker_and_everything_shows_it(
    api: httpx.Client, server: Server, worker: PlayedWorker
) -> None:
    job = api.post("/jobs", json=LONG).raise_for_status().json()["first_job"]
    worker.take()
    answer = worker.exchange(interrupted_ms=60_000)
    assert answer.drain
    assert answer.deadline_ms is not None
    assert 20_000 < answer.deadline_ms <= 55_000
    view = msgspec.convert(api.get(f"/workers/{worker.name}").json(), WorkerView)
    assert (view.interrupted_by, worker_status(view)) == ("agent", "draining,interrupted")
    assert view.interrupted_at is not None
    assert view.drain_text.startswith("The provider takes its machine back in ")
    why = api.get(f"/workers/{worker.name}/why").json()
    assert "Why it is being removed: The provider takes the machine of" in why["summary"]
    assert "worker.interrupted" in [each["kind"] for each in why["facts"]]
    events = api.get("/events", params={"kind": "worker.interrupted"}).json()["items"]
    assert [each["object"] for each in events] == [f"worker/{worker.name}"]
    with server.client(server.running.token) as client:
        metrics = client.get(server.running.url + "/metrics").text
    assert 'herder_interruptions_total{pool="std",source="agent"} 1.0' in metrics
    assert api.get(f"/jobs/{job}").json()["state"] == "running"


def test_a_person_keeps_the_worker(api: httpx.Client, worker: PlayedWorker) -> None:
    api.post("/jobs", json=LONG).raise_for_status()
    worker.take()
    assert worker.exchange(interrupted_ms=60_000).drain
    api.post(f"/workers/{worker.name}/uncordon", json={}).raise_for_status()
    answer = worker.exchange(interrupted_ms=59_000)
    assert (answer.drain, answer.deadline_ms) == (False, None)
    assert api.get(f"/workers/{worker.name}").json()["state"] == "ready"


def test_a_time_that_is_over_ends_the_attempts(api: httpx.Client, worker: PlayedWorker) -> None:
    job = api.post("/jobs", json=LONG).raise_for_status().json()["first_job"]
    worker.take()
    worker.exchange(interrupted_ms=-5)
    for _ in range(300):
        attempt = api.get(f"/jobs/{job}").raise_for_status().json()["history"][0]
        if attempt["state"] != "assigned":
            break
        time.sleep(0.02)
    assert (attempt["state"], attempt["cause"]) == ("lost", "preempted")


@pytest.mark.parametrize("margin", ["11m", "-1s"])
def test_a_margin_has_bounds(api: httpx.Client, margin: str) -> None:
    refused = api.post("/apply", json={"pools": [{**POOLS[0], "notice_margin": margin}]})
    assert refused.status_code == 422, refused.text
    assert "notice_margin" in refused.text
