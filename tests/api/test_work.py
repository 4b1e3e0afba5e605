"""Batches and jobs over HTTP: what is taken, what is refused and how, waiting, pages, results and output."""

import threading
import time
from typing import Any

import httpx
import msgspec
import pytest

from herder.wire.worker.exchange import LogChunk
from tests.api.conftest import PlayedWorker, Refusal, Server

NOOP = {"runtime": "noop"}


def batch_of(api: httpx.Client, *jobs: dict[str, Any], commit: bool = True, **more: Any) -> dict[str, Any]:
    answer = api.post(
        "/batches", json={"name": "b", "jobs": [{**NOOP, **job} for job in jobs], "commit": commit, **more}
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def jobs_of(api: httpx.Client, batch: int) -> list[dict[str, Any]]:
    return list(api.get("/jobs", params={"batch": batch}).json()["items"])


def test_a_job_from_submission_to_its_result_and_output(api: httpx.Client, worker: PlayedWorker) -> None:
    job = api.post("/jobs", json={"command": ["echo", "ü"], "env": {"A": "b"}, "key": "mine"}).json()[
        "first_job"
    ]
    assert api.get(f"/jobs/{job}").json()["state"] in ("ready", "running")
    (assignment,) = worker.take()
    assert assignment.job == job
    assert msgspec.json.decode(assignment.payload)["command"] == ["echo", "ü"]
    worker.exchange(started=[(job, 1, 1)], logs=[LogChunk(job=job, attempt=1, offset=0, text="grü\x00ß\n")])
    worker.exchange(logs=[LogChunk(job=job, attempt=1, offset=8, text="next\n")])
    worker.end(job, exit_code=0, result=msgspec.Raw(b'{"answer": 42}'))
    detail = api.get(f"/jobs/{job}").json()
    assert (detail["state"], detail["exit_code"], detail["result"]) == ("succeeded", 0, {"answer": 42})
    assert [each["worker"] for each in detail["history"]] == [worker.name]
    assert api.get(f"/jobs/{job}/logs").text == "grü\x1aß\nnext\n"
    assert api.get(f"/jobs/{job}/logs", params={"offset": 8, "follow": "true"}).text == "next\n"
    assert "Attempt 1" in api.get(f"/jobs/{job}/explain").json()["facts"][0]["text"]
    assert api.get(f"/jobs/{job}/wait").json()["state"] == "succeeded"


def test_a_worker_writes_output_of_its_own_attempts_only(api: httpx.Client, worker: PlayedWorker) -> None:
    job = api.post("/jobs", json=NOOP).json()["first_job"]
    worker.take()
    worker.exchange(logs=[LogChunk(job=job, attempt=1, offset=0, text="mine")])
    worker.end(job)
    worker.exchange(logs=[LogChunk(job=job, attempt=1, offset=0, text="forged")])
    assert api.get(f"/jobs/{job}/logs").text == "mine"


def test_numbers_that_no_database_holds_stop_nobody(server: Server, worker: PlayedWorker) -> None:
    worker.number += 1
    for body in (
        {"finished": [[1, 1, "failed", 10**30, 2]]},
        {"logs": [[1, 1, 10**30, "x"]]},
        {"started": [[1, 1, 10**30]]},
    ):
        answer = worker.http.post("/worker/exchange", json={"number": worker.number, "wait": False, **body})
        assert [kind for kind, _, _ in answer.json()["refused"]] == list(body)
    assert server.http.get("/ready").status_code == 200


def test_a_batch_in_several_calls(api: httpx.Client, refused: Refusal) -> None:
    batch = batch_of(api, {"key": "a"}, commit=False)
    assert (batch["state"], batch["counts"]) == ("open", {"pending": 1})
    added = api.post(
        f"/batches/{batch['id']}/jobs", json={"jobs": [{**NOOP, "parents": ["a", 2]}, NOOP]}
    ).json()
    assert added["count"] == 2
    assert [job["state"] for job in jobs_of(api, batch["id"])] == ["pending", "blocked", "pending"]
    again = refused(422, "POST", f"/batches/{batch['id']}/jobs", json={"jobs": [{**NOOP, "key": "a"}]})
    assert again["field"] == "jobs[0].key"
    view = api.post(f"/batches/{batch['id']}/commit").json()
    assert view["counts"] == {"blocked": 1, "ready": 2}
    refused(409, "POST", f"/batches/{batch['id']}/jobs", json={"jobs": [NOOP]})
    assert "3 of its 3 jobs" in api.post(f"/batches/{batch['id']}/cancel", json={}).json()["text"]
    assert api.get(f"/batches/{batch['id']}/wait").json()["state"] == "cancelled"
    assert {job["state"] for job in jobs_of(api, batch["id"])} == {"cancelled"}


def test_an_empty_batch_may_be_committed_and_an_open_one_cancelled(api: httpx.Client) -> None:
    assert api.post("/batches", json={"commit": True}).json()["state"] == "succeeded"
    batch = api.post("/batches", json={}).json()
    assert api.post(f"/batches/{batch['id']}/cancel", json={}).status_code == 200
    assert api.get(f"/batches/{batch['id']}").json()["state"] == "cancelled"


def test_always_run_jobs_of_a_cancelled_batch_are_shown_as_what_they_are(
    api: httpx.Client, worker: PlayedWorker
) -> None:
    huge = {"cpu": 8, "pool": "big"}
    batch = batch_of(api, huge, {**huge, "always_run": True})
    api.post(f"/batches/{batch['id']}/cancel", json={})
    assert [job["state"] for job in jobs_of(api, batch["id"])] == ["cancelled", "ready"]
    last = jobs_of(api, batch["id"])[1]["id"]
    assert "cancelled before it started" in api.post(f"/jobs/{last}/cancel", json={}).json()["text"]
    assert api.get(f"/batches/{batch['id']}").json()["ended_at"]


def test_waiting_ends_with_the_end(api: httpx.Client, server: Server, worker: PlayedWorker) -> None:
    batch = batch_of(api, {})
    job = jobs_of(api, batch["id"])[0]["id"]
    assignment = next(each for each in worker.take() if each.job == job)
    got: list[Any] = []

    def wait() -> None:
        with server.client(server.running.token) as client:
            got.append(client.get(f"/batches/{batch['id']}/wait", params={"timeout_s": 20}).json()["state"])
            got.append(client.get(f"/jobs/{assignment.job}/wait", params={"timeout_s": 20}).json()["state"])

    began = time.monotonic()
    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    worker.end(assignment.job)
    thread.join(15)
    assert got == ["succeeded", "succeeded"]
    assert time.monotonic() - began < 10


def test_waiting_leaves_nothing_behind(api: httpx.Client, server: Server, refused: Refusal) -> None:
    batch = batch_of(api, {"cpu": 8, "pool": "big"})
    job = jobs_of(api, batch["id"])[0]["id"]
    for path in (f"/batches/{batch['id']}/wait", f"/jobs/{job}/wait"):
        assert api.get(path, params={"timeout_s": 0.01}).json()["ended_at"] is None
        assert refused(422, "GET", path, params={"timeout_s": "soon"})["field"] == "timeout_s"
    refused(404, "GET", "/jobs/999999/wait")
    core = server.running.core
    assert not core.jobs_ended.by_key
    assert not core.batches_ended.by_key
    api.post(f"/batches/{batch['id']}/cancel", json={})


def warm(*command: str, **options: Any) -> dict[str, Any]:
    return {"runtime": "process", "command": command, "warm_python": options}


@pytest.mark.parametrize(
    ("job", "field", "says"),
    [
        ({"pool": "st"}, "pool", "Did you mean 'std'"),
        ({"cpu": 9}, "cpu", "template"),
        ({"memory": "90Gi"}, "memory", "which lacks"),
        ({"disk": "1Ti"}, "disk", "disk"),
        ({"gpu": 1}, "gpu", "GPU"),
        ({"cpu": "1e999999999"}, "cpu", "not an amount"),
        ({"cpu": "1e5000"}, "cpu", "more than the largest possible amount of CPU"),
        ({"cpu": "1e400000"}, "cpu", "more than the largest possible amount of CPU"),
        ({"memory": "9" * 4000}, "memory", "the maximum is 253"),
        ({"cpu": "-1"}, "cpu", "smallest step"),
        ({"cpu": 0}, "cpu", "must request CPU"),
        ({"memory": "4 apples"}, "memory", "not a size"),
        ({"runtime": "docker"}, "runtime", "no runtime"),
        ({"timeout_s": 0}, "timeout_s", "at least 1 ms"),
        ({"retries": 10**30}, "retries", "not between"),
        ({"priority": 10**30}, "priority", "not between"),
        ({"gpu": -1}, "gpu", "not a valid number of GPUs"),
        ({"selector": {"no": "such"}}, "selector", "labels"),
        ({"tolerations": [{"kay": "x"}]}, "tolerations", "no field 'kay'"),
        ({"tolerations": [{"effect": "x"}]}, "tolerations", "taint effect"),
        ({"tolerations": [{"key": "x", "operator": "exists"}]}, "tolerations", "not an operator"),
        ({"tolerations": [{"key": "x", "operator": "Exists", "value": "y"}]}, "tolerations", "no value"),
        ({"runtime": "process"}, "command", "no command"),
        ({"command": ["a\x00b"]}, "command", "NUL"),
        (warm("python3"), "command", "a Python and a script"),
        (warm("python3", "-c", "1"), "command", "a Python and a script"),
        ({**warm("python3", "a.py"), "runtime": "noop"}, "warm_python", "Only a job of the runtime process"),
        (warm("python3", "a.py", preload=["os", "a b"]), "warm_python.preload", "'a b' is not the name of"),
        (warm("python3", "a.py", preload=["x"] * 51), "warm_python.preload", "the maximum is 50"),
        (warm("python3", "a.py", preload=["x" * 254]), "warm_python.preload", "the maximum is 253"),
        ({"warm_python": {"fork": True}}, "warm_python", "no field 'fork'"),
        ({"stdin": "x" * 300_000}, "command", "the maximum is 262,144"),
        ({"parents": ["nobody"]}, "parents", "not a job of this batch"),
        ({"parents": [7]}, "parents", "outside the batch"),
        ({"parents": [0]}, "parents", "depend on each other in a cycle"),
        ({"key": "a\nb"}, "key", "not a valid name"),
        ({"cpus": 1}, "", "no field 'cpus'"),
        ({"env": {"A": 1}}, "env", "must be text"),
    ],
)
def test_a_wrong_job_is_refused_with_its_field(
    api: httpx.Client, refused: Refusal, job: dict[str, Any], field: str, says: str
) -> None:
    before = api.get("/status").json()["jobs"]
    status = 413 if "stdin" in job else 422
    problem = refused(status, "POST", "/batches", json={"jobs": [{**NOOP, **job}], "commit": True})
    assert problem.get("field", "").rstrip(".") in (
        f"jobs[0].{field}",
        f"jobs[...].{field}",
        field or "jobs[0]",
    )
    assert says in problem["detail"] + problem.get("hint", "")
    assert api.get("/status").json()["jobs"] == before


def test_a_backslash_is_no_nul(api: httpx.Client) -> None:
    job = api.post("/jobs", json={"command": ["printf", "\\u0000"]}).json()["first_job"]
    assert api.get(f"/jobs/{job}").json()["payload"]["command"] == ["printf", "\\u0000"]
    api.post(f"/jobs/{job}/cancel", json={})


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"name": "\xff"}', "not JSON"),
        (b'{"name": "\\ud800"}', "not JSON"),
        (b'{"name": ', "not JSON"),
        (b"[]", "must be a mapping"),
        (b'{"cancel_after_failures": 1' + b"0" * 30 + b"}", "cancel_after_failures must be"),
        (b'{"cancel_after_failures": 0}', "cancel_after_failures must be"),
        (b'{"name": "a\\u0000"}', "not a valid name"),
        (b'{"project": "' + b"x" * 201 + b'"}', "not a valid name"),
    ],
)
def test_a_wrong_body_is_refused(refused: Refusal, api: httpx.Client, body: bytes, says: str) -> None:
    assert says in refused(422, "POST", "/batches", content=body)["detail"]
    assert api.get("/ready").status_code == 200


