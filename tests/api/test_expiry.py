"""Expiry, extension and drift through a running server: the race of an extension with the removal, restarts, and explanations."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from herder import __version__
from herder.control.planning.observation import observation_at
from herder.control.planning.plans import still_right
from herder.decide.plan.planner import decide
from herder.model.ids import WorkerName
from herder.model.planning.plan import DrainWorker
from herder.settings.syntax.durations import format_duration, parse_duration
from tests.api.conftest import PlayedWorker, Refusal, Server

LIFE: dict[str, Any] = {
    "name": "life",
    "driver": "pretend",
    "templates": [{"name": "two", "cpu": "2", "memory": "4Gi", "price_per_hour": "0.12"}],
    "max_workers": 4,
    "ttl": "2h",
    "extension": "30m",
    "ttl_jitter": "0%",
    "default_eligible": False,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("data")).start()
    made.http.post("/apply", json={"pools": [LIFE]}).raise_for_status()
    yield made
    made.stop()


@pytest.fixture
def worker(server: Server) -> Iterator[PlayedWorker]:
    made = server.worker("life")
    yield made
    server.http.post(f"/workers/{made.name}/remove", json={"force": True})
    made.close()


def seen(server: Server, worker: PlayedWorker) -> dict[str, Any]:
    return dict(server.http.get(f"/workers/{worker.name}").raise_for_status().json())


def until(server: Server, worker: PlayedWorker, field: str, value: object) -> dict[str, Any]:
    for _ in range(500):
        found = seen(server, worker)
        if found[field] == value:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{field} is {found[field]!r}, not {value!r}")


def ends_in(server: Server, worker: PlayedWorker, seconds: float) -> None:
    """Its ttl ends then: what a person may not do, so that a test need not wait."""

    async def set_it() -> None:
        core = server.running.core
        life = core.state.workers[WorkerName(worker.name)]
        life.expires_at_ms = core.clock.now_ms() + int(seconds * 1000)
        core.state.dirty_workers[life.spec.name] = life

    server.run(set_it())


def busy(server: Server, worker: PlayedWorker) -> int:
    body = {"command": ["true"], "pool": "life"}
    job = int(server.http.post("/jobs", json=body).raise_for_status().json()["first_job"])
    worker.take()
    return job


def test_extend_against_expire(server: Server, worker: PlayedWorker) -> None:
    """A plan that removes an expired worker, and an extension that comes before it is applied: the worker stays."""

    async def race() -> tuple[list[str], list[str]]:
        """In one turn of the event loop: the server's own loops come after it."""
        core = server.running.core
        now = core.clock.now_ms()
        core.state.workers[WorkerName(worker.name)].expires_at_ms = now - 3_600_000
        before = observation_at(core, now)
        plan = decide(before, now)
        core.state.workers[WorkerName(worker.name)].expires_at_ms = now + 60_000
        after = still_right(core.state, before, plan, now)
        kept = [] if after is None else after.actions
        return (
            [each.worker for each in plan.actions if isinstance(each, DrainWorker)],
            [each.worker for each in kept if isinstance(each, DrainWorker)],
        )

    planned, applied = server.run(race())
    assert planned == [worker.name]
    assert applied == []
    assert seen(server, worker)["state"] == "ready"


def test_an_extension_in_the_grace_keeps_the_worker(server: Server, worker: PlayedWorker) -> None:
    job = busy(server, worker)
    ends_in(server, worker, -1)
    assert until(server, worker, "next_step", "drain")["time_left_s"] < 0
    answer = server.http.post(f"/workers/{worker.name}/extend", json={"extend_s": 600}).raise_for_status()
    assert "expires at" in answer.json()["text"]
    found = seen(server, worker)
    assert (found["state"], found["extensions"], found["extensions_max"]) == ("ready", 1, 3)
    worker.end(job)


def test_one_that_was_extended_as_often_as_its_pool_allows_is_said_to_be(
    server: Server, worker: PlayedWorker
) -> None:
    for _ in range(3):
        server.http.post(f"/workers/{worker.name}/extend", json={"extend_s": 60}).raise_for_status()
    job = busy(server, worker)
    ends_in(server, worker, -1)
    until(server, worker, "next_step", "drain")
    facts = [fact["text"] for fact in server.http.get(f"/workers/{worker.name}/why").json()["facts"]]
    limit = "it was extended 3 times, the maximum of pool life (extensions_max)"
    assert any(text.endswith(f"(ttl_grace) and cannot be extended: {limit}.") for text in facts), facts
    core = server.running.core

    async def extendable() -> list[bool]:
        seen = observation_at(core, core.clock.now_ms())
        return [each.extendable for each in seen.workers if each.name == worker.name]

    assert server.run(extendable()) == [False]
    worker.end(job)


