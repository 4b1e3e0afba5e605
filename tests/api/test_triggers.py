"""What workers really do makes workers: a real server, a real agent, a real load."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from herder.settings.sections import DriverSettings
from tests.api.conftest import Server

#: A tenth of a core: one loop that never rests passes any threshold of it, however busy the machine of the test is.
TENTH = {"name": "tenth", "cpu": "100m", "memory": "512Mi", "disk": "1Gi", "price_per_hour": "0.01"}
LOOP = ["sh", "-c", "while :; do :; done"]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("data"))
    made.drivers = (
        DriverSettings(name="local", kind="local"),
        DriverSettings(name="pretend", kind="pretend"),
    )
    made.start()
    yield made
    for pool in made.http.get("/pools").json()["items"]:
        made.http.delete(f"/pools/{pool['name']}").raise_for_status()
    for each in made.http.get("/workers").json()["items"]:
        made.http.post(f"/workers/{each['name']}/remove", json={"force": True})  # or it is going already
    until(lambda: not made.http.get("/workers").json()["items"], "the workers to go")
    made.stop()


def until(holds: Any, what: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def workers(api: httpx.Client, pool: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("/workers", params={"pool": pool}).json()["items"]
    return found


def report(api: httpx.Client, pool: str) -> dict[str, Any]:
    return next(each for each in api.get("/plans/next").json()["pools"] if each["pool"] == pool)


def test_a_real_load_on_a_real_worker_makes_another(local: Server) -> None:
    pool = {
        "name": "loaded",
        "driver": "local",
        "templates": [TENTH],
        "max_workers": 2,
        "dead_after": "3s",
        "boot_timeout": "60s",
        "cpu_pressure": {"above": "50%", "for": "1s"},
    }
    local.http.post("/apply", json={"pools": [pool]}).raise_for_status()
    job = {"command": LOOP, "pool": "loaded", "cpu": "100m", "memory": "64Mi"}
    local.http.post("/jobs", json=job).raise_for_status()
    until(lambda: len(workers(local.http, "loaded")) == 2, "the second worker")
    first, second = sorted(workers(local.http, "loaded"), key=lambda each: str(each["requested_at"]))
    why = local.http.get(f"/workers/{second['name']}/why").json()
    assert "CPU, above 50%" in why["summary"]
    use = local.running.core.state.workers[first["name"]].use
    assert use is not None
    assert use.cpu_milli > 50
    assert use.memory_mib > 0
    until(
        lambda: local.running.core.state.workers[second["name"]].use is not None,
        "what the second worker uses",
    )
    assert report(local.http, "loaded")["reasons"]