def test_what_is_nested_without_end_is_refused(refused: Refusal) -> None:
    deep = b'{"pools": [{"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}]}"
    assert "deeply" in refused(422, "POST", "/apply", content=deep)["detail"]


@pytest.mark.parametrize("said", [True, False])
def test_a_call_that_is_too_large(refused: Refusal, said: bool) -> None:
    piece = b" " * 2**20
    body = piece * 33 if said else (piece for _ in range(33))
    refused(413, "POST", "/batches", content=body)


def test_too_many_jobs_in_one_call(refused: Refusal) -> None:
    assert refused(413, "POST", "/batches", json={"jobs": [NOOP] * 10_001})["field"] == "jobs"


@pytest.mark.parametrize("path", ["/batches/77777", "/jobs/77777", "/jobs/77777/explain", "/jobs/77777/logs"])
def test_what_is_not_there(refused: Refusal, path: str) -> None:
    assert refused(404, "GET", path)["code"] == "not_found"


@pytest.mark.parametrize("path", ["/batches/x", "/jobs/²", "/jobs/-1", "/jobs/" + "9" * 30])
def test_what_is_no_number(refused: Refusal, path: str) -> None:
    refused(422, "GET", path)


@pytest.mark.parametrize(
    "query", ["after=--5", "after=²", "after=x", "limit=1e3", "batch=" + "9" * 40, "state=lost"]
)
def test_a_wrong_query(refused: Refusal, query: str) -> None:
    assert refused(422, "GET", f"/jobs?{query}")["field"] == query.partition("=")[0]