def test_an_extension_after_the_drain_began_is_too_late(
    server: Server, worker: PlayedWorker, refused: Refusal
) -> None:
    busy(server, worker)
    ends_in(server, worker, -400)
    until(server, worker, "state", "draining")
    said = refused(409, "POST", f"/workers/{worker.name}/extend", json={"extend_s": 600})
    assert f"Worker {worker.name} cannot be extended, because it is draining" in said["detail"]
    assert "reached the end of its ttl" in said["detail"]
    assert "herder pool scale life 1" in said["hint"]


def test_an_extension_that_ends_in_the_past_is_refused(
    server: Server, worker: PlayedWorker, refused: Refusal
) -> None:
    busy(server, worker)
    ends_in(server, worker, -200)
    said = refused(409, "POST", f"/workers/{worker.name}/extend", json={"extend_s": 60})
    assert f"Worker {worker.name} would still be past its ttl" in said["detail"]


def test_an_idle_worker_goes_at_once_and_a_busy_one_says_when(server: Server, worker: PlayedWorker) -> None:
    idle = server.worker("life")
    busy(server, worker)
    for each in (idle, worker):
        ends_in(server, each, -1)
    for _ in range(500):
        if "end of its ttl" in seen(server, idle)["why_removed"]:
            break
        time.sleep(0.02)
    assert seen(server, idle)["state"] in ("terminating", "terminated")
    assert seen(server, worker)["state"] == "ready"
    why = server.http.get(f"/workers/{worker.name}/why").json()
    texts = [fact["text"] for fact in why["facts"]]
    assert any("takes no new work;" in text and "It drains at" in text for text in texts), texts
    idle.close()


def test_the_version_of_the_agent_is_kept_and_another_one_is_replaced(tmp_path: Path) -> None:
    made = Server(tmp_path).start()
    far = f"0 0 1 {(datetime.now(UTC).month + 5) % 12 + 1} *"
    windows = {"maintenance_windows": [{"cron": far, "duration": "1m"}]}
    made.http.post("/apply", json={"pools": [{**LIFE, **windows, "min_workers": 1}]}).raise_for_status()
    world = made.running.core.drivers["pretend"].world  # type: ignore[attr-defined]
    (booted,) = _booted(world)
    with made.client(booted.start.activation_token) as client:
        client.post("/worker/activate", json={"nonce": "n", "version": "0.0.1"}).raise_for_status()
    name = booted.spec.name
    assert made.http.get(f"/workers/{name}").json()["agent_version"] == "0.0.1"
    made.restart()
    assert made.http.get(f"/workers/{name}").json()["agent_version"] == "0.0.1"
    why = made.http.get(f"/workers/{name}/why").json()
    assert (
        f"{name} waits to be replaced, because it differs from what pool life creates now: its agent has version 0.0.1, "
        f"the server has {__version__}." in why["summary"]
    )
    assert f"The next maintenance window of pool life, {far!r} (UTC), opens at" in why["summary"]
    pool = made.http.get("/pools/life/why").json()
    assert any("The next maintenance window of pool life" in fact["text"] for fact in pool["facts"])
    always = {**LIFE, "min_workers": 1}
    made.http.post("/apply", json={"pools": [always]}).raise_for_status()
    (successor,) = _booted(world_of(made))
    assert f"A successor of {name} is created" in successor.spec.reason
    with made.client(successor.start.activation_token) as client:
        client.post("/worker/activate", json={"nonce": "n", "version": __version__}).raise_for_status()
    for _ in range(500):
        found = made.http.get(f"/workers/{name}").json()
        if found["ended_at"]:
            break
        time.sleep(0.02)
    assert found["why_removed"].startswith(
        f"{name} is replaced, because it differs from what pool life creates now"
    )
    made.stop()


def world_of(server: Server) -> Any:
    return server.running.core.drivers["pretend"].world  # type: ignore[attr-defined]


def _booted(world: Any) -> list[Any]:
    for _ in range(500):
        found = list(world.newly_booted())
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("no worker booted")


def test_an_extension_beyond_ttl_max_says_by_how_much_and_what_is_allowed(
    server: Server, worker: PlayedWorker, refused: Refusal
) -> None:
    server.http.post("/apply", json={"pools": [{**LIFE, "ttl_max": "125m"}]}).raise_for_status()
    path = f"/workers/{worker.name}/extend"
    said = refused(409, "POST", path, json={"extend_s": 5000})
    found = re.fullmatch(r"Extend the worker by at most (\w+)\.", said["hint"])
    assert found, said
    allowed_s = int(parse_duration(found[1]))
    assert 3_890 <= allowed_s <= 3_910
    over_s = 5000 - allowed_s
    assert said["detail"] == (
        f"Worker {worker.name} would live {format_duration(over_s)} longer than ttl_max of pool life, which is 125m."
    )
    assert refused(409, "POST", path, json={"extend_s": allowed_s + 1})["detail"].startswith(
        f"Worker {worker.name} would live 1s longer than"
    )
    server.http.post(path, json={"extend_s": allowed_s}).raise_for_status()
    server.http.post("/apply", json={"pools": [LIFE]}).raise_for_status()
