"""`pool: auto`: the cheapest pool that can hold the job is named, with its price and the others."""

from typing import Any

import httpx

from tests.api.conftest import PlayedWorker

JOB: dict[str, Any] = {"runtime": "noop", "cpu": 1}


def shown(api: httpx.Client, **fields: Any) -> tuple[str, list[str]]:
    """By `get` and by `explain`, while it waits. Pool big takes no jobs that do not name it."""
    job = api.post("/jobs", json={**JOB, **fields}).raise_for_status().json()["first_job"]
    detail = api.get(f"/jobs/{job}").raise_for_status().json()
    facts = api.get(f"/jobs/{job}/explain").raise_for_status().json()["facts"]
    api.post(f"/jobs/{job}/cancel", json={}).raise_for_status()
    assert api.get(f"/jobs/{job}").json().get("pool_reason", "") == "", "it has ended"
    return detail.get("pool_reason", ""), [each["text"] for each in facts if each["kind"] == "pool"]


def test_the_cheapest_pool_that_can_hold_it_is_named_with_the_others(api: httpx.Client) -> None:
    dear = {
        "name": "dear",
        "driver": "pretend",
        "templates": [{"name": "four", "cpu": 4, "memory": "8Gi", "price_per_hour": "0.50"}],
        "max_workers": 1,
    }
    api.post("/apply", json={"pools": [dear]}).raise_for_status()
    api.post("/pools/std/freeze", json={}).raise_for_status()
    api.post("/pools/dear/freeze", json={}).raise_for_status()
    text = (
        "Pool std (two, $0.10/h) is the cheapest of 2 pools that can hold it; the other is dear (four, $0.50/h). "
        "It runs in any of them that has a free place."
    )
    assert shown(api) == (text, [text])
    only = "Only pool dear (four, $0.50/h) can hold it."
    assert shown(api, cpu=3) == (only, [only])
    assert shown(api, pool="std") == ("", [])
    for name in ("std", "dear"):
        api.post(f"/pools/{name}/unfreeze", json={}).raise_for_status()


def test_a_job_that_runs_in_a_dearer_pool_is_told_the_same(api: httpx.Client, worker: PlayedWorker) -> None:
    job = api.post("/jobs", json=JOB).raise_for_status().json()["first_job"]
    worker.take()
    assert api.get(f"/jobs/{job}").json()["pool_reason"].startswith("Pool std (two, $0.10/h) is the cheapest")
    worker.end(job)
