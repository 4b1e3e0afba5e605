"""A change by plan and apply: over the API, and with the official client of the Model Context Protocol. The server checks the hash."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from herder.client import HerderClient
from herder.control.pools import adding
from herder.mcp.serving import server_of
from herder.model.fleet.offer import Offer
from tests.api.conftest import POOLS, Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("data")
    made = Server(folder).start()
    kept = {**POOLS[0], "name": "kept", "min_workers": 1, "default_eligible": False}
    wide = [{**pool, "max_workers": 20} for pool in POOLS]
    made.http.post("/apply", json={"pools": [*wide, kept]}).raise_for_status()
    yield made
    made.stop()


def call(server: Server, name: str, /, token: str = "", **arguments: Any) -> Any:
    async def run() -> Any:
        with HerderClient(server.running.url, token or server.running.token, retries=0) as herder:
            async with Client(server_of(lambda _context: herder, "1")) as client:
                return await client.call_tool(name, arguments)

    return asyncio.run(run())


def planned(server: Server, name: str, /, **arguments: Any) -> str:
    answer = call(server, name, **arguments)
    assert not answer.is_error, answer.content
    assert answer.structured_content["dry_run"] is True
    return str(answer.structured_content["plan_hash"])


def workers_of(server: Server, pool: str) -> list[str]:
    return [row["name"] for row in server.http.get("/workers", params={"pool": pool}).json()["items"]]


def stale(answer: Any) -> bool:
    return bool(answer.is_error) and "out of date" in answer.content[0].text


def test_workers_are_added_by_plan_and_apply_and_only_once(server: Server) -> None:
    before = workers_of(server, "big")
    seen = planned(server, "plan_scale_pool", pool="big", workers=2)
    assert workers_of(server, "big") == before
    applied = call(server, "apply_scale_pool", pool="big", workers=2, plan_hash=seen)
    assert not applied.is_error
    assert len(workers_of(server, "big")) == len(before) + 2
    assert stale(call(server, "apply_scale_pool", pool="big", workers=2, plan_hash=seen))
    assert len(workers_of(server, "big")) == len(before) + 2


@pytest.mark.parametrize("change", [{"workers": 3}, {"reason": "another"}, {"plan_hash": "0" * 32}])
def test_a_plan_is_for_what_was_planned(server: Server, change: dict[str, Any]) -> None:
    before = workers_of(server, "big")
    seen = planned(server, "plan_scale_pool", pool="big", workers=1)
    arguments = {"pool": "big", "workers": 1, "plan_hash": seen, **change}
    assert stale(call(server, "apply_scale_pool", **arguments))
    assert workers_of(server, "big") == before


def test_a_plan_is_out_of_date_when_the_pool_was_changed(server: Server) -> None:
    before = workers_of(server, "std")
    seen = planned(server, "plan_scale_pool", pool="std", workers=1)
    server.http.post("/apply", json={"pools": [{**POOLS[0], "max_workers": 19}]}).raise_for_status()
    assert stale(call(server, "apply_scale_pool", pool="std", workers=1, plan_hash=seen))
    assert workers_of(server, "std") == before


def test_a_plan_is_out_of_date_when_a_worker_costs_more(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool as it is written is the same: the next offer is dearer, as after a zone has reached its limit."""
    before = workers_of(server, "big")
    answer = call(server, "plan_scale_pool", pool="big", workers=1).structured_content
    assert [each["workers"] for each in answer["offers"]] == [1]
    cheapest = adding._offers

    def dearer(*given: Any) -> list[Offer]:
        return [replace(each, price_pico_per_hour=each.price_pico_per_hour + 1) for each in cheapest(*given)]

    monkeypatch.setattr(adding, "_offers", dearer)
    assert stale(call(server, "apply_scale_pool", pool="big", workers=1, plan_hash=answer["plan_hash"]))
    assert workers_of(server, "big") == before


