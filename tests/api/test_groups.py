"""Job groups and attributes over HTTP, with played workers: what is shown, found, cancelled and refused, and what a restart keeps."""

import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.control.jobs.submitting import grouping
from herder.control.reads.search import jobs as job_search
from tests.api.conftest import POOLS, PlayedWorker, Refusal, Server
from tests.api.test_search import found
from tests.api.test_work import batch_of, jobs_of

BIG = {"runtime": "noop", "cpu": 8, "pool": "big"}
"""No worker takes it."""


def groups_of(api: httpx.Client, batch: int) -> dict[str, tuple[str, int, dict[str, int]]]:
    items = api.get(f"/batches/{batch}/groups").raise_for_status().json()["items"]
    return {each["path"]: (each["state"], each["jobs"], each["counts"]) for each in items}


def test_groups_are_made_by_the_jobs_that_name_them_and_count_what_is_below(
    api: httpx.Client, worker: PlayedWorker
) -> None:
    batch = batch_of(api, {"group": "align/one"}, {"group": "align"}, {}, commit=False)["id"]
    assert groups_of(api, batch) == {
        "align": ("open", 2, {"pending": 2}),
        "align/one": ("open", 1, {"pending": 1}),
    }
    api.post(f"/batches/{batch}/commit").raise_for_status()
    taken = worker.take(3)
    assert groups_of(api, batch)["align"] == ("running", 2, {"running": 2})
    worker.end(taken[0].job, state="failed", cause="exit_code", exit_code=1)
    for each in taken[1:]:
        worker.end(each.job)
    assert groups_of(api, batch) == {
        "align": ("failed", 2, {"succeeded": 1, "failed": 1}),
        "align/one": ("failed", 1, {"failed": 1}),
    }
    one = api.get(f"/batches/{batch}/groups/align/one").json()
    assert (one["path"], one["state"], one["attributes"]) == ("align/one", "failed", {})
    assert [job["group"] for job in jobs_of(api, batch)] == ["align/one", "align", ""]


def test_a_group_is_cancelled_with_those_below_and_its_jobs_are_cancelled_for_every_reader(
    api: httpx.Client, worker: PlayedWorker, refused: Refusal
) -> None:
    jobs = [{**BIG, "group": group} for group in ("a", "a/b", "c")]
    batch = batch_of(api, *jobs, {"parents": [0], "group": "c"})["id"]
    would = api.post(f"/batches/{batch}/groups/a/cancel", params={"dry_run": True}, json={}).json()["text"]
    assert would == f"2 of 2 jobs of group a of batch {batch} would be cancelled; 0 of them are running."
    said = api.post(f"/batches/{batch}/groups/a/cancel", json={"message": "bad samples"}).json()
    assert said["text"] == f"Group a of batch {batch} was cancelled; 2 of its 2 jobs had not ended."
    assert groups_of(api, batch) == {
        "a": ("cancelled", 2, {"cancelled": 2}),
        "a/b": ("cancelled", 1, {"cancelled": 1}),
        "c": ("running", 2, {"ready": 1, "skipped": 1}),
    }
    assert [job["state"] for job in jobs_of(api, batch)] == ["cancelled", "cancelled", "ready", "skipped"]
    again = api.post(f"/batches/{batch}/groups/a/cancel", json={}).json()["text"]
    assert again == f"Group a of batch {batch} is already cancelled."
    event = api.get("/events", params={"object": f"batch/{batch}", "kind": "batch.group_cancelled"}).json()
    assert "bad samples" in event["items"][0]["text"]
    problem = refused(404, "POST", f"/batches/{batch}/groups/x/cancel", json={})
    assert f"herder batch groups {batch}" in problem["hint"]
    api.post(f"/batches/{batch}/cancel", json={}).raise_for_status()
    assert groups_of(api, batch)["c"] == ("cancelled", 2, {"cancelled": 1, "skipped": 1})
    refused(409, "POST", f"/batches/{batch}/groups/c/cancel", json={})


