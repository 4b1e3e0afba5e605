"""Resources that a server declares: jobs wait for them, quotas count them, and they outlive the server and its file."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herder.control.recovery.recover import recover
from herder.engine.memory.invariants import violations as engine_violations
from herder.model.ids import WorkerName
from herder.model.values.resources import PLAIN, Dimensions, declare
from herder.simulate.history.verify import verify
from herder.store.invariants import violations
from herder.store.opening.database import open_engine, sqlite_url
from tests.api.conftest import PlayedWorker, Server

ABAQUS = "licence/abaqus"
POOL: dict[str, Any] = {
    "name": "std",
    "driver": "pretend",
    "templates": [
        {
            "name": "licensed",
            "cpu": 8,
            "memory": "8Gi",
            "disk": "10Gi",
            "resources": {ABAQUS: 2},
            "price_per_hour": "0.10",
        },
        {"name": "plain", "cpu": 8, "memory": "8Gi", "disk": "10Gi", "price_per_hour": "0.01"},
    ],
    "max_workers": 3,
}


class Licensed(Server):
    resources = Dimensions((declare(ABAQUS), declare("pods")))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Licensed(tmp_path).start()
    made.http.post("/apply", json={"pools": [POOL]}).raise_for_status()
    yield made
    made.stop()


def submit(server: Server, count: int = 1, **more: Any) -> list[int]:
    job = {"command": ["true"], "cpu": "100m", "memory": "10Mi", **more}
    answer = server.http.post("/jobs", json=job) if count == 1 else None
    if answer is not None:
        return [int(answer.raise_for_status().json()["first_job"])]
    return [submit(server, **more)[0] for _ in range(count)]


def states(server: Server, jobs: list[int]) -> list[str]:
    return [str(server.http.get(f"/jobs/{job}").json()["state"]) for job in jobs]


def licensed_worker(server: Server) -> PlayedWorker:
    """The one that the plan makes for what waits."""
    world = server.running.core.drivers["pretend"].world  # type: ignore[attr-defined]
    for _ in range(1000):
        for booted in world.newly_booted():
            if booted.spec.template == "licensed":
                return PlayedWorker(server, booted.spec.name, booted.start.activation_token)
        time.sleep(0.01)
    raise AssertionError("no worker with licences was made")


def test_a_worker_runs_as_many_as_it_has_licences_also_after_a_restart(server: Server) -> None:
    jobs = submit(server, 3, resources={ABAQUS: 1})
    submit(server, 1)
    assert server.http.get(f"/jobs/{jobs[0]}").json()["resources"] == {ABAQUS: 1}
    worker = licensed_worker(server)
    taken = {each.job for each in worker.take(3)}
    assert len(taken & set(jobs)) == 2
    view = server.http.get(f"/workers/{worker.name}").json()
    assert (view["resources"], view["free"][ABAQUS]) == ({ABAQUS: 2}, 0)
    assert server.http.get("/pools/std").json()["templates"][0]["resources"] == {ABAQUS: 2}
    server.stop()
    with open_engine(sqlite_url(server.folder)).connect() as connection:
        state, *_ = recover(connection, 0, Licensed.resources)
        assert violations(connection) == []
    assert state.workers[WorkerName(worker.name)].free.amounts()[ABAQUS] == 0
    assert engine_violations(state) == []


def test_what_the_server_does_not_know_is_refused_with_a_remedy(server: Server) -> None:
    answer = server.http.post("/jobs", json={"command": ["true"], "resources": {"licence/ansys": 1}})
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"].endswith("resources.licence/ansys")
    assert ABAQUS in answer.text
    answer = server.http.post("/jobs", json={"command": ["true"], "resources": {ABAQUS: "half"}})
    assert "Write a whole number" in answer.text
    answer = server.http.post("/jobs", json={"command": ["true"], "resources": {ABAQUS: 3}})
    assert "which lacks 1 licence/abaqus" in answer.text
    pool = {**POOL, "templates": [{**POOL["templates"][0], "resources": {"licence/ansys": 1}}]}
    answer = server.http.post("/apply", json={"pools": [pool]})
    assert "There is no resource 'licence/ansys'" in answer.text


def test_a_resource_that_is_declared_no_longer_is_remembered_while_a_job_names_it(server: Server) -> None:
    jobs = submit(server, 1, resources={ABAQUS: 1})
    server.stop()
    server.resources = PLAIN
    server.start()
    assert [each.name for each in server.running.core.state.resources.declared] == [ABAQUS]
    assert states(server, jobs) == ["ready"]


def test_quotas_count_a_declared_resource(server: Server) -> None:
    sharing = {"projects": {"default": {"nominal_quota": {ABAQUS: 1}}}}
    server.http.post("/apply", json={"pools": [], "sharing": sharing}).raise_for_status()
    jobs = submit(server, 2, resources={ABAQUS: 1})
    plans = server.http.get(f"/jobs/{jobs[1]}/explain").json()
    assert "quota" in str(plans)
    (project,) = server.http.get("/projects").json()["items"]
    assert project["nominal_quota"] == {ABAQUS: 1}


def test_plans_with_declared_resources_come_out_byte_for_byte(server: Server, tmp_path: Path) -> None:
    submit(server, 2, resources={ABAQUS: 1})
    for _ in range(300):
        if server.http.get("/plans").json()["items"]:
            break
    server.stop()
    found = verify(str(tmp_path))
    assert found.compared
    assert found.equal == found.compared
    server.start()


def test_a_job_says_which_labels_its_worker_must_have(server: Server) -> None:
    pool = {**POOL, "name": "zoned", "templates": [{**POOL["templates"][1], "zones": ["a", "b"]}]}
    server.http.post("/apply", json={"pools": [pool]}).raise_for_status()
    wanted = [{"key": "zone", "operator": "In", "values": ["b"]}, {"key": "spot", "operator": "DoesNotExist"}]
    (job,) = submit(server, 1, affinity=wanted)
    for _ in range(1000):
        made = [each for each in server.http.get("/workers").json()["items"] if each["pool"] == "zoned"]
        if made:
            break
        time.sleep(0.01)
    assert [each["zone"] for each in made] == ["b"]
    server.restart()
    assert states(server, [job]) == ["ready"]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ({"key": "zone", "operator": "In"}, "In needs at least one value"),
        ({"key": "zone", "operator": "Gt", "values": ["many"]}, "Gt needs one whole number"),
        ({"key": "zone", "operator": "Near", "values": ["a"]}, "Near"),
        ({"key": "zone", "operator": "In", "values": ["mars"]}, "zone In (mars)"),
    ],
)
def test_affinity_that_cannot_be_meant_or_met_is_refused(
    server: Server, expression: dict[str, Any], said: str
) -> None:
    answer = server.http.post("/jobs", json={"command": ["true"], "affinity": [expression]})
    assert answer.status_code in (400, 422)
    assert said in answer.text
