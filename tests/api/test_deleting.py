"""Batches that are deleted: they disappear at once, their rows go in the background, and totals stay."""

import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from herder.control.kernel.core import Core
from herder.store.rows import tables as t
from herder.store.writing import retention
from herder.wire.worker.exchange import LogChunk
from tests.api.conftest import POOLS, PlayedWorker, Refusal, Server
from tests.api.test_work import batch_of, jobs_of


def rows_left(server: Server, batch: int) -> int:
    with server.running.core.store.engine.connect() as connection:  # type: ignore[attr-defined]
        jobs = select(func.count()).select_from(t.jobs).where(t.jobs.c.batch_id == batch)
        batches = select(func.count()).select_from(t.batches).where(t.batches.c.id == batch)
        return int((connection.execute(jobs).scalar() or 0) + (connection.execute(batches).scalar() or 0))


def until_gone(server: Server, batch: int) -> None:
    for _ in range(500):
        if not rows_left(server, batch):
            return
        time.sleep(0.02)
    raise AssertionError(f"{rows_left(server, batch)} rows of batch {batch} are left")


def test_an_ended_batch_is_deleted_with_its_jobs(
    server: Server, api: httpx.Client, worker: PlayedWorker, refused: Refusal
) -> None:
    batch = batch_of(api, {}, {})["id"]
    first, second = (job["id"] for job in jobs_of(api, batch))
    assert "herder batch cancel" in refused(409, "DELETE", f"/batches/{batch}")["hint"]
    worker.take(2)
    worker.exchange(logs=[LogChunk(job=first, attempt=1, offset=0, text="hello")])
    worker.end(first)
    worker.end(second)
    before = api.get("/status").json()["jobs"]
    would = api.delete(f"/batches/{batch}", params={"dry_run": True}).json()["text"]
    assert would == f"Batch {batch} with 2 jobs, 2 attempts and 5 characters of output would be deleted."
    assert api.get(f"/batches/{batch}").status_code == 200
    said = api.delete(f"/batches/{batch}", params={"message": "old"}).json()["text"]
    assert said == f"Batch {batch} with 2 jobs, 2 attempts and 5 characters of output was deleted."
    for path in (f"/batches/{batch}", f"/jobs/{first}", f"/jobs/{first}/logs"):
        refused(404, "GET", path)
    refused(404, "DELETE", f"/batches/{batch}")
    refused(404, "POST", f"/batches/{batch}/retry")
    assert batch not in [each["id"] for each in api.get("/batches").json()["items"]]
    assert first not in [each["id"] for each in api.get("/jobs").json()["items"]]
    until_gone(server, batch)
    assert api.get("/status").json()["jobs"] == before
    assert api.get("/invariants").json() == {"violations": []}


def test_a_cancelled_batch_is_deleted_with_what_was_not_marked_yet(
    server: Server, api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "DELETED_PIECE", 2)
    batch = batch_of(api, {}, {}, {}, {}, {}, commit=False)["id"]
    api.post(f"/batches/{batch}/cancel", json={}).raise_for_status()
    api.delete(f"/batches/{batch}").raise_for_status()
    until_gone(server, batch)
    assert api.get("/invariants").json() == {"violations": []}


@pytest.mark.timeout(60)
def test_a_start_goes_on_with_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(tmp_path).start()
    try:
        server.http.post("/apply", json={"pools": POOLS}).raise_for_status()
        batch = batch_of(server.http, {}, {}, commit=False)["id"]
        server.http.post(f"/batches/{batch}/cancel", json={}).raise_for_status()
        with monkeypatch.context() as patched:
            patched.setattr(Core, "delete_batch", lambda self, batch: None)
            server.http.delete(f"/batches/{batch}").raise_for_status()
        assert rows_left(server, batch) == 3
        server.restart()
        until_gone(server, batch)
    finally:
        server.stop()
