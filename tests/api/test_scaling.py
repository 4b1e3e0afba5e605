"""Scaling in a running server: offers that fail, schedules, headroom; what is done, told and remembered over a restart."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from herder.drivers.pretend import PretendWorld
from herder.model.fleet.driver import InvalidRequest, OutOfCapacity, QuotaExceeded
from tests.api.conftest import PlayedWorker, Server

CHEAP = {"name": "cheap", "cpu": 2, "memory": "4Gi", "price_per_hour": "0.10"}
DEAR = {"name": "dear", "cpu": 2, "memory": "4Gi", "price_per_hour": "0.20"}


@pytest.fixture
def world(server: Server) -> PretendWorld:
    found: PretendWorld = server.running.core.drivers["pretend"].world  # type: ignore[attr-defined]
    return found


@pytest.fixture
def applied(server: Server) -> Iterator[Any]:
    names: set[str] = set()

    def apply(**settings: Any) -> None:
        pool = {"driver": "pretend", "templates": [CHEAP, DEAR], "max_workers": 3, **settings}
        names.add(pool["name"])
        server.http.post("/apply", json={"pools": [pool]}).raise_for_status()

    yield apply
    for name in sorted(names):
        server.http.delete(f"/pools/{name}").raise_for_status()


def workers(api: httpx.Client, pool: str, count: int, *, ended: bool = False) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for _ in range(500):
        found = api.get("/workers", params={"pool": pool, "ended": ended}).json()["items"]
        if len(found) >= count:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{len(found)} of {count} workers")


def events(api: httpx.Client, kind: str, subject: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("/events", params={"kind": kind, "object": subject}).json()["items"]
    return found


def test_a_template_without_capacity_is_passed_over_and_remembered_over_a_restart(
    server: Server, world: PretendWorld, applied: Any
) -> None:
    world.fail("create", OutOfCapacity("zone a is full"), times=1)
    applied(name="short", min_workers=1, offer_backoff="10m")
    for _ in range(500):
        found = workers(server.http, "short", 1)
        if (found[0]["template"], found[0]["state"]) == (
            "dear",
            "joining",
        ):  # it is made, which is remembered too
            break
        time.sleep(0.02)
    assert [each["template"] for each in found] == ["dear"]
    everything = workers(server.http, "short", 2, ended=True)
    (lost,) = [each for each in everything if each["template"] == "cheap"]
    (event,) = events(server.http, "worker.failed", f"worker/{lost['name']}")
    assert event["data"]["reason"]["evidence"]["cause"] == "out_of_capacity"
    before = dict(server.running.core.state.offers)
    assert len(before) == 2
    server.restart()
    assert {
        key: memory for key, memory in server.running.core.state.offers.items() if key.pool == "short"
    } == before
    history = server.running.core.state.history["short"]  # type: ignore[index]
    assert history.last_grown_at_ms is not None


def test_a_wrong_template_raises_an_alert_once_and_correcting_it_ends_its_rest(
    server: Server, world: PretendWorld, applied: Any
) -> None:
    world.fail("create", InvalidRequest("no such image"), times=1)
    applied(name="wrong", min_workers=1, templates=[CHEAP])
    for _ in range(500):
        if found := events(server.http, "offer.invalid", "pool/wrong"):
            break
        time.sleep(0.02)
    assert len(found) == 1
    assert "Correct the template." in found[0]["text"]
    (report,) = [each for each in server.http.get("/plans/next").json()["pools"] if each["pool"] == "wrong"]
    (reason,) = [each for each in report["reasons"] if each["kind"] == "offer_resting"]
    evidence = dict(reason["evidence"])
    assert evidence["cause"] == "invalid_request"
    assert evidence["flips"]
    applied(name="wrong", min_workers=1, templates=[{**CHEAP, "labels": {"image": "right"}}])
    assert next(each["state"] for each in workers(server.http, "wrong", 1)) in (
        "requested",
        "provisioning",
        "joining",
    )


def test_a_quota_stops_the_pool_and_is_told(server: Server, world: PretendWorld, applied: Any) -> None:
    world.fail("create", QuotaExceeded("16 of 16 cores"), times=1)
    applied(name="capped", min_workers=1)
    for _ in range(500):
        if found := events(server.http, "pool.quota_exceeded", "pool/capped"):
            break
        time.sleep(0.02)
    assert "Raise the quota" in found[0]["text"]
    (report,) = [each for each in server.http.get("/plans/next").json()["pools"] if each["pool"] == "capped"]
    assert report["reasons"][0]["kind"] == "quota_exceeded"
    assert server.http.get("/workers", params={"pool": "capped"}).json()["items"] == []


def test_a_schedule_makes_its_workers(server: Server, applied: Any) -> None:
    applied(name="timed", schedules=[{"cron": "* * * * *", "timezone": "Europe/Berlin", "min_workers": 2}])
    found = workers(server.http, "timed", 2)
    why = server.http.get(f"/workers/{found[0]['name']}/why").json()
    assert "* * * * *" in why["summary"]
    shown = server.http.get("/pools/timed").json()
    assert shown["name"] == "timed"


def test_headroom_and_contradictions(server: Server, applied: Any) -> None:
    applied(name="roomy", headroom=2)
    assert len(workers(server.http, "roomy", 2)) == 2
    pool = {"name": "roomy", "driver": "pretend", "templates": [CHEAP], "max_workers": 1, "headroom": 2}
    answer = server.http.post("/apply", json={"pools": [pool]})
    assert answer.status_code == 422
    assert "max_workers 1" in answer.text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ttl": "0s", "min_workers": 1}, "ttl 0s is below the minimum of 30s"),
        ({"extensions_max": 10**12}, "extensions_max 1,000,000,000,000 is above the maximum of 1,000"),
        ({"labels": {"": "x"}}, "The key '' of a label is empty"),
    ],
)
def test_what_nobody_should_write_is_not_applied(server: Server, settings: Any, words: str) -> None:
    pool = {"name": "wrong", "driver": "pretend", "templates": [CHEAP], "max_workers": 1, **settings}
    for dry_run in (True, False):
        answer = server.http.post("/apply", json={"pools": [pool]}, params={"dry_run": dry_run})
        assert answer.status_code == 422
        assert words in answer.text
    assert server.http.get("/pools/wrong").status_code == 404


def test_half_empty_workers_are_put_together_and_the_emptier_drains(
    server: Server, world: PretendWorld, applied: Any
) -> None:
    four = {"name": "four", "cpu": 4, "memory": "8Gi", "price_per_hour": "0.40"}
    applied(name="joint", templates=[four], consolidation="break_even", drain_grace="1s")

    def submit(cpu: int) -> int:
        body = {"runtime": "noop", "pool": "joint", "cpu": cpu, "memory": "1Gi"}
        return int(server.http.post("/jobs", json=body).raise_for_status().json()["first_job"])

    submit(3)
    first = played(server, world, "joint")
    (long,) = first.take()
    submit(3)
    second = played(server, world, "joint")
    second.take()
    submit(1)
    first.take()
    assert all(each["state"] == "ready" for each in workers(server.http, "joint", 2))
    first.end(long.job)
    for _ in range(500):
        seen = {each["name"]: each for each in workers(server.http, "joint", 1, ended=True)}
        if seen[first.name]["state"] != "ready":
            break
        time.sleep(0.02)
    why = server.http.get(f"/workers/{first.name}/why").json()
    assert "fits on the other workers" in why["summary"]
    assert seen[second.name]["state"] == "ready"
    (gone,) = events(server.http, "worker.draining", f"worker/{first.name}")
    assert gone["data"]["reason"]["kind"] == "consolidated"
    for each in (first, second):
        each.close()


def played(server: Server, world: PretendWorld, pool: str) -> PlayedWorker:
    """The agent of a worker that the planner made."""
    for _ in range(500):
        for booted in world.newly_booted():
            if booted.spec.pool == pool:
                return PlayedWorker(server, booted.spec.name, booted.start.activation_token)
        time.sleep(0.02)
    raise AssertionError(f"no worker of {pool} booted")


def test_a_share_of_a_gpu_waits_for_a_worker_whose_gpus_are_split(server: Server, applied: Any) -> None:
    gpu = {**CHEAP, "name": "split", "gpu": 1, "gpu_parts": 4, "gpu_model": "a100"}
    applied(name="shared-gpus", templates=[gpu])
    asked = {"runtime": "noop", "pool": "shared-gpus", "gpu": 0.25, "gpu_model": "a100|h100"}
    job = server.http.post("/jobs", json=asked).json()["first_job"]
    assert server.http.get(f"/jobs/{job}").json()["gpu"] == 0.25
    (made,) = workers(server.http, "shared-gpus", 1)
    assert made["gpu"] == 4
    for wrong, says in (
        ({"gpu": 1}, "not split"),
        ({"gpu": 0.5}, "at most 2 parts"),
        ({"gpu": 1.5}, "share of one"),
        ({"gpu": -1}, "whole number"),
        ({"gpu": 0}, "gpu: 1"),
        ({"gpu_model": "t4"}, "one of a100"),
    ):
        answer = server.http.post("/jobs", json={**asked, **wrong})
        assert (answer.status_code, answer.json()["field"]) == (422, "gpu"), answer.text
        assert says in answer.json()["hint"], answer.text
    server.http.post(f"/jobs/{job}/cancel").raise_for_status()