def test_a_drain_is_out_of_date_when_its_worker_became_permanent(server: Server) -> None:
    pool = {**POOLS[0], "name": "later", "default_eligible": False}
    server.http.post("/apply", json={"pools": [pool]}).raise_for_status()
    worker = server.worker("later")
    seen = planned(server, "plan_drain_worker", worker=worker.name)
    server.http.post("/apply", json={"pools": [{**pool, "min_workers": 1}]}).raise_for_status()
    answer = server.http.post(f"/workers/{worker.name}/drain", params={"if_plan": seen}, json={})
    assert answer.status_code == 409
    assert "out of date" in answer.text


def test_a_viewer_and_another_person_are_refused(server: Server) -> None:
    before = workers_of(server, "big")
    viewer, operator = server.token_of("viewer"), server.token_of("operator")
    seen = planned(server, "plan_scale_pool", pool="big", workers=1)
    arguments = {"pool": "big", "workers": 1, "plan_hash": seen}
    refused = call(server, "apply_scale_pool", token=viewer, **arguments)
    assert refused.is_error
    assert not stale(refused)
    assert call(server, "plan_scale_pool", token=viewer, pool="big", workers=1).is_error
    assert stale(call(server, "apply_scale_pool", token=operator, **arguments))
    assert workers_of(server, "big") == before


def test_a_worker_is_drained_by_plan_and_apply(server: Server) -> None:
    worker = server.worker("std")
    early = planned(server, "plan_drain_worker", worker=worker.name)
    job = server.http.post("/jobs", json={"command": ["sleep", "1"], "pool": "std"}).json()["first_job"]
    worker.take()
    assert stale(call(server, "apply_drain_worker", worker=worker.name, plan_hash=early))
    seen = planned(server, "plan_drain_worker", worker=worker.name)
    assert not call(server, "apply_drain_worker", worker=worker.name, plan_hash=seen).is_error
    assert server.http.get(f"/workers/{worker.name}").json()["cordoned"] is True
    worker.end(job)


def test_a_permanent_worker_is_protected(server: Server) -> None:
    name = server.worker("kept").name
    for tool, more in (("plan_drain_worker", {}), ("apply_drain_worker", {"plan_hash": "0"})):
        refused = call(server, tool, worker=name, **more)
        assert refused.is_error
        assert "min_workers 1" in refused.content[0].text
    assert server.http.get(f"/workers/{name}").json()["cordoned"] is False


def test_a_job_is_cancelled_by_plan_and_apply(server: Server) -> None:
    job = server.http.post("/jobs", json={"command": ["true"], "pool": "big"}).json()["first_job"]
    seen = planned(server, "plan_cancel_job", job=job)
    assert not call(server, "apply_cancel_job", job=job, plan_hash=seen).is_error
    assert stale(call(server, "apply_cancel_job", job=job, plan_hash=seen))
    assert server.http.get(f"/jobs/{job}").json()["state"] == "cancelled"


def test_a_call_without_plans_refuses_a_hash(server: Server) -> None:
    answer = server.http.post("/pools/big/freeze", params={"if_plan": "0"}, json={})
    assert answer.status_code == 422
    assert "if_plan" in answer.text


def test_failed_jobs_are_retried_by_plan_and_apply(server: Server) -> None:
    pool = {**POOLS[0], "name": "again", "default_eligible": False}
    server.http.post("/apply", json={"pools": [pool]}).raise_for_status()
    worker = server.worker("again")
    body = {"jobs": [{"command": ["false"], "pool": "again"}]}
    batch = server.http.post("/batches", json=body).raise_for_status().json()["id"]
    server.http.post(f"/batches/{batch}/commit").raise_for_status()
    (job,) = server.http.get("/jobs", params={"batch": batch}).json()["items"]
    worker.take()
    worker.end(job["id"], state="failed", cause="exit_code", exit_code=1)
    assert server.http.get(f"/jobs/{job['id']}").json()["state"] == "failed"
    seen = planned(server, "plan_retry_batch", batch=batch)
    assert not call(server, "apply_retry_batch", batch=batch, plan_hash=seen).is_error
    assert server.http.get(f"/jobs/{job['id']}").json()["state"] != "failed"
    assert stale(call(server, "apply_retry_batch", batch=batch, plan_hash=seen))
