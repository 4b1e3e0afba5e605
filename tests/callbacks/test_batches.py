"""Callbacks through the API of a running server: what arrives, what is shown, who sees it, and what a restart keeps."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.client.client import HerderClient
from tests.api.conftest import POOLS
from tests.callbacks.conftest import HERE, CallingServer
from tests.support.receiver import Received, Receiver, accept, status

Look = Callable[[int, str], dict[str, Any]]
JOB = {"runtime": "noop", "pool": "std"}


def batch(api: httpx.Client, url: str, *, jobs: int = 1, **more: Any) -> int:
    body = {"jobs": [JOB] * jobs, "commit": True, "callback": url, **more}
    return int(api.post("/batches", json=body).raise_for_status().json()["id"])


def ended_batch(api: httpx.Client, url: str, **more: Any) -> int:
    number = batch(api, url, **more)
    api.post(f"/batches/{number}/cancel", json={}).raise_for_status()
    return number


def signed_by(secret: str, got: Received) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    made = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    return got.headers["webhook-signature"] == f"v1,{made}"


def test_the_end_of_a_batch_is_told_signed_and_recorded(
    server: CallingServer, api: httpx.Client, receiver: Receiver, callback_of: Look
) -> None:
    worker = server.worker()
    number = batch(api, receiver.url, jobs=2, name="night", attributes={"run": "ä 7"})
    assert api.get(f"/batches/{number}").json()["callback"]["state"] == "waiting"
    one, two = worker.take(2)
    worker.end(one.job)
    assert receiver.got == []
    worker.end(two.job, state="failed", cause="exit_code", exit_code=1)
    (got,) = receiver.wait()
    view = api.get(f"/batches/{number}").json()
    body = json.loads(got.body)
    assert body["type"] == "batch.ended"
    assert body["timestamp"] == view["ended_at"]
    assert body["data"] == {
        key: view[key]
        for key in ("name", "user", "project", "state", "jobs", "counts", "attributes", "created_at", "committed_at", "ended_at")
    } | {"batch": number}  # fmt: skip
    assert (body["data"]["state"], body["data"]["attributes"]) == ("failed", {"run": "ä 7"})
    secret = api.get("/callbacks/secret").json()
    assert secret["user"] == "admin"
    assert signed_by(secret["secret"], got)
    told = callback_of(number, "delivered")
    assert (told["tries"], told["http_status"], told["error"], told["next_try_at"]) == (1, 204, "", None)
    assert (told["url"], told["id"]) == (receiver.url, got.headers["webhook-id"])
    assert [each["batch"] for each in api.get("/callbacks?state=delivered").json()["items"]] == [number]
    assert api.get("/callbacks?state=failed").json()["items"] == []


def test_a_batch_without_a_callback_has_none(api: httpx.Client) -> None:
    number = ended_batch(api, "")
    assert api.get(f"/batches/{number}").json()["callback"] is None
    assert api.get("/callbacks").json()["items"] == []
    answer = api.post(f"/callbacks/{number}/retry")
    assert (answer.status_code, answer.json()["hint"]) == (
        404, f"`herder batch get {number}` shows whether the batch has a callback and has ended.",
    )  # fmt: skip


def test_a_refusal_is_told_and_the_message_is_sent_again_when_asked(
    api: httpx.Client, receiver: Receiver, callback_of: Look
) -> None:
    receiver.answer = status(503, "try later")
    number = ended_batch(api, receiver.url)
    told = callback_of(number, "due")
    assert told["error"] == "The receiver refused the message (HTTP status 503): try later."
    assert (told["http_status"], told["tries"]) == (503, 1)
    assert told["next_try_at"] is not None
    receiver.answer = accept
    text = api.post(f"/callbacks/{number}/retry").raise_for_status().json()["text"]
    assert text == f"The callback of batch {number} is sent again."
    told = callback_of(number, "delivered")
    first, second = receiver.wait(2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == told["id"]
    assert first.body == second.body
    api.post(f"/callbacks/{number}/retry").raise_for_status()  # also one that was delivered
    assert len({each.headers["webhook-id"] for each in receiver.wait(3)}) == 1


def test_a_receiver_that_wants_no_more_is_not_asked_again(
    api: httpx.Client, receiver: Receiver, callback_of: Look
) -> None:
    receiver.answer = status(410)
    number = ended_batch(api, receiver.url)
    told = callback_of(number, "failed")
    assert (told["tries"], told["next_try_at"]) == (1, None)
    (event,) = api.get("/events", params={"kind": "callback.failed"}).json()["items"]
    assert event["object"] == f"batch/{number}"
    assert event["text"] == (
        f"The callback of batch {number} was given up after 1 try. The receiver wants no more messages (HTTP status 410)."
    )


def test_a_receiver_that_hangs_delays_no_other(
    api: httpx.Client, receiver: Receiver, callback_of: Look
) -> None:
    with Receiver(lambda _handler: hanging.stopped.wait(60)) as hanging:  # type: ignore[arg-type, return-value]
        for _ in range(4):
            ended_batch(api, hanging.url)
        hanging.wait(4)
        more = ended_batch(api, hanging.url)
        number = ended_batch(api, receiver.url.replace("127.0.0.1", "localhost"))
        assert api.get(f"/batches/{more}").json()["callback"]["tries"] == 0
        told = callback_of(number, "delivered")
        assert told["tries"] == 1
        assert len(hanging.got) == 4


def test_what_is_not_sent_yet_is_sent_by_the_next_server(
    server: CallingServer, receiver: Receiver, callback_of: Look
) -> None:
    server.stop()
    server.callbacks = replace(HERE, allow=())
    server.start()
    with pytest.raises(httpx.HTTPStatusError):
        batch(server.http, receiver.url)
    number = ended_batch(server.http, "https://localhost.localdomain.invalid/hook")
    told = callback_of(number, "due")
    assert told["error"].startswith("The receiver cannot be reached: ")
    server.restart()
    assert callback_of(number, "due")["id"] == told["id"]


def test_a_url_that_is_not_called_is_refused_and_nothing_is_made(api: httpx.Client) -> None:
    body = {"jobs": [JOB], "commit": True, "callback": "https://10.0.0.1/hook"}
    for path in ("/batches", "/batches?dry_run=true"):
        answer = api.post(path, json=body)
        assert (answer.status_code, answer.json()["field"]) == (422, "callback")
        assert answer.json()["detail"] == "10.0.0.1 is not a public address."
        assert "callbacks.allow" in answer.json()["hint"]
    assert api.get("/batches").json()["items"] == []


def test_others_do_not_see_the_path_of_a_callback(server: CallingServer, receiver: Receiver) -> None:
    tokens = {name: server.person(name) for name in ("ann", "ben", "eve")}
    project = {"alpha": {"users": {"ann": "user", "ben": "viewer"}}}
    server.http.post("/apply", json={"pools": POOLS, "sharing": {"projects": project}}).raise_for_status()
    ann, ben, eve = (server.client(tokens[name]) for name in ("ann", "ben", "eve"))
    number = ended_batch(ann, receiver.url, project="alpha")
    receiver.wait()
    assert ann.get("/callbacks").json()["items"][0]["url"] == receiver.url
    seen = f"http://127.0.0.1:{receiver.port}/…"
    assert ben.get("/callbacks").json()["items"][0]["url"] == seen
    assert ben.get(f"/batches/{number}").json()["callback"]["url"] == seen
    assert eve.get("/callbacks").json()["items"] == []
    assert ben.post(f"/callbacks/{number}/retry").status_code == 403
    assert eve.post(f"/callbacks/{number}/retry").status_code == 404
    assert len({who.get("/callbacks/secret").json()["secret"] for who in (ann, ben, eve)}) == 3


def test_a_batch_that_is_retried_is_told_of_again_under_another_id(
    server: CallingServer, api: httpx.Client, receiver: Receiver
) -> None:
    worker = server.worker()
    number = batch(api, receiver.url)
    (given,) = worker.take()
    worker.end(given.job, state="failed", cause="exit_code", exit_code=1)
    receiver.wait()
    api.post(f"/batches/{number}/retry").raise_for_status()
    assert api.get(f"/batches/{number}").json()["callback"]["state"] == "waiting"
    (given,) = worker.take()
    worker.end(given.job, given.attempt)
    one, two = receiver.wait(2)
    assert [json.loads(each.body)["data"]["state"] for each in (one, two)] == ["failed", "succeeded"]
    assert one.headers["webhook-id"] != two.headers["webhook-id"]
    assert len(api.get("/callbacks").json()["items"]) == 1


def test_a_callback_goes_with_its_batch(api: httpx.Client, receiver: Receiver, callback_of: Look) -> None:
    receiver.answer = status(500)
    number = ended_batch(api, receiver.url)
    callback_of(number, "due")
    api.delete(f"/batches/{number}").raise_for_status()
    for _ in range(3000):
        if not api.get("/callbacks").json()["items"]:
            break
    assert api.get("/callbacks").json()["items"] == []
    assert api.post(f"/callbacks/{number}/retry").status_code == 404


def test_callbacks_come_in_pages(api: httpx.Client, receiver: Receiver) -> None:
    made = [ended_batch(api, receiver.url) for _ in range(5)]
    receiver.wait(5)
    found, after = [], ""
    while after is not None:
        page = api.get(f"/callbacks?limit=2&after={after}").json()
        found += [each["batch"] for each in page["items"]]
        after = page["next"]
    assert found == made[::-1]
    assert api.get("/callbacks?state=gone").status_code == 422


def test_the_command_line_and_the_client(
    server: CallingServer, receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, callback_of: Look,
) -> None:  # fmt: skip
    from herder.cli.shell.main import build_app, run
    from herder.client.batch.batch import Batch

    monkeypatch.setenv("HERDER_URL", server.running.url)
    monkeypatch.setenv("HERDER_TOKEN", server.running.token)
    monkeypatch.setenv("COLUMNS", "80")

    def herder(*words: str) -> str:
        assert run(build_app(), list(words)) == 0
        return capsys.readouterr().out

    (tmp_path / "jobs.yaml").write_text(f"callback: {receiver.url}\njobs: [{{command: [a]}}]\n")
    (tmp_path / "plain.yaml").write_text("jobs: [{command: [a]}]\n")
    herder("batch", "submit", str(tmp_path / "jobs.yaml"))
    herder("batch", "submit", str(tmp_path / "plain.yaml"), "--callback", receiver.url)
    made = Batch(
        "third", callback=receiver.url, client=lambda: HerderClient(server.running.url, server.running.token)
    )
    made.new_job().command("true")
    made.submit()
    assert f"Callback:  {receiver.url} (sent when the batch has ended)" in herder("batch", "get", "1")
    for number in (1, 2, 3):
        herder("batch", "cancel", str(number), "--yes")
        callback_of(number, "delivered")
    assert f"{receiver.url} (delivered after 1 try)" in herder("batch", "get", "3")
    table = herder("callback", "list", "--state", "delivered")
    assert [line.split()[:3] for line in table.splitlines()[1:]] == [[n, "delivered", "1"] for n in "321"]
    assert [each["batch"] for each in json.loads(herder("callback", "list", "-o", "json"))["items"]] == [
        3,
        2,
        1,
    ]
    assert herder("callback", "retry", "2") == "The callback of batch 2 is sent again.\n"
    receiver.wait(4)
    secret = herder("callback", "secret").strip()
    assert all(signed_by(secret, got) for got in receiver.got)