def test_a_group_costs_what_its_attempts_cost(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    api = server.http
    api.post("/apply", json={"pools": POOLS}).raise_for_status()
    worker = server.worker()
    batch = batch_of(api, {"group": "a/b"}, {"group": "a"}, {"group": "c"}, {})["id"]
    taken = worker.take(4)
    for each in taken[:3]:
        time.sleep(0.02)
        worker.end(each.job)
    server.restart()
    api, worker.http = server.http, server.client(worker.token)
    time.sleep(0.02)
    worker.end(taken[3].job)
    jobs = [api.get(f"/jobs/{job['id']}").json() for job in jobs_of(api, batch)]
    spent = {job["id"]: sum(Decimal(each["cost_usd"]) for each in job["history"]) for job in jobs}
    assert min(spent.values()) > 0
    below, above, other, alone = (spent[job["id"]] for job in jobs)
    shown = {each["path"]: each["cost_usd"] for each in api.get(f"/batches/{batch}/groups").json()["items"]}
    assert {path: Decimal(each) for path, each in shown.items()} == {
        "a": below + above,
        "a/b": below,
        "c": other,
    }
    assert api.get(f"/batches/{batch}/groups/a").json()["cost_usd"] == shown["a"]
    assert Decimal(api.get(f"/batches/{batch}").json()["cost_usd"]) == below + above + other + alone
    assert api.get("/invariants").json() == {"violations": []}
    server.stop()


def test_who_waits_for_a_job_is_told_of_the_cancel_of_its_group(server: Server, api: httpx.Client) -> None:
    batch = batch_of(api, {**BIG, "group": "a"}, BIG)["id"]
    job = jobs_of(api, batch)[0]["id"]
    with ThreadPoolExecutor(1) as pool, server.client(server.running.token) as other:
        waiting = pool.submit(other.get, f"/jobs/{job}/wait", params={"timeout_s": 30}, timeout=60)
        while job not in server.running.core.jobs_ended.by_key:
            time.sleep(0.01)
        api.post(f"/batches/{batch}/groups/a/cancel", json={}).raise_for_status()
        assert waiting.result(25).json()["state"] == "cancelled"
    api.post(f"/batches/{batch}/cancel", json={}).raise_for_status()


def test_a_running_attempt_of_the_group_is_stopped(api: httpx.Client, worker: PlayedWorker) -> None:
    batch = batch_of(api, {"group": "a"}, {"group": "b"})["id"]
    first, second = sorted(each.job for each in worker.take(2))
    api.post(f"/batches/{batch}/groups/a/cancel", json={}).raise_for_status()
    assert [job for job, _ in worker.exchange().cancel] == [first]
    worker.end(first, state="cancelled")
    worker.end(second)
    assert api.get(f"/batches/{batch}/wait").json()["counts"] == {"succeeded": 1, "cancelled": 1}


def test_settings_of_a_group_and_its_limit_on_failures(
    api: httpx.Client, worker: PlayedWorker, refused: Refusal
) -> None:
    group = {"path": "a/b", "attributes": {"lane": "4"}, "cancel_after_failures": 1}
    batch = batch_of(
        api, {"group": "a/b"}, {**BIG, "group": "a/b"}, {**BIG, "group": "a"}, groups=[group], keep_open=True
    )["id"]
    assert api.get(f"/batches/{batch}/groups/a/b").json()["attributes"] == {"lane": "4"}
    (taken,) = worker.take()
    worker.end(taken.job, state="failed", cause="exit_code", exit_code=1)
    assert groups_of(api, batch) == {
        "a": ("running", 3, {"ready": 1, "failed": 1, "cancelled": 1}),
        "a/b": ("cancelled", 2, {"failed": 1, "cancelled": 1}),
    }
    more = {"jobs": [{**BIG, "group": "a/b/c"}]}
    problem = refused(409, "POST", f"/batches/{batch}/jobs", json=more)
    assert "Group a/b of batch" in problem["detail"]
    same = {
        "jobs": [{**BIG, "group": "a"}],
        "groups": [{"path": "a"}, {"path": "d", "attributes": {"x": "y"}}],
    }
    api.post(f"/batches/{batch}/jobs", json=same).raise_for_status()
    other = {"jobs": [], "groups": [{"path": "a", "attributes": {"x": "y"}}]}
    assert "other settings" in refused(409, "POST", f"/batches/{batch}/jobs", json=other)["detail"]
    assert groups_of(api, batch)["d"] == ("running", 0, {})
    api.post(f"/batches/{batch}/cancel", json={}).raise_for_status()


@pytest.mark.parametrize(
    ("body", "status", "field", "named"),
    [
        ({"jobs": [{"group": "a/b/c/d/e/f"}]}, 422, "jobs[0].group", "6 levels"),
        ({"jobs": [{}, {"group": "a//b"}]}, 422, "jobs[1].group", "''"),
        ({"jobs": [{"group": "a/.."}]}, 422, "jobs[0].group", "'..'"),
        ({"jobs": [{"group": "x" * 64}]}, 422, "jobs[0].group", "name of a group"),
        ({"jobs": [{"group": f"g{n}"} for n in range(4)]}, 413, "jobs", "4 groups"),
        ({"groups": [{"path": "a"}, {"path": "a"}]}, 422, "groups[1].path", "two groups"),
        (
            {"groups": [{"path": "a", "cancel_after_failures": 0}]},
            422,
            "groups[0].cancel_after_failures",
            "1",
        ),
        ({"jobs": [{"attributes": {f"k{n}": "v" for n in range(33)}}]}, 422, "jobs[0].attributes", "33"),
        ({"jobs": [{"attributes": {"k" * 64: "v"}}]}, 422, f"jobs[0].attributes.{'k' * 50}", "64 bytes"),
        ({"jobs": [{"attributes": {"k": "v" * 257}}]}, 422, "jobs[0].attributes.k", "257 bytes"),
    ],
)
def test_what_is_wrong_with_groups_and_attributes_is_named_and_nothing_is_made(
    api: httpx.Client,
    refused: Refusal,
    monkeypatch: pytest.MonkeyPatch,
    body: dict[str, Any],
    status: int,
    field: str,
    named: str,
) -> None:
    monkeypatch.setattr(grouping, "GROUPS_PER_BATCH", 3)
    before = api.get("/batches").json()["items"][:1]
    sent = {**body, "jobs": [{"runtime": "noop", **job} for job in body.get("jobs", [])]}
    for query in ({}, {"dry_run": True}):
        problem = refused(status, "POST", "/batches", json=sent, params=query)
        assert problem["field"] == field
        assert named in problem["detail"]
    assert api.get("/batches").json()["items"][:1] == before


def test_a_single_job_has_attributes_and_no_group(api: httpx.Client, refused: Refusal) -> None:
    assert refused(422, "POST", "/jobs", json={"runtime": "noop", "group": "a"})["field"] == "group"
    body = {**BIG, "attributes": {"sample": "s 1", "a.b": "1"}}
    job = api.post("/jobs", json=body).json()["first_job"]
    assert api.get(f"/jobs/{job}").json()["attributes"] == {"sample": "s 1", "a.b": "1"}
    listed = api.get("/jobs", params={"q": 'attribute.sample:"s 1"'}).json()["items"]
    assert [(each["id"], each["attributes"]["a.b"]) for each in listed] == [(job, "1")]
    assert api.get("/jobs", params={"q": f"id:{job} attribute.a.b!=1"}).json()["items"] == []
    api.post(f"/jobs/{job}/cancel", json={}).raise_for_status()
    again = api.post(f"/jobs/{job}/retry").json()["first_job"]
    assert api.get(f"/jobs/{again}").json()["attributes"] == {"sample": "s 1", "a.b": "1"}
    api.post(f"/jobs/{again}/cancel", json={}).raise_for_status()


def test_jobs_are_found_by_group_and_attribute(
    api: httpx.Client, refused: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [
        {**BIG, "key": f"{group.replace('/', '-')}-{n}", "group": group, "attributes": {"n": str(n % 2)}}
        for group in ("a/b", "a", "ab", "c")
        for n in range(3)
    ]
    batch = batch_of(api, *jobs)["id"]
    inside = f"batch:{batch} "
    a = [f"a-b-{n}" for n in range(3)] + [f"a-{n}" for n in range(3)]
    assert found(api, f"{inside}group:a") == a
    assert found(api, f"{inside}group:a/b,c attribute.n:1") == ["a-b-1", "c-1"]
    assert found(api, f"{inside}group!=a attribute.n!=0") == ["ab-1", "c-1"]
    assert [
        job["key"] for job in api.get("/jobs", params={"batch": batch, "group": "a"}).json()["items"]
    ] == a
    monkeypatch.setattr(job_search, "SCANNED_MAX", 4)
    first = api.get("/jobs", params={"batch": batch, "group": "a", "limit": 3}).json()
    assert [job["key"] for job in first["items"]] == a[:3]
    rest = api.get("/jobs", params={"batch": batch, "group": "a", "after": first["next"]}).json()
    assert [job["key"] for job in rest["items"]] == a[3:]
    assert refused(422, "GET", "/jobs", params={"group": "a"})["field"] == "group"
    api.post(f"/batches/{batch}/cancel", json={}).raise_for_status()


def test_groups_come_in_pages(api: httpx.Client) -> None:
    batch = batch_of(api, *({**BIG, "group": f"g{n}"} for n in range(5)), commit=False)["id"]
    first = api.get(f"/batches/{batch}/groups", params={"limit": 3}).json()
    rest = api.get(f"/batches/{batch}/groups", params={"after": first["next"]}).json()
    assert [each["path"] for each in first["items"] + rest["items"]] == [f"g{n}" for n in range(5)]
    assert rest["next"] is None


def test_a_restart_keeps_groups_and_the_cancel_of_one(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    server.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    jobs = [{**BIG, "group": group, "attributes": {"g": group}} for group in ("a", "a/b", "c")]
    batch = batch_of(server.http, *jobs, keep_open=True)["id"]
    server.http.post(f"/batches/{batch}/groups/a/cancel", json={}).raise_for_status()
    before = groups_of(server.http, batch)
    server.restart()
    assert groups_of(server.http, batch) == before
    assert before["a"] == ("cancelled", 2, {"cancelled": 2})
    shown = jobs_of(server.http, batch)
    assert [(job["state"], job["attributes"]) for job in shown] == [
        ("cancelled", {"g": "a"}),
        ("cancelled", {"g": "a/b"}),
        ("ready", {"g": "c"}),
    ]
    added = server.http.post(f"/batches/{batch}/jobs", json={"jobs": [{"runtime": "noop", "group": "a"}]})
    assert added.status_code == 409
    server.http.post(f"/batches/{batch}/cancel", json={}).raise_for_status()
    assert server.http.delete(f"/batches/{batch}").status_code == 200
    assert server.http.get("/invariants").json() == {"violations": []}
    server.stop()