def test_pages_are_complete_and_do_not_repeat(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = batch_of(api, *[{"cpu": 8, "pool": "big"}] * 25)
    for query in ({"batch": batch["id"]}, {"pool": "big", "state": "ready"}):
        seen: list[int] = []
        after: str | None = None
        while True:
            page = api.get(
                "/jobs", params={**query, "limit": 10, **({"after": after} if after else {})}
            ).json()
            seen += [job["id"] for job in page["items"]]
            after = page["next"]
            if after is None:
                break
        assert len(seen) == len(set(seen)) == 25
        assert seen == sorted(seen, reverse="batch" not in query)
    assert len(api.get("/batches", params={"limit": 1}).json()["items"]) == 1
    first = jobs_of(api, batch["id"])[0]["id"]
    told = api.get(f"/jobs/{first}/explain").json()
    assert "has been queued for" in told["summary"]
    assert "expected to start" not in told["summary"], "from seconds to a quarter of an hour: no use"
    assert "eta" not in {fact["kind"] for fact in told["facts"]}
    monkeypatch.setattr("herder.control.reads.explanations.explain.ETA_FACTOR_MAX", 100)
    told = api.get(f"/jobs/{first}/explain").json()
    eta = next(fact for fact in told["facts"] if fact["kind"] == "eta")
    assert "expected to start" in told["summary"]
    assert 0 <= eta["evidence"]["p10_ms"] <= eta["evidence"]["p50_ms"] <= eta["evidence"]["p90_ms"]
    api.post(f"/batches/{batch['id']}/cancel", json={})


def test_classes_are_bounded(api: httpx.Client, refused: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("herder.control.jobs.submitting.class_refusals.CLASSES_MAX", 0)
    body = {"runtime": "noop", "pool": "std", "project": "one-more-class"}
    assert (
        "job classes (user, project, size and policy), the maximum"
        in refused(429, "POST", "/jobs", json=body)["detail"]
    )
    monkeypatch.undo()
    assert api.post("/jobs", json=body).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/jobs?user=%00",
        "/jobs?pool=a%00",
        "/batches?user=%00",
        "/events?object=%00",
        "/workers/%00",
        "/pools/a%00",
    ],
)
def test_a_nul_in_an_address_is_refused_before_a_database_sees_it(api: httpx.Client, path: str) -> None:
    answer = api.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert "NUL" in answer.json()["detail"]


