"""The health of a worker over HTTP: what its agent reports, what the ladder does about it, and what holds it back."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.conftest import POOLS, PlayedWorker, Refusal, Server

FULL = "The file system of the work folder has 5 of 100 MiB of disk free."
LADDER = [
    {"condition": "DiskPressure", "after": "1s", "rung": "clean_up"},
    {"condition": "DiskPressure", "after": "1h", "rung": "replace"},
]


@pytest.fixture(autouse=True)
def ladder(api: httpx.Client) -> None:
    api.post("/apply", json={"pools": [{**POOLS[0], "repair": LADDER}]}).raise_for_status()


def until(look: Callable[[], Any]) -> Any:
    for _ in range(300):
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("nothing came")


def report(worker: PlayedWorker, **more: Any) -> Any:
    said = {"conditions": [("DiskPressure", FULL), ("UnheardOf", "from an agent of later")], **more}
    return worker.exchange(clock_ms=int(time.time() * 1000), **said)


def test_a_disk_is_cleaned_up_and_each_view_says_so(
    api: httpx.Client, server: Server, worker: PlayedWorker
) -> None:
    report(worker)
    view = api.get(f"/workers/{worker.name}/health").json()
    assert (view["health"], view["state"], view["repair"]) == ("troubled", "unhealthy", None)
    (condition,) = view["conditions"]
    assert (condition["condition"], condition["source"], condition["message"]) == (
        "DiskPressure",
        "agent",
        FULL,
    )
    assert (view["next"][0]["rung"], view["next"][0]["skipped"]) == ("clean_up", [])
    assert (view["breaker"]["open"], view["breaker"]["limit"]) == (False, 1)
    until(lambda: report(worker).clean_up)
    assert api.get(f"/workers/{worker.name}").json()["health"] == "repairing"
    report(worker, cleaned="It removed 3 files (1.0 MiB).", conditions=[])
    assert not report(worker, conditions=[]).clean_up
    view = until(lambda: _well(api, worker))
    assert view["repair"]["result"].endswith("has cleaned up. It removed 3 files (1.0 MiB).")
    assert (view["repair"]["rung"], view["repair"]["tries"], view["repair"]["step"]) == (
        "clean_up",
        1,
        "acted",
    )
    kinds = [each["kind"] for each in api.get(f"/workers/{worker.name}/why").json()["facts"]]
    assert [kind for kind in kinds if kind.startswith("worker.")][-5:] == [
        "worker.unhealthy",
        "worker.repairing",
        "worker.repair_done",
        "worker.recovered",
        "worker.repaired",
    ]
    found = _metrics(server)
    for outcome in ("done", "recovered"):
        assert found["herder_worker_repairs_total", "std", "DiskPressure", "clean_up", outcome] == 1


def _well(api: httpx.Client, worker: PlayedWorker) -> dict[str, Any] | None:
    view: dict[str, Any] = api.get(f"/workers/{worker.name}/health").json()
    repair = view["repair"]
    return view if repair is not None and repair["well_since"] else None


def test_why_a_worker_is_not_repaired(api: httpx.Client, server: Server, worker: PlayedWorker) -> None:
    rows = [{"condition": "DiskPressure", "after": "1s", "rung": "replace"}]
    changed = {**POOLS[0], "repair": rows, "repair_breaker": {"workers": 0}}
    api.post("/apply", json={"pools": [changed]}).raise_for_status()
    report(worker)
    view = until(lambda: _held(api, worker))
    held = {"condition": "DiskPressure", "rung": "replace", "outcome": "held"}
    assert _metrics(server)["herder_worker_repairs_total", "std", *held.values()] >= 1
    assert (
        "because repair_breaker of pool std has workers: 0. Set workers of repair_breaker to 1 or more"
        in view["held"]
    )
    texts = [each["text"] for each in api.get(f"/workers/{worker.name}/why").json()["facts"]]
    assert view["held"] in texts
    assert any(text.startswith("It has had condition DiskPressure for") for text in texts)
    report(worker, conditions=[])


def _held(api: httpx.Client, worker: PlayedWorker) -> dict[str, Any] | None:
    view: dict[str, Any] = api.get(f"/workers/{worker.name}/health").json()
    return view if view["held"] else None


def test_a_worker_in_quarantine_is_shown_and_released(
    api: httpx.Client, server: Server, worker: PlayedWorker
) -> None:
    rows = [{"condition": "DiskPressure", "after": "1s", "rung": "replace"}]
    changed = {**POOLS[0], "repair": rows, "quarantine": 1, "repair_breaker": {"window": "1s"}}
    api.post("/apply", json={"pools": [changed]}).raise_for_status()
    report(worker)
    view = until(lambda: _kept(api, worker))
    assert view["quarantined_until"] > view["quarantined_at"]
    assert view["next"] == []
    found = _metrics(server)
    assert found["herder_workers_quarantined", "std"] == 1
    assert found["herder_worker_repairs_total", "std", "DiskPressure", "replace", "quarantined"] >= 1
    assert found["herder_drains_blocked", "std"] == 0
    api.post("/apply", json={"pools": [{**changed, "repair": "off"}]}).raise_for_status()
    api.post(f"/workers/{worker.name}/uncordon", json={}).raise_for_status()
    report(worker, conditions=[])
    view = api.get(f"/workers/{worker.name}/health").json()
    assert (view["health"], view["state"], view["quarantined_at"]) == ("healthy", "ready", None)


def _kept(api: httpx.Client, worker: PlayedWorker) -> dict[str, Any] | None:
    view: dict[str, Any] = api.get(f"/workers/{worker.name}/health").json()
    return view if view["quarantined_at"] else None


def _metrics(server: Server) -> dict[tuple[str, ...], float]:
    """By name and labels in the order pool, condition, rung, outcome."""
    order = ("pool", "condition", "rung", "outcome")
    with server.client(server.running.token) as client:
        families = text_string_to_metric_families(client.get(server.running.url + "/metrics").text)
    return {
        (sample.name, *(sample.labels[label] for label in order if label in sample.labels)): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_worker_that_is_not_live_has_no_health(refused: Refusal) -> None:
    assert "no live worker 'nobody'" in refused(404, "GET", "/workers/nobody/health")["detail"]
