"""Drivers in a running server: what they are doing, providers that hang, freezing over a restart, drivers that were taken out."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from herder.drivers import registry
from herder.drivers.pretend import PretendDriver, PretendSettings, PretendWorld
from herder.model.fleet.driver import DriverContext, RateLimited, Unauthorised
from herder.model.fleet.driver_capabilities import AdoptablePool, Check
from herder.settings.sections.server import DriverSettings
from tests.api.conftest import Refusal, Server

TEMPLATE = {"name": "two", "cpu": 2, "memory": "4Gi", "price_per_hour": "0.10"}
BRIEF = DriverSettings(name="brief", kind="pretend", settings=(("deadline_s", "0.3"),))
#: Its places for calls are the limit here, and not how many machines it makes at a time.
PRETEND = DriverSettings(name="pretend", kind="pretend", limits=(("parallel_creates", 100),))


def pool(name: str, driver: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "driver": driver, "templates": [TEMPLATE], "max_workers": 20, **more}


def apply(server: Server, *pools: dict[str, Any]) -> None:
    server.http.post("/apply", json={"pools": list(pools)}).raise_for_status()


def scale(server: Server, name: str, workers: int) -> list[str]:
    answer = server.http.post(f"/pools/{name}/scale", json={"workers": workers, "ttl_s": 3600})
    return list(answer.raise_for_status().json()["workers"])


def world(server: Server, driver: str) -> PretendWorld:
    found: PretendWorld = server.running.core.drivers[driver].world  # type: ignore[attr-defined]
    return found


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def shown(server: Server, name: str) -> dict[str, Any]:
    return dict(server.http.get(f"/drivers/{name}").raise_for_status().json())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.sweep_period_s = 0.1
    made.drivers = (PRETEND, BRIEF)
    made.start()
    yield made
    made.stop()


def test_what_exists_at_a_provider_is_told_by_drivers_that_can(
    server: Server, refused: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refused(422, "GET", "/drivers/pretend/import", server.http)
    assert said["detail"] == "Driver pretend cannot tell what pools could adopt."
    assert said["hint"] == "Drivers of kind rosa can."
    found = AdoptablePool(name="batch", settings={"driver": "brief"}, notes=("It is large.",))
    taken = replace(found, name="std", needs=("Label it.",))
    brief = server.running.core.drivers["brief"]
    monkeypatch.setattr(brief, "importable", lambda: [found, taken], raising=False)
    apply(server, pool("std", "pretend"))
    answer = server.http.get("/drivers/brief/import").raise_for_status().json()
    assert answer["driver"] == "brief"
    assert answer["pools"][0] == {
        "name": "batch",
        "settings": {"driver": "brief"},
        "used_by": "",
        "refused": "",
        "needs": [],
        "notes": ["It is large."],
    }
    assert answer["pools"][1]["needs"] == [
        "This server has a pool std: give this one another name, also in the label herder.dev/pool.",
        "Label it.",
    ]
    hint = refused(422, "GET", "/drivers/pretend/import", server.http)["hint"]
    assert hint == "1 driver can: brief."


def test_drivers_are_listed_with_what_they_do(server: Server) -> None:
    until(lambda: shown(server, "pretend")["state"] == "ready")
    apply(server, pool("a", "pretend"))
    gate = world(server, "pretend").hang("create", times=100)
    names = scale(server, "a", 12)
    until(lambda: len(shown(server, "pretend")["calls"]) == 8)
    driver = shown(server, "pretend")
    assert (driver["kind"], driver["places"], driver["workers"], driver["abandoned"]) == ("pretend", 8, 12, 0)
    assert driver["waiting"] >= 4
    assert {call["verb"] for call in driver["calls"]} <= {"create", "list"}
    assert {call["worker"] for call in driver["calls"]} & set(names)
    assert driver["capabilities"] == ["Console"]
    metrics = server.client(server.running.token).get(server.running.url + "/metrics").text
    assert 'herder_driver_calls{driver="pretend",state="under_way"} 8.0' in metrics
    gate.release()
    until(lambda: shown(server, "pretend")["waiting"] == 0 and len(world(server, "pretend").machines) == 12)
    assert [each["name"] for each in server.http.get("/drivers").json()["items"]] == ["brief", "pretend"]


def test_a_provider_that_hangs_is_unavailable_and_recovers_and_nothing_else_notices(server: Server) -> None:
    apply(server, pool("a", "brief"), pool("b", "pretend"))
    gate = world(server, "brief").hang("*", times=1000)
    scale(server, "a", 10)
    until(lambda: shown(server, "brief")["abandoned"] == 8)
    assert shown(server, "brief")["state"] == "unavailable"
    (trouble,) = server.http.get("/status").json()["drivers"]
    assert "Driver brief does not answer: all of its 8 calls are past their deadlines" in trouble
    began = time.monotonic()
    names = scale(server, "b", 3)
    until(lambda: {server.http.get(f"/workers/{each}").json()["state"] for each in names} == {"joining"})
    assert time.monotonic() - began < 10
    gate.release()
    until(lambda: len(world(server, "brief").machines) == 10)
    until(lambda: shown(server, "brief")["state"] == "ready")
    assert shown(server, "brief")["abandoned_total"] >= 8
    status = server.http.get("/status").json()
    assert status["drivers"] == []
    assert not any("cannot be used" in each for each in status["recent_failures"])


def test_a_console_that_hangs_is_given_up(server: Server, refused: Refusal) -> None:
    apply(server, pool("a", "brief"))
    (name,) = scale(server, "a", 1)
    until(lambda: server.http.get(f"/workers/{name}").json()["state"] == "joining")
    assert server.http.get(f"/workers/{name}/console").text == f"{name}: power on"
    gate = world(server, "brief").hang("console")
    problem = refused(404, "GET", f"/workers/{name}/console", server.http)
    assert f"did not answer console of worker {name} within 0.3 s" in problem["detail"]
    gate.release()
    world(server, "brief").fail("console", Unauthorised("no right to read consoles"))
    refused(404, "GET", f"/workers/{name}/console", server.http)
    assert shown(server, "brief")["state"] == "ready", "what is optional freezes nothing"


def test_a_worker_has_logs_by_service(server: Server, refused: Refusal) -> None:
    apply(server, pool("a", "brief"))
    (name,) = scale(server, "a", 1)
    until(lambda: server.http.get(f"/workers/{name}").json()["state"] == "joining")

    def log(service: str) -> str:
        found = server.http.get(f"/workers/{name}/logs", params={"service": service})
        return found.raise_for_status().text

    assert log("console") == f"{name}: power on"
    assert (log("agent"), log("start-script")) == ("", "")
    assert server.http.get(f"/workers/{name}/logs").text == ""
    problem = refused(404, "GET", f"/workers/{name}/logs?service=kubelet", server.http)
    assert problem["detail"] == (
        f"Worker {name} has no log of kubelet: There is no service kubelet. Write agent, start-script or console."
    )
    refused(404, "GET", "/workers/none/logs", server.http)


def test_actions_that_wait_hold_up_no_other_of_the_same_driver(server: Server) -> None:
    apply(server, pool("a", "pretend"), pool("b", "pretend"))
    world(server, "pretend").fail("create", RateLimited("slower", retry_after_s=250), times=12)
    scale(server, "a", 12)
    until(lambda: sum(verb == "create" for _, verb, _ in world(server, "pretend").calls) == 12)
    (name,) = scale(server, "b", 1)
    until(lambda: server.http.get(f"/workers/{name}").json()["state"] == "joining")
    assert shown(server, "pretend")["calls"] == []


def test_a_provider_that_hangs_does_not_hold_up_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = PretendWorld()
    gate = theirs.hang("*", times=1000)

    class Kind:
        settings_type = PretendSettings

        @staticmethod
        def make(settings: PretendSettings, context: DriverContext) -> PretendDriver:
            return PretendDriver(settings, theirs, context)

    monkeypatch.setattr(registry, "load", lambda kind: Kind)
    made = Server(tmp_path)
    made.drivers = (DriverSettings(name="slow", kind="pretend"),)
    began = time.monotonic()
    made.start()
    try:
        assert time.monotonic() - began < 10
        assert shown(made, "slow")["state"] == "unknown"
        gate.release()
        until(lambda: shown(made, "slow")["state"] == "ready")
    finally:
        made.stop()


def test_refused_credentials_freeze_the_driver_until_somebody_unfreezes_it(
    server: Server, refused: Refusal
) -> None:
    apply(server, pool("a", "pretend"))
    world(server, "pretend").fail("create", Unauthorised("token expired"))
    scale(server, "a", 1)
    until(lambda: shown(server, "pretend")["state"] == "frozen")
    for _ in range(2):
        (trouble,) = server.http.get("/status").json()["drivers"]
        assert trouble == (
            "Driver pretend is frozen: the provider refused its credentials or settings (token expired). Correct them, then run "
            "`herder driver unfreeze pretend`."
        )
        answer = server.http.post("/pools/a/scale", json={"workers": 1, "ttl_s": 3600})
        assert (answer.status_code, answer.json()["detail"]) == (409, trouble)
        assert any(trouble in each for each in server.http.get("/status").json()["recent_failures"])
        server.restart()
    problem = server.http.post("/drivers/pretend/freeze", json={})
    assert (problem.status_code, problem.json()["detail"]) == (
        409,
        f"Driver pretend is already frozen, and its reason is kept. {trouble}",
    )
    assert "herder driver unfreeze pretend" in problem.json()["hint"]
    server.http.post("/drivers/pretend/unfreeze", json={}).raise_for_status()
    until(lambda: shown(server, "pretend")["state"] == "ready")
    assert not any(trouble in each for each in server.http.get("/status").json()["recent_failures"])
    (name,) = scale(server, "a", 1)
    until(lambda: server.http.get(f"/workers/{name}").json()["state"] == "joining")
    refused(409, "POST", "/drivers/pretend/unfreeze", server.http, json={})
    refused(404, "POST", "/drivers/nope/freeze", server.http, json={})


def test_a_driver_that_was_taken_out_is_named_and_its_workers_stay(server: Server, refused: Refusal) -> None:
    apply(server, pool("a", "brief"))
    names = scale(server, "a", 2)
    until(lambda: {server.http.get(f"/workers/{each}").json()["state"] for each in names} == {"joining"})
    server.drivers = (PRETEND,)
    server.restart()
    assert shown(server, "brief")["state"] == "missing"
    (trouble,) = server.http.get("/status").json()["drivers"]
    assert "Driver brief is missing" in trouble
    assert "it still has 2 workers and is named by pool a" in trouble
    refused(409, "POST", "/drivers/pretend/forget", server.http, json={})
    asked = server.http.post("/drivers/brief/forget", params={"dry_run": True}, json={}).json()
    assert "2 workers of driver brief would be given up" in asked["text"]
    assert {server.http.get(f"/workers/{each}").json()["state"] for each in names} == {"joining"}
    server.http.post("/drivers/brief/forget", json={}).raise_for_status()
    worker = server.http.get(f"/workers/{names[0]}").json()
    assert worker["state"] == "failed"
    assert "the machine (pretend-" in worker["why_removed"]
    assert "may still run at the provider" in worker["why_removed"]


def test_the_settings_of_a_pool_reach_its_driver_also_after_a_restart(server: Server) -> None:
    options = {"image": "debian-12", "network": "blue"}
    apply(server, pool("a", "pretend", driver_options=options))
    (name,) = scale(server, "a", 1)
    until(lambda: server.http.get(f"/workers/{name}").json()["state"] == "joining")
    (machine,) = world(server, "pretend").machines.values()
    assert dict(machine.spec.driver_options) == options
    server.restart()
    (worker,) = server.running.core.state.workers.values()
    assert dict(worker.spec.driver_options) == options


def test_a_check_asks_the_provider_and_has_a_row_for_each_thing_that_it_needs(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = server.http.get("/drivers/pretend/check").raise_for_status().json()
    assert found == {
        "driver": "pretend",
        "passed": True,
        "checks": [{"name": "provider", "passed": True, "detail": "It answers.", "remedy": ""}],
    }
    rows = (Check(name="tool clone", passed=False, detail="", remedy="Name the tool in the settings."),)
    monkeypatch.setattr(PretendDriver, "checks", lambda self: rows, raising=False)
    found = server.http.get("/drivers/pretend/check").raise_for_status().json()
    assert (found["passed"], found["checks"][0]["remedy"]) == (False, "Name the tool in the settings.")
    monkeypatch.undo()
    driver = server.running.core.drivers["pretend"]
    monkeypatch.setattr(driver, "health", lambda: (_ for _ in ()).throw(RateLimited("Too many calls.", 1.0)))
    answer = server.http.get("/drivers/pretend/check")
    assert answer.status_code == 503
    assert "Driver pretend cannot be checked: Too many calls." in answer.text
    assert server.http.get("/drivers/other/check").status_code == 404