def test_a_job_that_ended_is_submitted_again_as_it_was(
    api: httpx.Client, worker: PlayedWorker, refused: Refusal
) -> None:
    asked = {
        "command": ["sort", "in.txt"], "key": "again", "env": {"A": "b"}, "stdin": "s", "inputs": {"in.txt": "2\n1\n"},
        "cwd": "/tmp", "cpu": "250m", "memory": "64Mi", "disk": "5Mi", "timeout_s": 60, "retries": 0, "priority": -3,
        "cpu_limit": "hard", "tolerations": [{"key": "spot", "value": "true"}, {"effect": "NoSchedule"}],
        "affinity": [{"key": "zone", "operator": "DoesNotExist"}],
    }  # fmt: skip
    first = api.post("/jobs", json=asked).json()["first_job"]
    assert "has not ended" in refused(409, "POST", f"/jobs/{first}/retry", json=None)["detail"]
    worker.take()
    worker.end(first, state="failed", cause="exit_code", exit_code=1)
    again = api.post(f"/jobs/{first}/retry").json()["first_job"]
    assert again > first
    same = ("payload", "key", "cpu_milli", "memory_mib", "disk_mib", "priority", "pool", "project", "runtime")
    old, new = (api.get(f"/jobs/{job}").json() for job in (first, again))
    assert {name: old[name] for name in same} == {name: new[name] for name in same}
    (assignment,) = worker.take()
    assert (assignment.job, assignment.timeout_ms, assignment.cpu_hard) == (again, 60_000, True)
    worker.end(again)
    assert [each["id"] for each in api.get("/jobs", params={"name": "again"}).json()["items"]] == [
        again,
        first,
    ]
    assert api.get("/jobs", params={"name": "nobody"}).json()["items"] == []


