"""The safety checklist of dry runs: what is known before workers are added or removed, and that the real call has none."""

from typing import Any

import httpx

from tests.api.conftest import PlayedWorker, Server
from tests.api.test_drains import running
from tests.words.rules import faults


def checks(api: httpx.Client, path: str, **body: Any) -> dict[str, tuple[bool | None, str]]:
    answer = api.post(path, params={"dry_run": "true"}, json=body).raise_for_status().json()
    rows = {row["name"]: (row["passed"], row["detail"]) for row in answer["checks"]}
    assert [each for _, detail in rows.values() for each in faults(detail)] == []
    return rows


def test_before_workers_are_added_their_limits_cost_and_capacity_are_told(api: httpx.Client) -> None:
    rows = checks(api, "/pools/std/scale", workers=2, ttl_s=7200)
    assert [*rows] == ["capacity", "network", "limits", "budget", "time to live"]
    pool = api.get("/pools/std").json()
    after = len([each for each in api.get("/workers").json()["items"] if each["pool"] == "std"]) + 2
    assert rows["limits"] == (
        True,
        f"{after} of {pool['max_workers']} workers of pool std would exist (max_workers).",
    )
    assert rows["capacity"][0] is None
    assert rows["budget"][1].startswith("2 workers would cost $")
    assert rows["time to live"] == (True, "The workers end after 2h.")


def test_without_a_time_to_live_nothing_is_promised(api: httpx.Client) -> None:
    rows = checks(api, "/pools/std/scale", workers=1)
    assert rows["time to live"][0] is None
    assert "in a month" in rows["budget"][1]


def test_before_a_worker_is_removed_its_work_is_told(api: httpx.Client, worker: PlayedWorker) -> None:
    path = f"/workers/{worker.name}/remove"
    assert checks(api, path)["running work"] == (True, f"No attempts run on worker {worker.name}.")
    job = running(api, worker)
    rows = checks(api, path)
    assert [*rows] == ["running work", "graceful drain", "limits", "order"]
    assert rows["running work"] == (
        False,
        f"1 attempt runs on worker {worker.name}, to be retried on other workers, unless they end before.",
    )
    assert rows["graceful drain"][0] is True
    assert checks(api, path, force=True)["graceful drain"] == (False, "--force ends the attempts at once.")
    drain = (
        api.post(f"/workers/{worker.name}/drain", params={"dry_run": "true"}, json={})
        .raise_for_status()
        .json()
    )
    assert drain["checks"] == []
    worker.end(job)
    assert api.post(path, json={}).raise_for_status().json()["checks"] == []


def test_a_budget_is_told_before_workers_are_added(server: Server) -> None:
    """Whether what is left pays for all workers of the pool, as long as they live."""
    http = server.http
    budget = {"scope": "pool", "of": "big", "limit": "0.5", "period": "day"}
    assert checks(http, "/pools/big/scale", workers=1)["budget"][0] is None
    http.post("/apply", json={"pools": [], "budgets": {"tight": budget}}).raise_for_status()
    try:
        short = checks(http, "/pools/big/scale", workers=1)["budget"]
        brief = checks(http, "/pools/big/scale", workers=1, ttl_s=60)["budget"]
    finally:
        http.delete("/budgets/tight").raise_for_status()
    assert short[0] is False
    assert "Budget tight has $0.50 of $0.50 left until " in short[1]
    assert brief[0] is True
    assert "Budget tight" in brief[1]
