"""What one item of a report, one result or one payload can do to the others that travel with it: nothing."""

from typing import Any

import httpx
import msgspec
import pytest

from herder.control.jobs.attempts import inputs as gathering
from herder.wire.nesting import LEVELS_MAX
from herder.wire.worker.exchange import ExchangeAnswer
from tests.api.conftest import POOLS, PlayedWorker, Server

MIB = 2**20
NOOP: dict[str, Any] = {"runtime": "noop", "cpu": "1m", "memory": "1Mi"}


def raw_exchange(worker: PlayedWorker, **body: Any) -> httpx.Response:
    worker.number += 1
    return worker.http.post(
        "/worker/exchange", json={"number": worker.number, "ack": worker.ack, "wait": False, **body}
    )


def batch_of(api: httpx.Client, *jobs: dict[str, Any]) -> tuple[int, int]:
    """Its number and that of its first job."""
    batch = api.post("/batches", json={}).raise_for_status().json()["id"]
    first = api.post(f"/batches/{batch}/jobs", json={"jobs": list(jobs)}).raise_for_status().json()
    api.post(f"/batches/{batch}/commit").raise_for_status()
    return batch, first["first_job"]


BAD_ENDS = [
    [1, 1, "exploded", 1, 2],
    [1, 1, "failed", 10**30, 2],
    [1, 1],
    {"job": 1},
    "nonsense",
]


@pytest.mark.parametrize("bad", BAD_ENDS)
def test_a_bad_end_is_named_and_the_others_are_taken(
    api: httpx.Client, worker: PlayedWorker, bad: Any
) -> None:
    _, job = batch_of(api, NOOP, NOOP)
    worker.take(2)
    good = [[number, 1, "succeeded", 1, 2, 0] for number in (job, job + 1)]
    answer = raw_exchange(worker, finished=[good[0], bad, good[1]])
    assert answer.status_code == 200
    heard = msgspec.json.decode(answer.content, type=ExchangeAnswer)
    assert [(each.kind, each.index) for each in heard.refused] == [("finished", 1)]
    assert heard.refused[0].reason
    assert [api.get(f"/jobs/{number}").json()["state"] for number in (job, job + 1)] == ["succeeded"] * 2


def test_bad_output_and_bad_starts_are_named_and_the_others_are_taken(
    api: httpx.Client, worker: PlayedWorker
) -> None:
    _, job = batch_of(api, NOOP)
    worker.take(1)
    answer = raw_exchange(
        worker,
        started=[["x"], [job, 1, 7]],
        logs=[[job, 1, 0, "out"], [job, 1, "three", "put"], [job, 1, 3, "put"]],
    ).raise_for_status()
    assert [each[:2] for each in answer.json()["refused"]] == [["started", 0], ["logs", 1]]
    assert api.get(f"/jobs/{job}").json()["started_at"]
    assert api.get(f"/jobs/{job}/logs").text == "output"
    worker.end(job)


def test_a_report_without_a_frame_is_refused_as_a_whole(worker: PlayedWorker) -> None:
    assert worker.http.post("/worker/exchange", content=b"}{").status_code == 422
    assert worker.http.post("/worker/exchange", json={"number": "one"}).status_code == 422
    deep = b'{"number":1,"finished":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}"
    assert worker.http.post("/worker/exchange", content=deep).status_code == 422


@pytest.mark.parametrize(
    ("result", "word"),
    [
        (b"[" * (LEVELS_MAX + 1) + b"]" * (LEVELS_MAX + 1), "nested more than 64 levels deep"),
        (b'"\xff"', "not UTF-8"),
        (b'"' + b"x" * MIB + b'"', "larger than"),
    ],
)
def test_a_result_that_cannot_be_kept_is_left_out_and_told(
    api: httpx.Client, worker: PlayedWorker, result: bytes, word: str
) -> None:
    _, job = batch_of(api, NOOP)
    worker.take(1)
    worker.end(job, exit_code=0, result=msgspec.Raw(result))
    detail = api.get(f"/jobs/{job}").json()
    assert (detail["state"], detail["result"]) == ("succeeded", None)
    assert word in detail["history"][0]["message"]


def test_what_a_worker_says_of_its_troubles_is_kept_within_bounds(
    server: Server, worker: PlayedWorker
) -> None:
    worker.exchange(troubles=["no space"] + ["x" * 10_000] * 50)
    kept = server.running.core.state.workers[worker.name].troubles  # type: ignore[index]
    assert kept[0] == "no space"
    assert len(kept) <= 8
    assert max(map(len, kept)) <= 300
    worker.exchange()
    assert server.running.core.state.workers[worker.name].troubles == ()  # type: ignore[index]


def finish(worker: PlayedWorker, first: int, count: int, result: bytes, at_once: int) -> None:
    for start in range(first, first + count, at_once):
        ends = [
            (number, 1, "succeeded", 1, 2, 0, "", "", msgspec.Raw(result))
            for number in range(start, min(start + at_once, first + count))
        ]
        worker.number += 1
        body = {"number": worker.number, "ack": worker.ack, "wait": False, "finished": ends}
        worker.http.post("/worker/exchange", content=msgspec.json.encode(body)).raise_for_status()


