"""Machines that people add by hand: a token with bounds, the one command to run on the other machine, and the worker that comes of it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import Refusal, Server

BIG = {"nonce": "n1", "hostname": "lab-7", "cpu_milli": 64_000, "memory_mib": 262_144, "disk_mib": 1_000_000}
AGENT = "import sys; from herder.app import main; sys.argv = ['herder', 'agent', *sys.argv[1:]]; main()"


def invite(api: httpx.Client, **body: Any) -> dict[str, Any]:
    return dict(api.post("/pools/std/join-tokens", json=body).raise_for_status().json())


def join(server: Server, token: str, **more: Any) -> httpx.Response:
    with server.client(token) as client:
        return client.post("/worker/join", json={**BIG, **more})


def until(look: Callable[[], Any], what: str) -> Any:
    for _ in range(400):
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(what)


def remove(server: Server, name: str) -> None:
    server.http.post(f"/workers/{name}/remove", json={"force": True}).raise_for_status()
    until(lambda: server.http.get(f"/workers/{name}").json()["state"] == "terminated", f"{name} stays")


def test_a_machine_joins_works_and_is_removed(server: Server, tmp_path: Path) -> None:
    """The command as it is printed, from another folder, with nothing of the server's own environment."""
    made = invite(server.http)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HERDER_")}
    process = subprocess.Popen(
        [sys.executable, "-c", AGENT, "--server", made["server_url"]],
        env=kept | {"HERDER_JOIN_TOKEN": made["token"], "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        workers = until(
            lambda: [
                each
                for each in server.http.get("/workers").json()["items"]
                if (each["driver"], each["state"]) == ("joined", "ready")
            ],
            "it does not join",
        )
        (worker,) = workers
        assert (worker["pool"], worker["expires_at"]) == ("std", None)
        assert "joined with token" in server.http.get(f"/workers/{worker['name']}/why").json()["summary"]
        job = server.http.post("/jobs", json={"command": ["sh", "-c", "env"], "pool": "std"}).json()[
            "first_job"
        ]
        assert server.http.get(f"/jobs/{job}/wait").json()["state"] == "succeeded"
        printed = server.http.get(f"/jobs/{job}/logs").text
        assert f"HERDER_WORKER={worker['name']}" in printed
        assert made["token"] not in printed, "an attempt does not inherit the token"
        assert [each["name"] for each in server.http.get("/drivers").json()["items"]] == ["joined", "pretend"]
        remove(server, worker["name"])
        assert process.wait(20) == 0, "its agent leaves when the worker is removed"
    finally:
        process.kill()
        process.communicate()
    assert [each["name"] for each in server.http.get("/drivers").json()["items"]] == ["pretend"]


def test_a_token_is_for_so_many_machines_and_a_repeat_is_no_other_machine(server: Server) -> None:
    made = invite(server.http, uses=2, note="lab")
    first = join(server, made["token"]).json()
    assert join(server, made["token"]).json() == first, "the answer may have been lost"
    second = join(server, made["token"], nonce="n2").json()
    assert second["worker"] != first["worker"]
    refused = join(server, made["token"], nonce="n3")
    assert (refused.status_code, "already used for the number of machines" in refused.json()["detail"]) == (
        401,
        True,
    )
    assert join(server, made["token"]).json() == first, "also after it was used up"
    (listed,) = [each for each in server.http.get("/tokens").json()["items"] if each["id"] == made["id"]]
    assert (listed["joins"], listed["state"], listed["role"]) == ("std", "used", "join")
    for each in (first, second):
        remove(server, each["worker"])


def test_a_worker_is_told_only_to_who_asked_for_it(server: Server) -> None:
    """Neither by another join token with the same nonce, nor by what everybody sees of the worker."""
    mine, other = invite(server.http, uses=2), invite(server.http, uses=2, note="other")
    first = join(server, mine["token"]).json()
    handle = server.http.get(f"/workers/{first['worker']}").json()["handle"]
    assert handle.startswith("lab-7/")
    assert "n1" not in handle.partition("/")[2]
    second = join(server, other["token"]).json()
    third = join(server, other["token"], nonce=handle.partition("/")[2]).json()
    assert len({each["worker"] for each in (first, second, third)}) == 3
    assert len({each["activation_token"] for each in (first, second, third)}) == 3
    for each in (first, second, third):
        remove(server, each["worker"])


def test_a_join_token_opens_nothing_else_and_can_be_revoked(server: Server, api: httpx.Client) -> None:
    made = invite(api)
    with server.client(made["token"]) as guest:
        assert guest.get("/status").status_code == 401
        assert guest.post("/worker/activate", json={"nonce": "n"}).status_code == 401
        assert guest.post("/worker/exchange", json={"number": 1, "ack": 0}).status_code == 401
    with server.client(server.running.token) as admin:
        assert admin.post("/worker/join", json=BIG).status_code == 401, "other tokens do not join"
    api.delete(f"/tokens/{made['id']}").raise_for_status()
    assert "was revoked" in join(server, made["token"]).json()["detail"]
    assert join(server, "").status_code == 401


def test_a_token_expires_and_outlives_nobody_s_rights(server: Server, api: httpx.Client) -> None:
    made = invite(api)
    tokens = server.running.core.directory.tokens
    record = next(each for each in tokens.values() if each.hash.startswith(made["id"]))
    tokens[record.hash] = record._replace(expires_at_ms=1)
    assert "expired at" in join(server, made["token"]).json()["detail"]
    with server.client(server.person("olga", "operator")) as olga:
        mine = invite(olga)
        api.post("/users/olga", json={"role": "user"}).raise_for_status()
        assert "no longer has the role operator" in join(server, mine["token"]).json()["detail"]
        assert olga.post("/pools/std/join-tokens", json={}).status_code == 403


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"uses": 0}, 422, "uses"),
        ({"uses": 1_000}, 409, "uses"),
        ({"expires_in_s": 1}, 422, "expires_in_s"),
        ({"expires_in_s": 1e9}, 422, "expires_in_s"),
        ({"template": "nope"}, 422, "template"),
        ({"role": "operator"}, 422, ""),
    ],
)
def test_what_no_token_is_made_for(refused: Refusal, body: dict[str, Any], status: int, field: str) -> None:
    assert refused(status, "POST", "/pools/std/join-tokens", json=body).get("field", "") == field


def test_a_machine_that_is_too_small_or_one_too_many_is_told_so(server: Server) -> None:
    made = invite(server.http, uses=1)
    small = join(server, made["token"], memory_mib=10)
    assert (small.status_code, "This machine has 10 MiB of memory" in small.json()["detail"]) == (409, True)
    server.http.post("/pools/std/freeze", json={}).raise_for_status()
    try:
        assert "is frozen" in join(server, made["token"]).json()["detail"]
        assert server.http.post("/pools/std/join-tokens", json={}).status_code == 409
    finally:
        server.http.post("/pools/std/unfreeze", json={}).raise_for_status()


def test_tokens_and_their_uses_are_kept_over_a_restart(tmp_path: Path) -> None:
    from tests.api.conftest import POOLS

    server = Server(tmp_path).start()
    try:
        server.http.post("/apply", json={"pools": POOLS}).raise_for_status()
        made = invite(server.http, uses=2)
        first = join(server, made["token"]).json()
        server.restart()
        assert join(server, made["token"]).json() == first
        assert join(server, made["token"], nonce="other").status_code == 200
        assert join(server, made["token"], nonce="third").status_code == 401
    finally:
        server.stop()
