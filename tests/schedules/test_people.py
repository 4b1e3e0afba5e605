"""Schedules over HTTP and on the command line: what is refused, who sees them, and what is shown."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.cli.shell.main import build_app, run
from tests.api.conftest import POOLS, Refusal, Server, api, refused, server

__all__ = ["api", "refused", "server"]

JOB = {"runtime": "noop", "pool": "std"}


def body(**more: Any) -> dict[str, Any]:
    return {"name": "night", "cron": "0 2 * * *", "batch": {"jobs": [JOB]}, **more}


@pytest.mark.parametrize(
    ("more", "field", "says"),
    [
        ({"cron": "nightly"}, "cron", "'nightly' is not a cron expression"),
        ({"cron": "0 0 30 2 1#6"}, "cron", "'0 0 30 2 1#6'"),
        ({"timezone": "Berlin"}, "timezone", "'Berlin' is not a time zone"),
        ({"name": ""}, "name", "'' is not a valid name."),
        ({"name": "a/b"}, "name", "'a/b' is not a valid name."),
        ({"catch_up_s": -1}, "catch_up_s", "between 0 and 30 days"),
        ({"batch": {"jobs": []}}, "batch.jobs", "The batch has no jobs."),
        ({"batch": {"jobs": [{**JOB, "pool": "none"}]}}, "jobs[0].pool", "none"),
        ({"batch": {"jobs": [JOB], "callback": "https://10.0.0.1/"}}, "callback", "not a public address"),
        ({"concurrency": "never"}, "concurrency", ""),
    ],
)
def test_what_cannot_be_run_is_refused_when_it_is_created(
    api: httpx.Client, refused: Refusal, more: dict[str, Any], field: str, says: str
) -> None:
    problem = refused(422, "POST", "/schedules", json=body(**more))
    assert problem["field"] == field
    assert says in problem["detail"]
    assert api.get("/schedules").json()["items"] == []


def test_a_schedule_is_too_large(refused: Refusal) -> None:
    jobs = [{**JOB, "env": {"A": "x" * 100_000}}] * 3
    assert refused(413, "POST", "/schedules", json=body(batch={"jobs": jobs}))["field"] == "batch"


def test_schedules_are_seen_and_changed_as_batches_are(server: Server, refused: Refusal) -> None:
    ann, eve = (server.client(server.person(name)) for name in ("ann", "eve"))
    ann.post("/schedules", json=body(name="anns")).raise_for_status()
    assert (
        refused(409, "POST", "/schedules", eve, json=body(name="anns"))["detail"]
        == "The name 'anns' is in use."
    )
    assert eve.get("/schedules").json()["items"] == []
    for method, path in (("GET", ""), ("POST", "/run"), ("POST", "/pause"), ("DELETE", "")):
        assert refused(404, method, f"/schedules/anns{path}", eve)["detail"] == "There is no schedule 'anns'."
    assert server.http.post("/schedules/anns/run").json()["count"] == 1
    assert ann.get("/batches").json()["items"][0]["user"] == "ann", "it is the owner's, whoever runs it"
    ann.delete("/schedules/anns").raise_for_status()


def test_schedules_go_with_their_user_and_do_not_come_back_with_the_name(server: Server) -> None:
    """They would run with the rights and secrets of the next user of that name."""
    zoe = server.client(server.person("zoe"))
    zoe.post("/schedules", json=body(name="zoes")).raise_for_status()
    server.client(server.person("max")).post("/schedules", json=body(name="maxs")).raise_for_status()
    server.http.delete("/users/zoe?dry_run=true").raise_for_status()
    assert len(zoe.get("/schedules").json()["items"]) == 1
    server.http.delete("/users/zoe").raise_for_status()
    again = server.client(server.person("zoe"))
    assert again.get("/schedules").json()["items"] == []
    events = server.http.get("/events?kind=schedule.deleted").json()["items"]
    told = [each["text"] for each in events if each["object"] == "schedule/zoes"]
    assert told == ["Schedule zoes was deleted with its user zoe. Its batches are kept."]
    server.restart()
    assert [each["name"] for each in server.http.get("/schedules").json()["items"]] == ["maxs"]
    server.http.delete("/schedules/maxs").raise_for_status()


def test_the_command_line(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERDER_URL", server.running.url)
    monkeypatch.setenv("HERDER_TOKEN", server.running.token)
    monkeypatch.setenv("COLUMNS", "80")
    server.http.post("/apply", json={"pools": POOLS}).raise_for_status()

    def herder(*words: str, code: int = 0) -> str:
        assert run(build_app(), ["schedule", *words]) == code
        said = capsys.readouterr()
        return said.out or said.err

    (tmp_path / "jobs.yaml").write_text("jobs: [{command: [a]}]\n")
    options = ("--cron", "0 2 * * *", "--file", str(tmp_path / "jobs.yaml"))
    assert "No schedules." in herder("list")
    said = herder("create", "nightly", *options, "--time-zone", "Europe/Berlin", "--concurrency", "forbid")
    assert said.startswith("Schedule nightly was created. The first run is at 20")
    assert "'nevr' is not a value of --concurrency." in herder(
        "create", "x", *options, "--concurrency", "nevr", code=2
    )
    (line,) = herder("list").splitlines()[1:]
    assert line.split()[:2] == ["nightly", "active"]
    assert herder("run", "nightly").endswith(" of schedule nightly was submitted.\n")
    assert herder("pause", "nightly") == "Schedule nightly was paused by admin.\n"
    assert herder("pause", "nightly") == "Schedule nightly is already paused.\n"
    seen = json.loads(herder("get", "nightly", "-o", "json"))
    assert (seen["paused"], seen["concurrency"], seen["jobs"], seen["next_runs"]) == (True, "forbid", 1, [])
    assert herder("resume", "nightly") == "Schedule nightly was resumed by admin.\n"
    assert "Next runs:" in herder("get", "nightly")
    assert (
        herder("delete", "nightly", "--yes")
        == "Schedule nightly was deleted by admin. Its batches are kept.\n"
    )