def test_results_of_many_parents_are_fetched_apart(api: httpx.Client, worker: PlayedWorker) -> None:
    parents = 30
    child = {**NOOP, "parents": list(range(parents)), "parents_results": True, "env": {"A": "b"}}
    _, job = batch_of(api, *[NOOP] * parents, child)
    worker.take(parents)
    finish(worker, job, parents, b'"' + b"p" * (MIB - 10) + b'"', 10)
    (assignment,) = worker.take(1)
    assert assignment.fetch
    assert len(assignment.payload) < 1000
    path = f"/worker/attempts/{assignment.job}/{assignment.attempt}/inputs"
    results = worker.http.get(path).raise_for_status().json()
    assert [each["job"] for each in results] == list(range(job, job + parents))
    assert {len(each["result"]) for each in results} == {MIB - 10}
    assert api.get(path).status_code == 401, "a person's token opens nothing here"
    assert worker.http.get(f"/worker/attempts/{job}/1/inputs").status_code == 404
    assert worker.http.get(f"/worker/attempts/{assignment.job}/2/inputs").status_code == 404
    assert worker.http.get("/worker/attempts/x/1/inputs").status_code == 422
    worker.end(assignment.job)


def test_small_results_of_parents_travel_along(api: httpx.Client, worker: PlayedWorker) -> None:
    child = {**NOOP, "parents": [0, 1], "parents_results": True}
    _, job = batch_of(api, {**NOOP, "key": "a"}, NOOP, child)
    worker.take(2)
    finish(worker, job, 1, b'{"n":1}', 1)
    finish(worker, job + 1, 1, b"null", 1)
    (assignment,) = worker.take(1)
    assert not assignment.fetch
    inputs = msgspec.json.decode(assignment.payload)["inputs"]
    assert msgspec.json.decode(inputs["parents.json"]) == [
        {"job": job, "key": "a", "result": {"n": 1}},
        {"job": job + 1, "key": None, "result": None},
    ]
    worker.end(assignment.job)


def test_an_answer_carries_as_much_as_fits_and_the_next_the_rest(
    api: httpx.Client, worker: PlayedWorker
) -> None:
    """12 MB of payloads, from memory and from the store: never more than the bound in one answer, and all come in turn."""
    large = {**NOOP, "inputs": {"data": "x" * 250_000}}
    _, job = batch_of(api, *[large] * 48)
    seen: set[int] = set()
    for _ in range(200):
        heard = worker.exchange(wait=True)
        assert sum(len(each.payload) for each in heard.assign) <= gathering.ANSWER_BYTES_MAX
        seen |= {each.job for each in heard.assign}
        if len(seen) == 48:
            break
    assert seen == set(range(job, job + 48))
    finish(worker, job, 48, b"null", 48)


def test_an_attempt_whose_payload_is_gone_fails_and_stops_nobody(
    server: Server, api: httpx.Client, worker: PlayedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[int] = []
    read = gathering._read_payloads

    def without(connection: Any, wanted: Any, bytes_left: int) -> Any:
        found, looked_at = read(connection, wanted, bytes_left)
        return {each: text for each, text in found.items() if each not in lost}, looked_at

    monkeypatch.setattr(gathering, "_read_payloads", without)
    monkeypatch.setattr(server.running.core.payloads, "take", lambda job: None)
    next_job = server.running.core.state.next_job
    lost.append(next_job)
    _, job = batch_of(api, NOOP, NOOP)
    assert job == next_job
    (assignment,) = worker.take(1)
    assert assignment.job == job + 1
    worker.end(job + 1)
    detail = api.get(f"/jobs/{job}").json()
    assert (detail["state"], detail["cause"]) == ("failed", "start_failed")
    assert "not in the store" in detail["history"][0]["message"]


def test_cpu_is_a_cap_only_where_the_job_or_its_pool_says_so(
    server: Server, api: httpx.Client, worker: PlayedWorker
) -> None:
    def hard(job: dict[str, Any]) -> bool:
        number = api.post("/jobs", json={**NOOP, **job}).raise_for_status().json()["first_job"]
        (assignment,) = worker.take(1)
        finish(worker, number, 1, b"null", 1)
        return bool(assignment.cpu_hard)

    assert not hard({})
    assert hard({"cpu_limit": "hard"})
    assert not hard({"cpu_limit": "weight"})
    assert api.post("/jobs", json={**NOOP, "cpu_limit": "soft"}).status_code == 422
    std = {**POOLS[0], "cpu_limit": "hard"}
    api.post("/apply", json={"pools": [std]}).raise_for_status()
    try:
        assert hard({})
        assert hard({"cpu_limit": "hard"})
        assert not hard({"cpu_limit": "weight"})
        assert api.get("/pools/std").json()["settings"]["cpu_limit"] == "hard"
    finally:
        api.post("/apply", json={"pools": [{**POOLS[0], "cpu_limit": "weight"}]}).raise_for_status()