def test_a_job_that_needs_its_parents_is_not_submitted_alone(api: httpx.Client, refused: Refusal) -> None:
    batch = batch_of(api, {"key": "p"}, {"parents": ["p"], "parents_results": True})["id"]
    api.post(f"/batches/{batch}/cancel", json={}).raise_for_status()
    child = jobs_of(api, batch)[1]["id"]
    assert "results of its parents" in refused(409, "POST", f"/jobs/{child}/retry")["detail"]
    refused(404, "POST", "/jobs/999999/retry")


def test_output_that_is_not_there_is_an_error(
    api: httpx.Client, worker: PlayedWorker, refused: Refusal
) -> None:
    waits = api.post("/jobs", json={**NOOP, "cpu": "1900m"}).json()["first_job"]
    queued = api.post("/jobs", json={**NOOP, "cpu": "1900m"}).json()["first_job"]
    worker.take()
    assert "it is ready" in refused(409, "GET", f"/jobs/{queued}/logs")["detail"]
    assert "no attempt 2; it has 1 attempt" in refused(404, "GET", f"/jobs/{waits}/logs?attempt=2")["detail"]
    assert "no attempt 0" in refused(404, "GET", f"/jobs/{waits}/logs?attempt=0")["detail"]
    api.post(f"/jobs/{queued}/cancel", json={}).raise_for_status()
    worker.end(waits)
    assert api.get(f"/jobs/{waits}/logs").text == "", "it has run, and printed nothing"
    problem = refused(409, "GET", f"/jobs/{queued}/logs")
    assert "it was cancelled before it started" in problem["detail"]
    assert f"herder job explain {queued}" in problem["hint"]
    refused(409, "GET", f"/jobs/{queued}/logs?follow=true")


