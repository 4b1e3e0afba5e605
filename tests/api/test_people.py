"""Users and tokens: what is granted can be listed and taken back, at once; nothing is granted above one's own; all of it is told."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FuturesTimeout
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.control.kernel.secret_tokens import hash_token
from herder.model.permissions import Role
from herder.server.options import ServerOptions, StartError
from herder.server.runtime import serve
from herder.settings.sections.server import UserSettings
from tests.api.conftest import Refusal, Server

NOOP = {"runtime": "noop", "cpu": 8, "pool": "big"}


@pytest.fixture
def ada(server: Server, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """An operator of her own for each test; `ada.user` is her name."""
    name = f"ada-{request.node.name[5:35].strip('_')}"
    client = server.client(server.person(name, "operator"))
    client.headers["X-User"] = name
    yield client
    client.close()


def name_of(client: httpx.Client) -> str:
    return str(client.headers["X-User"])


def token_of(client: httpx.Client, **body: Any) -> dict[str, Any]:
    return dict(client.post("/tokens", json=body).raise_for_status().json())


def events_of(api: httpx.Client, subject: str) -> list[dict[str, Any]]:
    return list(api.get("/events", params={"object": subject}).json()["items"])


def test_rights_are_looked_up_at_each_call(api: httpx.Client, ada: httpx.Client, refused: Refusal) -> None:
    freeze = "/pools/big/freeze"
    assert ada.post(freeze, json={}).status_code == 200
    assert ada.post("/pools/big/unfreeze", json={}).status_code == 200
    api.post(f"/users/{name_of(ada)}", json={"role": "viewer"}).raise_for_status()
    assert "has the role viewer" in refused(403, "POST", freeze, ada, json={})["detail"]
    assert ada.get("/whoami").json() | {"token": ""} == {
        "user": name_of(ada), "role": "viewer", "user_role": "viewer", "token": "", "expires_at": None, "projects": {},
    }  # fmt: skip
    api.post(f"/users/{name_of(ada)}", json={"role": "operator", "weight": 5}).raise_for_status()
    assert ada.get("/whoami").json()["role"] == "operator"
    texts = [each["text"] for each in events_of(api, f"user/{name_of(ada)}")]
    assert "role operator → viewer" in texts[1]
    assert "role viewer → operator, weight 1 → 5" in texts[2]


def test_a_token_narrows_and_never_widens(
    api: httpx.Client, ada: httpx.Client, server: Server, refused: Refusal
) -> None:
    assert "ada" in refused(403, "POST", "/tokens", ada, json={"role": "administrator"})["detail"]
    assert (
        refused(403, "POST", "/tokens", json={"user": name_of(ada), "role": "administrator"})["field"]
        == "role"
    )
    narrow = token_of(ada, role="viewer", note="for the screen")
    with server.client(narrow["token"]) as screen:
        assert screen.get("/whoami").json()["role"] == "viewer"
        refused(403, "POST", "/pools/big/freeze", screen, json={})
        said = refused(403, "POST", "/tokens", screen, json={"role": "operator"})
        assert "the token of this request has the role viewer" in said["detail"]
        assert token_of(screen)["role"] == "viewer"
        wide = ada.get("/whoami").json()["token"]
        refused(403, "DELETE", f"/tokens/{wide}", screen)
        assert screen.delete(f"/tokens/{narrow['id']}").status_code == 200, "itself it may end"


def test_tokens_are_listed_and_revoked_by_their_owner(
    api: httpx.Client, ada: httpx.Client, server: Server, refused: Refusal
) -> None:
    made = token_of(ada, note="laptop", role="user")
    listed = {each["id"]: each for each in ada.get("/tokens").json()["items"]}
    view = listed[made["id"]]
    assert (view["note"], view["role"], view["state"], view["user"]) == (
        "laptop",
        "user",
        "active",
        name_of(ada),
    )
    assert view["last_used_at"] is None
    assert {each["user"] for each in listed.values()} == {name_of(ada)}
    with server.client(made["token"]) as laptop:
        assert laptop.get("/status").status_code == 200
        used = {each["id"]: each["last_used_at"] for each in ada.get("/tokens").json()["items"]}
        assert used[made["id"]]
        assert "revoked" in ada.delete(f"/tokens/{made['id']}").json()["text"]
        assert "was revoked at" in refused(401, "GET", "/status", laptop)["detail"]
    assert made["id"] not in {each["id"] for each in ada.get("/tokens").json()["items"]}
    kept = ada.get("/tokens", params={"all": True}).json()["items"]
    assert {each["id"]: each["state"] for each in kept}[made["id"]] == "revoked"
    told = events_of(api, f"token/{made['id']}")
    assert [(each["kind"], each["actor"]) for each in told] == [
        ("token.created", f"user/{name_of(ada)}"),
        ("token.revoked", f"user/{name_of(ada)}"),
    ]
    assert made["token"] not in str(told)
    assert hash_token(made["token"]) not in str(told)


def test_a_token_ends_when_it_was_made_to(
    ada: httpx.Client, server: Server, refused: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in (0, 5, -1, 1e12):
        assert refused(422, "POST", "/tokens", ada, json={"expires_in_s": wrong})["field"] == "expires_in_s"
    made = token_of(ada, expires_in_s=3600)
    assert made["expires_at"]
    with server.client(made["token"]) as short:
        longer = token_of(short, expires_in_s=7200)
        assert (longer["expires_at"], token_of(short)["expires_at"]) == (made["expires_at"],) * 2
        directory = server.running.core.directory
        record = directory.tokens[hash_token(made["token"])]
        directory.tokens[record.hash] = record._replace(expires_at_ms=record.created_at_ms)
        assert "This token expired at" in refused(401, "GET", "/status", short)["detail"]
    states = {each["id"]: each["state"] for each in ada.get("/tokens?all=true").json()["items"]}
    assert states[made["id"]] == "expired"


def test_one_user_has_so_many_tokens_and_no_more(
    ada: httpx.Client, refused: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("herder.control.access.users.TOKENS_LIVE", 3)
    monkeypatch.setattr("herder.control.access.users.TOKENS_KEPT", 5)
    ids = [token_of(ada)["id"] for _ in range(2)]
    assert "herder token revoke" in refused(429, "POST", "/tokens", ada, json={})["hint"]
    for number in ids:
        ada.delete(f"/tokens/{number}").raise_for_status()
    ids = [token_of(ada)["id"] for _ in range(2)]
    ada.delete(f"/tokens/{ids[0]}").raise_for_status()
    assert "30 days" in refused(429, "POST", "/tokens", ada, json={})["detail"]


def test_making_a_user_changes_none(api: httpx.Client, refused: Refusal) -> None:
    said = refused(409, "POST", "/users", json={"name": "admin", "role": "viewer"})
    assert "herder user set admin" in said["hint"]
    assert api.get("/whoami").json()["role"] == "administrator"


@pytest.mark.parametrize(
    "name", ["", "a b", "a;b", "a/b", "$(id)", "a'b", "-a", ".a", "é", "a\n", "x" * 65, "a\x1b[0m", "a`b"]
)
def test_names_are_such_that_they_can_be_pasted(refused: Refusal, name: str) -> None:
    assert refused(422, "POST", "/users", json={"name": name})["field"] == "name"


def test_the_last_administrator_stays(tmp_path: Path, refused: Refusal) -> None:
    server = Server(tmp_path).start()
    try:
        for method, body in (("POST", {"role": "operator"}), ("DELETE", None)):
            said = refused(409, method, "/users/admin", server.http, json=body)
            assert "only administrator" in said["detail"]
        with server.client(server.person("zoe", "administrator")) as zoe:
            zoe.post("/users/admin", json={"role": "viewer"}).raise_for_status()
            refused(403, "POST", "/users/zoe", server.http, json={"role": "viewer"})
            zoe.delete("/users/admin").raise_for_status()
            assert "deleted" in zoe.get("/events?object=user/admin&newest=true").json()["items"][0]["text"]
            assert refused(401, "GET", "/status", server.http)["detail"]
            refused(409, "DELETE", "/users/zoe", zoe)
    finally:
        server.stop()


def test_an_administrator_without_a_token_is_none_to_be_left_alone(tmp_path: Path, refused: Refusal) -> None:
    server = Server(tmp_path).start()
    try:
        server.http.post("/users", json={"name": "bob", "role": "administrator"}).raise_for_status()
        server.http.post("/tokens", json={"user": "bob", "role": "operator"}).raise_for_status()
        for method, body in (("POST", {"role": "viewer"}), ("DELETE", None)):
            said = refused(409, method, "/users/admin", server.http, json=body)
            assert "herder token create bob" in said["hint"]
        made = server.http.post("/tokens", json={"user": "bob"}).json()
        server.http.delete("/users/admin").raise_for_status()
        with server.client(made["token"]) as bob:
            bob.delete(f"/tokens/{made['id']}").raise_for_status()
        server.restart()
        who = server.http.get("/whoami").json()
        assert (who["user"], who["role"]) == ("bob", "administrator"), (
            "whoever reads the data folder can get in"
        )
        assert {each["name"] for each in server.http.get("/users").json()["items"]} == {"bob"}
    finally:
        server.stop()


def test_a_deleted_user_leaves_jobs_behind_and_no_way_in(
    api: httpx.Client, ada: httpx.Client, server: Server, refused: Refusal
) -> None:
    name = name_of(ada)
    job = ada.post("/jobs", json=NOOP).json()["first_job"]
    batch = ada.post("/batches", json={"jobs": [NOOP], "commit": True}).json()["id"]
    dry = api.delete(f"/users/{name}", params={"dry_run": True, "cancel_jobs": True}).json()
    assert "1 batch and 1 single job would be cancelled" in dry["text"]
    assert ada.get("/status").status_code == 200, "a dry run changes nothing"
    api.delete(f"/users/{name}").raise_for_status()
    refused(401, "GET", "/status", ada)
    refused(404, "POST", f"/users/{name}", json={})
    assert api.get(f"/jobs/{job}").json()["user"] == name
    assert api.get(f"/batches/{batch}").json()["state"] == "running"
    assert name not in {each["name"] for each in api.get("/users").json()["items"]}
    kinds = [each["kind"] for each in events_of(api, f"user/{name}")]
    assert kinds == ["user.created", "user.deleted"]
    again = server.person(name)
    with server.client(again) as back:
        assert back.get(f"/jobs/{job}").status_code == 200, "the name has its jobs again"
    api.delete(f"/users/{name}", params={"cancel_jobs": True}).raise_for_status()
    assert api.get(f"/jobs/{job}").json()["state"] == "cancelled"
    assert api.get(f"/batches/{batch}").json()["state"] == "cancelled"


def test_all_of_it_holds_after_a_restart(tmp_path: Path, refused: Refusal) -> None:
    server = Server(tmp_path).start()
    try:
        kept, gone = server.person("kept"), server.person("gone")
        with server.client(kept) as client:
            revoked, live = token_of(client), token_of(client, role="viewer", note="n", expires_in_s=86_400)
            client.delete(f"/tokens/{revoked['id']}").raise_for_status()
        server.http.delete("/users/gone").raise_for_status()
        before = server.http.get("/tokens?all=true&user=kept").json()["items"]
        server.restart()
        after = server.http.get("/tokens?all=true&user=kept").json()["items"]
        assert [each | {"last_used_at": None} for each in after] == [
            each | {"last_used_at": None} for each in before
        ]
        with server.client(gone) as client:
            refused(401, "GET", "/status", client)
        with server.client(revoked["token"]) as client:
            assert "revoked" in refused(401, "GET", "/status", client)["detail"]
        with server.client(live["token"]) as client:
            assert client.get("/whoami").json()["role"] == "viewer"
    finally:
        server.stop()


async def test_files_win_over_commands_and_leave_an_administrator(tmp_path: Path, refused: Refusal) -> None:
    server = Server(tmp_path)
    server.users = (UserSettings(name="fay", role=Role.OPERATOR, weight=2),)
    server.start()
    try:
        for method, body in (("POST", {"role": "viewer"}), ("DELETE", None)):
            assert "herder.yaml" in refused(409, method, "/users/fay", server.http, json=body)["detail"]
        (fay,) = [each for each in server.http.get("/users").json()["items"] if each["name"] == "fay"]
        assert (fay["role"], fay["weight"]) == ("operator", 2)
        assert [each["kind"] for each in events_of(server.http, "user/fay")] == ["user.created"]
    finally:
        server.stop()
    alone = (UserSettings(name="admin", role=Role.VIEWER),)
    with pytest.raises(StartError, match="There would be no administrator"):
        await serve(ServerOptions(data_dir=tmp_path, port=0, users=alone))
    server.users = ()
    server.start()
    try:
        assert server.http.get("/whoami").json()["role"] == "administrator"
        server.http.post("/users/fay", json={"role": "viewer"}).raise_for_status()
    finally:
        server.stop()


@pytest.mark.parametrize("what", ["jobs", "batches"])
def test_a_wait_is_not_answered_to_whom_rights_were_taken_back(server: Server, what: str) -> None:
    """The answer to a wait that was held open came after its token was revoked."""
    with server.client(server.person(f"waits-for-{what}")) as owner:
        made = owner.post("/tokens", json={}).json()
        job = NOOP
        body = job if what == "jobs" else {"jobs": [job], "commit": True}
        answer = owner.post(f"/{what}", json=body).json()
        number = answer["first_job"] if what == "jobs" else answer["id"]
        with server.client(made["token"]) as guest, ThreadPoolExecutor(1) as pool:
            assert guest.get("/whoami").status_code == 200
            held = pool.submit(guest.get, f"/{what}/{number}/wait", params={"timeout_s": 3})
            with pytest.raises(FuturesTimeout):
                held.result(timeout=0.5)
            owner.delete(f"/tokens/{made['id']}").raise_for_status()
            owner.post(f"/{what}/{number}/cancel", json={}).raise_for_status()
            assert held.result(timeout=10).status_code == 401
