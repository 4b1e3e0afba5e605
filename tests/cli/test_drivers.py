"""`herder driver` against a real server with a provider that hangs and one that is gone."""

import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from herder.cli.shell.main import build_app, run
from herder.model.fleet.driver import InvalidRequest
from herder.settings.sections.server import DriverSettings
from tests.api.conftest import PlayedWorker, Server
from tests.cli.conftest import Result

TEMPLATE = {"name": "two", "cpu": 2, "memory": "4Gi", "price_per_hour": "0.10"}
PRETEND = DriverSettings(name="pretend", kind="pretend")
OLD = DriverSettings(name="old", kind="pretend")
SPARE = DriverSettings(name="spare", kind="pretend")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("data"))
    made.drivers = (PRETEND, OLD, SPARE)
    made.sweep_period_s = 0.2
    made.start()
    yield made
    made.stop()


@pytest.fixture
def herder(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    def call(*words: str) -> Result:
        monkeypatch.setenv("HERDER_URL", server.running.url)
        monkeypatch.setenv("HERDER_TOKEN", server.running.token)
        code = run(build_app(), words)
        captured = capsys.readouterr()
        return Result(int(code), captured.out, captured.err)

    return call


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def test_list_and_get_show_who_is_doing_what(server: Server, herder: Callable[..., Result]) -> None:
    until(lambda: herder("driver", "list", "-o", "csv").out.count("ready") == 3)
    pool = {"name": "a", "driver": "pretend", "templates": [TEMPLATE], "max_workers": 3}
    server.http.post("/apply", json={"pools": [pool]}).raise_for_status()
    gate = server.running.core.drivers["pretend"].world.hang("create")  # type: ignore[attr-defined]
    (name,) = server.http.post("/pools/a/scale", json={"workers": 1, "ttl_s": 3600}).json()["workers"]
    assert gate.reached.wait(20)
    table = herder("driver", "list")
    (row,) = [line for line in table.out.splitlines() if line.startswith("pretend")]
    assert f"create {name} " in row
    assert "NAME" in table.out
    assert f"create   {name}" in herder("driver", "get", "pretend").out
    found = json.loads(herder("driver", "get", "pretend", "-o", "json").out)
    assert found["calls"][0]["worker"] == name
    gate.release()


def test_offers_are_listed_with_price_and_what_is_not_known(
    server: Server, herder: Callable[..., Result]
) -> None:
    spot = {**TEMPLATE, "zones": [{"name": "z1", "max_workers": 3}, {"name": "z2"}]}
    pool = {"name": "a", "driver": "pretend", "templates": [spot], "max_workers": 3}
    server.http.post("/apply", json={"pools": [pool]}).raise_for_status()
    listed = herder("offer", "list", "--driver", "pretend")
    lines = listed.out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["NAME", "POOL", "DRIVER"],
        *[[TEMPLATE["name"], "a", "pretend"]] * 2,
    ]
    assert max(map(len, lines)) <= 80
    assert "Not known: driver pretend reports no quotas" in listed.err
    plain = json.loads(herder("offer", "list", "-o", "json").out)
    assert [(each["zone"], each["workers_left"], each["quota_as_of"]) for each in plain["items"]] == [
        ("z1", 3, None),
        ("z2", None, None),
    ]
    wrong = herder("offer", "list", "--driver", "pretendd")
    assert wrong.code != 0
    assert "pretend" in wrong.err


def test_freeze_and_unfreeze_say_what_happens(herder: Callable[..., Result]) -> None:
    done = herder("driver", "freeze", "pretend", "--message", "maintenance")
    assert (done.code, done.out) == (
        0,
        "Driver pretend is frozen: Herder creates and removes no workers with it.\n",
    )
    assert "Driver pretend was frozen by admin: maintenance." in herder("driver", "list").err
    assert "Driver pretend was frozen by admin: maintenance." in herder("status").out
    asked = herder("driver", "unfreeze", "pretend", "--allow-removals")
    assert asked.code == 2, "nobody is there to ask"
    assert "unknown machines are removed without the limit. Add --yes." in " ".join(asked.err.split())
    assert "Driver pretend was frozen by admin" in herder("status").out
    again = herder("driver", "unfreeze", "pretend", "--allow-removals", "--yes")
    assert "For 10 minutes" in again.out
    assert "Drivers" not in herder("status").out
    herder("driver", "freeze", "pretend")
    assert herder("driver", "unfreeze", "pretend").code == 0, "this alone removes nothing"
    wrong = herder("driver", "freeze", "pretned")
    assert wrong.code == 3
    assert "did you mean 'pretend'" in wrong.err.lower()