@pytest.mark.parametrize(
    ("job", "field"),
    [
        ({"cwd": "relative"}, "cwd"),
        ({"cwd": "/" + "x" * 5000}, "cwd"),
        ({"sleep_ms": -1}, "sleep_ms"),
        ({"sleep_ms": 10**17}, "sleep_ms"),
    ],
    ids=str,
)
def test_a_folder_and_a_time_that_cannot_be(refused: Refusal, job: dict[str, Any], field: str) -> None:
    assert refused(422, "POST", "/jobs", json={**NOOP, **job})["field"] == field


def ended(api: httpx.Client, jobs: str, timeout_s: float = 0) -> list[dict[str, Any]]:
    answer = api.get("/jobs/ended", params={"jobs": jobs, "timeout_s": timeout_s})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["ended"])


def test_the_first_of_many_jobs_to_end_is_found_with_its_result(
    api: httpx.Client, server: Server, worker: PlayedWorker
) -> None:
    batch = batch_of(api, {"key": "a"}, {"key": "b"}, {"key": "c"})
    first = jobs_of(api, batch["id"])[0]["id"]
    asked = f"{first}-{first + 2}"
    assert ended(api, asked) == []
    found: list[dict[str, Any]] = []

    def wait() -> None:
        with server.client(server.running.token) as other:
            found.extend(ended(other, asked, 30))

    waiting = threading.Thread(target=wait)
    waiting.start()
    worker.take()
    worker.end(first + 1, result=msgspec.Raw(b'{"answer": 42}'))
    waiting.join(30)
    (one,) = found
    assert (one["id"], one["key"], one["state"], one["result"]) == (
        first + 1,
        "b",
        "succeeded",
        {"answer": 42},
    )
    worker.end(first, state="failed", exit_code=3, cause="exit_code", message="No.", result=msgspec.Raw(b"7"))
    assert [(each["id"], each["state"], each["result"]) for each in ended(api, asked)] == [
        (first, "failed", 7),
        (first + 1, "succeeded", {"answer": 42}),
    ]
    api.post(f"/jobs/{first + 2}/cancel", json={})
    worker.end(first + 2, state="cancelled", cause="cancelled")
    (last,) = ended(api, f"{first + 2}", 30)
    assert (last["state"], last["result"]) == ("cancelled", None)


def test_results_that_do_not_fit_come_with_the_next_answer(api: httpx.Client, worker: PlayedWorker) -> None:
    batch = batch_of(api, *({} for _ in range(6)))
    first = jobs_of(api, batch["id"])[0]["id"]
    worker.take()
    large = msgspec.Raw(b'"' + b"x" * 1_000_000 + b'"')
    for job in range(first, first + 6):
        worker.end(job, result=large)
    some = [each["id"] for each in ended(api, f"{first}-{first + 5}")]
    assert some == list(range(first, first + 4)), "4 MiB of results are one answer"
    assert [each["id"] for each in ended(api, f"{first + 4},{first + 5}")] == [first + 4, first + 5]


def test_jobs_that_wait_for_a_worker_have_not_ended(api: httpx.Client) -> None:
    batch = batch_of(api, {})
    (job,) = jobs_of(api, batch["id"])
    assert (job["state"], ended(api, str(job["id"]))) == ("ready", [])


def test_a_wrong_list_of_jobs_is_refused(api: httpx.Client, refused: Refusal) -> None:
    for wrong in ("", "x", "3-", "5-4", "1,,2", "-3", "²"):
        assert refused(422, "GET", f"/jobs/ended?jobs={wrong}")["field"] == "jobs"
    for many in ("1-100000", "1-1000,2000-2001"):
        said = refused(422, "GET", f"/jobs/ended?jobs={many}")
        assert "1,000" in said["detail"]
    assert refused(404, "GET", "/jobs/ended?jobs=777777")["detail"] == "There is no job 777777."


def test_a_job_of_another_user_is_answered_as_one_that_does_not_exist(
    api: httpx.Client, server: Server
) -> None:
    job = jobs_of(api, batch_of(api, {})["id"])[0]["id"]
    with server.client(server.person("reader-of-ended")) as other:
        answer = other.get("/jobs/ended", params={"jobs": f"{job},777777"})
    assert (answer.status_code, answer.json()["detail"]) == (404, f"There is no job {job}.")
