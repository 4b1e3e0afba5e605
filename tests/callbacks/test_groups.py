"""Callbacks of job groups through the API of a running server: when they are sent, what they say, and how often."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.client.client import HerderClient
from tests.api.conftest import POOLS, PlayedWorker
from tests.callbacks.conftest import CallingServer
from tests.callbacks.test_batches import JOB, signed_by
from tests.support.receiver import Receiver, accept, status

Look = Callable[[int, str, str], dict[str, Any]]


@pytest.fixture
def group_callback(server: CallingServer) -> Look:
    """What `GET /batches/{batch}/groups/{path}` says of its callback, once it is in this state."""

    def look(batch: int, group: str, state: str) -> dict[str, Any]:
        for _ in range(3000):
            found = server.http.get(f"/batches/{batch}/groups/{group}").raise_for_status().json()["callback"]
            if found["state"] == state and (state != "due" or found["tries"]):
                return dict(found)
        raise AssertionError(found)

    return look


def grouped(api: httpx.Client, url: str, *jobs: str, paths: tuple[str, ...] = ("a",), **more: Any) -> int:
    """A batch with a job in each of these groups."""
    body = {
        "jobs": [{**JOB, "group": group} for group in jobs],
        "groups": [{"path": path, "callback": url, "attributes": {"of": path}} for path in paths],
        "commit": True,
        **more,
    }
    return int(api.post("/batches", json=body).raise_for_status().json()["id"])


def fail(worker: PlayedWorker, job: int, attempt: int = 1) -> None:
    worker.end(job, attempt, state="failed", cause="exit_code", exit_code=1)


def bodies(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    return [json.loads(each.body)["data"] for each in receiver.wait(count)]


def test_the_end_of_a_group_is_told_signed_and_recorded(
    server: CallingServer, api: httpx.Client, receiver: Receiver, group_callback: Look
) -> None:
    worker = server.worker()
    number = grouped(api, receiver.url, "a/b", "a", "c", name="night")
    assert api.get(f"/batches/{number}/groups/a").json()["callback"]["state"] == "waiting"
    assert api.get(f"/batches/{number}/groups/c").json()["callback"] is None
    below, above, other = sorted(worker.take(3), key=lambda each: each.job)
    worker.end(above.job)
    assert receiver.got == []
    fail(worker, below.job)
    (got,) = receiver.wait()
    body = json.loads(got.body)
    assert body["type"] == "group.ended"
    assert body["data"] == {
        "batch": number,
        "group": "a",
        "name": "night",
        "user": "admin",
        "project": "default",
        "state": "failed",
        "jobs": 2,
        "counts": {"succeeded": 1, "failed": 1},
        "attributes": {"of": "a"},
        "ended_at": body["timestamp"],
    }
    assert signed_by(api.get("/callbacks/secret").json()["secret"], got)
    told = group_callback(number, "a", "delivered")
    assert (told["id"], told["group"]) == (got.headers["webhook-id"], "a")
    assert api.get(f"/batches/{number}").json()["state"] == "running"
    worker.end(other.job)
    api.get(f"/batches/{number}/wait").raise_for_status()
    assert len(receiver.got) == 1
    assert api.get("/invariants").json() == {"violations": []}


def test_a_group_that_is_retried_is_told_of_again_and_a_restart_tells_nothing_twice(
    server: CallingServer, api: httpx.Client, receiver: Receiver, group_callback: Look
) -> None:
    worker = server.worker()
    number = grouped(api, receiver.url, "a", "d", paths=("a", "d"), callback=receiver.url)
    first, other = sorted(worker.take(2), key=lambda each: each.job)
    fail(worker, first.job)
    receiver.wait()
    group_callback(number, "a", "delivered")
    server.restart()
    api, worker.http = server.http, server.client(worker.token)
    api.post(f"/batches/{number}/groups/a/retry").raise_for_status()
    assert api.get(f"/batches/{number}/groups/a").json()["callback"]["state"] == "waiting"
    again, _ = sorted(worker.take(2), key=lambda each: each.job)  # the other is told again by the new server
    worker.end(again.job, again.attempt)
    receiver.wait(2)
    worker.end(other.job)
    said = [(each.get("group"), each["state"]) for each in bodies(receiver, 4)]
    assert said[:2] == [("a", "failed"), ("a", "succeeded")]
    assert sorted(said[2:], key=str) == [("d", "succeeded"), (None, "succeeded")]
    assert len({each.headers["webhook-id"] for each in receiver.got}) == 4
    assert api.get("/invariants").json() == {"violations": []}


def test_a_group_of_an_open_batch_ends_when_no_job_can_be_added(
    server: CallingServer, api: httpx.Client, receiver: Receiver
) -> None:
    worker = server.worker()
    number = grouped(api, receiver.url, "a", "b", paths=("a", "b", "none"), keep_open=True)
    first, second = sorted(worker.take(2), key=lambda each: each.job)
    worker.end(first.job)
    assert api.get(f"/batches/{number}/groups/a").json()["callback"]["state"] == "waiting"
    api.post(f"/batches/{number}/groups/b/cancel", json={}).raise_for_status()
    assert receiver.got == []
    worker.end(second.job, state="cancelled")
    assert [(each["group"], each["state"]) for each in bodies(receiver, 1)] == [("b", "cancelled")]
    api.post(f"/batches/{number}/close", json={}).raise_for_status()
    ended = {each["group"]: (each["state"], each["jobs"]) for each in bodies(receiver, 3)}
    assert ended == {"b": ("cancelled", 1), "a": ("succeeded", 1), "none": ("succeeded", 0)}
    assert api.get("/invariants").json() == {"violations": []}


def test_the_groups_of_a_cancelled_batch_are_told(api: httpx.Client, receiver: Receiver) -> None:
    number = grouped(api, receiver.url, "a", paths=("a", "b"), commit=False)
    api.post(f"/batches/{number}/cancel", json={}).raise_for_status()
    assert {each["group"]: each["state"] for each in bodies(receiver, 2)} == {
        "a": "cancelled",
        "b": "succeeded",
    }


def test_callbacks_of_groups_are_listed_in_pages_and_sent_again(
    api: httpx.Client, receiver: Receiver, group_callback: Look
) -> None:
    receiver.answer = status(410)
    numbers = [
        grouped(api, receiver.url, "a", paths=("a", "a/b", "c"), callback=receiver.url, commit=False)
        for _ in range(2)
    ]
    for number in numbers:
        api.post(f"/batches/{number}/cancel", json={}).raise_for_status()
        for path in ("a", "a/b", "c"):
            group_callback(number, path, "failed")
    texts = {each["text"] for each in api.get("/events", params={"kind": "callback.failed"}).json()["items"]}
    assert f"The callback of group a/b of batch {numbers[0]} was given up" in " ".join(texts)
    found, after = [], ""
    while after is not None:
        page = api.get("/callbacks", params={"limit": 3, "after": after}).json()
        found += [(each["batch"], each["group"]) for each in page["items"]]
        after = page["next"]
    assert found == [(number, group) for number in numbers[::-1] for group in ("", "a", "a/b", "c")]
    assert api.get("/callbacks", params={"after": "x/a"}).json()["field"] == "after"
    receiver.answer = accept
    retry = f"/callbacks/{numbers[0]}/retry"
    said = api.post(retry, params={"group": "a/b"}).raise_for_status().json()["text"]
    assert said == f"The callback of group a/b of batch {numbers[0]} is sent again."
    assert group_callback(numbers[0], "a/b", "delivered")["tries"] == 1
    assert group_callback(numbers[0], "a", "failed")["tries"] == 1
    missing = api.post(retry, params={"group": "x"})
    assert (missing.status_code, missing.json()["detail"]) == (
        404, f"There is no callback of group 'x' of batch {numbers[0]} to be sent.",
    )  # fmt: skip


def test_a_url_of_a_group_that_is_not_called_is_refused_and_nothing_is_made(
    api: httpx.Client, receiver: Receiver
) -> None:
    groups = [{"path": "a"}, {"path": "b", "callback": "https://10.0.0.1/hook"}]
    for path in ("/batches", "/batches?dry_run=true"):
        answer = api.post(path, json={"jobs": [JOB], "groups": groups})
        assert (answer.status_code, answer.json()["field"]) == (422, "groups[1].callback")
    assert api.get("/batches").json()["items"] == []
    number = grouped(api, receiver.url, "a", commit=False)
    answer = api.post(f"/batches/{number}/jobs", json={"jobs": [], "groups": groups[1:]})
    assert (answer.status_code, answer.json()["field"]) == (422, "groups[0].callback")
    other = api.post(
        f"/batches/{number}/jobs",
        json={
            "jobs": [],
            "groups": [{"path": "a", "attributes": {"of": "a"}, "callback": f"{receiver.url}/2"}],
        },
    )
    assert (other.status_code, "other settings" in other.json()["detail"]) == (409, True)


def test_others_do_not_see_the_path_of_a_callback_of_a_group(
    server: CallingServer, receiver: Receiver
) -> None:
    tokens = {name: server.person(name) for name in ("ann", "ben", "eve")}
    project = {"alpha": {"users": {"ann": "user", "ben": "viewer"}}}
    server.http.post("/apply", json={"pools": POOLS, "sharing": {"projects": project}}).raise_for_status()
    ann, ben, eve = (server.client(tokens[name]) for name in ("ann", "ben", "eve"))
    number = grouped(ann, receiver.url, "a", project="alpha", commit=False)
    where = f"/batches/{number}/groups/a"
    assert ann.get(where).json()["callback"]["url"] == receiver.url
    assert ben.get(where).json()["callback"]["url"] == f"http://127.0.0.1:{receiver.port}/…"
    assert eve.get(where).status_code == 404
    assert ben.post(f"/callbacks/{number}/retry?group=a").status_code == 403
    assert ben.post(f"{where}/retry").status_code == 403


def test_files_of_jobs_the_command_line_and_the_client(
    server: CallingServer, receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, group_callback: Look,
) -> None:  # fmt: skip
    from herder.cli.shell.main import build_app, run
    from herder.client.batch.batch import Batch

    monkeypatch.setenv("HERDER_URL", server.running.url)
    monkeypatch.setenv("HERDER_TOKEN", server.running.token)
    monkeypatch.setenv("COLUMNS", "80")

    def herder(*words: str) -> str:
        assert run(build_app(), list(words)) == 0
        return capsys.readouterr().out

    (tmp_path / "jobs.yaml").write_text(
        f"groups: [{{path: a, callback: {receiver.url}}}]\njobs: [{{command: [a], group: a}}]\n"
    )
    herder("batch", "submit", str(tmp_path / "jobs.yaml"))
    made = Batch("second", client=lambda: HerderClient(server.running.url, server.running.token))
    made.group("x").group("y", callback=receiver.url).new_job().command("true")
    with pytest.raises(ValueError, match="other settings"):
        made.group("x/y", callback="https://example.org/other")
    made.submit()
    for number, path in ((1, "a"), (2, "x/y")):
        herder("batch", "cancel", str(number), "--yes")
        group_callback(number, path, "delivered")
    table = herder("callback", "list")
    assert [line.split()[:6] for line in table.splitlines()[1:]] == [
        ["2", "delivered", "1", "204", "-", "x/y"],
        ["1", "delivered", "1", "204", "-", "a"],
    ]
    said = herder("callback", "retry", "1", "--group", "a")
    assert said == "The callback of group a of batch 1 is sent again.\n"
    assert [each["group"] for each in bodies(receiver, 3)] == ["a", "x/y", "a"]