def test_forget_asks_and_closes(server: Server, herder: Callable[..., Result]) -> None:
    pool = {"name": "b", "driver": "old", "templates": [TEMPLATE], "max_workers": 3}
    server.http.post("/apply", json={"pools": [pool]}).raise_for_status()
    (name,) = server.http.post("/pools/b/scale", json={"workers": 1, "ttl_s": 3600}).json()["workers"]
    until(lambda: server.http.get(f"/workers/{name}").json()["state"] == "joining")
    assert "in the server's settings" in herder("driver", "forget", "old", "--yes").err
    server.drivers = (PRETEND, SPARE)
    server.restart()
    asked = herder("driver", "forget", "old")
    assert asked.code == 2
    assert "1 worker of driver old would be given up" in asked.err
    assert server.http.get(f"/workers/{name}").json()["state"] == "joining"
    done = herder("driver", "forget", "old", "--yes")
    assert "1 worker of driver old is given up" in done.out
    assert server.http.get(f"/workers/{name}").json()["state"] == "failed"


def test_a_trial_that_cannot_be_made_says_which_step_failed(
    server: Server, herder: Callable[..., Result]
) -> None:
    assert herder("driver", "check", "spare", "--pool", "t").code == 2
    none = herder("driver", "check", "spare", "--write", "--yes")
    assert none.code == 3
    assert "No pool has a template of driver spare." in none.err
    templates = [TEMPLATE, {**TEMPLATE, "name": "dear", "price_per_hour": "0.90", "driver": "pretend"}]
    pools = [
        {"name": name, "driver": "spare", "templates": templates, "max_workers": 3} for name in ("t", "u")
    ]
    server.http.post("/apply", json={"pools": pools}).raise_for_status()
    which = herder("driver", "check", "spare", "--write", "--yes")
    assert which.code == 2
    assert "Pools t and u have templates of driver spare." in which.err
    asked = herder("driver", "check", "spare", "--write", "--pool", "t")
    assert asked.code == 2
    assert "One worker of template two is created in pool t" in asked.err
    world = server.running.core.drivers["spare"].world  # type: ignore[attr-defined]
    world.fail("create", InvalidRequest("There is no image debian."), times=50)
    failed = herder("driver", "check", "spare", "--write", "--pool", "t", "--yes", "-o", "json")
    assert failed.code == 1
    rows = {each["name"]: each for each in json.loads(failed.out)["items"]}
    assert [each["passed"] for each in rows.values()] == [True, False, True]
    assert "There is no image debian" in rows["create a worker"]["detail"]
    assert rows["remove it"]["detail"] == "It has ended. No machine is known."
    world.faults.clear()
    for name in ("t", "u"):
        server.http.delete(f"/pools/{name}").raise_for_status()


def test_a_trial_that_succeeds_leaves_nothing(server: Server, herder: Callable[..., Result]) -> None:
    """Of the other driver of a pool, and its agent is played."""
    templates = [TEMPLATE, {**TEMPLATE, "name": "other", "driver": "spare"}]
    pool = {"name": "v", "driver": "pretend", "templates": templates, "max_workers": 3, "ttl_max": "30m"}
    server.http.post("/apply", json={"pools": [pool]}).raise_for_status()
    world = server.running.core.drivers["spare"].world  # type: ignore[attr-defined]
    ended = threading.Event()

    def agents() -> None:
        while not ended.wait(0.05):
            for booted in world.newly_booted():
                PlayedWorker(server, booted.spec.name, booted.start.activation_token).close()

    playing = threading.Thread(target=agents)
    playing.start()
    try:
        done = herder("driver", "check", "spare", "--write", "--yes")
    finally:
        ended.set()
        playing.join()
    assert done.code == 0, (done.out, done.err)
    assert "It was ready after" in done.out
    assert "Its machine is removed." in done.out
    assert not world.machines
    # No job is placed on it, which its removal would end.
    events = server.http.get("/events", params={"kind": "worker.cordoned"}).json()["items"]
    assert [each["object"].startswith("worker/v-") for each in events] == [True]
