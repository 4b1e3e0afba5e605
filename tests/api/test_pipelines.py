"""Configurations of pipelines: the documented calls, who may read and set them, herder.yaml, and the command line."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from herder.cli.shell.main import build_app, run
from herder.model.work.pipeline import CONFIG_BYTES
from tests.api.conftest import POOLS, PlayedWorker, Refusal, Server

CONFIG = "# sensor data\nsteps:\n  - read: s3://bucket/sensor-data.csv\n  - write: größe.cir\n"
TYPES = {"pipeline_execution": {"command": ["python", "pipeline.py"], "pool": "std"}}
JOB = {"type": "pipeline_execution", "pipeline_id": "sensor-data", "parameters": {}}
Of = Callable[[str], httpx.Client]


@pytest.fixture
def of(server: Server) -> Iterator[Of]:
    """Clients of the documented calls, by their token."""
    shared = {"job_types": TYPES, "pipelines": {}, "projects": {}}
    server.http.post("/apply", json={"pools": POOLS, "sharing": shared}).raise_for_status()
    for each in server.http.get("/pipelines").json()["items"]:
        server.http.delete(f"/pipelines/{each['name']}").raise_for_status()
    made: list[httpx.Client] = []

    def client(token: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"}
        made.append(httpx.Client(base_url=f"{server.running.url}/api", headers=headers))
        return made[-1]

    yield client
    for each in made:
        each.close()


def put(client: httpx.Client, name: str, text: str = CONFIG, **query: str) -> httpx.Response:
    return client.put(f"/pipelines/{name}/config", content=text.encode(), params=query)


def test_a_job_reads_the_configuration_of_its_pipeline_with_its_own_token(
    server: Server, of: Of, worker: PlayedWorker
) -> None:
    ann, eve = of(server.person("pann")), of(server.person("peve"))
    assert put(ann, "sensor-data").raise_for_status().json()["bytes"] == len(CONFIG.encode())
    for client, expected in ((ann, 200), (eve, 404)):
        job = client.post("/jobs", json=JOB).raise_for_status().json()["job_id"]
        (attempt,) = worker.take(1)
        env = msgspec.json.decode(bytes(attempt.payload))["env"]
        token = of(env["ACCESS_TOKEN"])
        answer = token.get(f"/pipelines/{env['PIPELINE_ID']}/config")
        assert answer.status_code == expected, answer.text
        if expected == 200:
            assert answer.text == CONFIG
            assert answer.headers["content-type"].startswith("application/yaml")
        assert put(token, "sensor-data", "changed").status_code == 401, "an attempt only reads"
        worker.end(int(job))
        ended = token.get("/pipelines/sensor-data/config")
        assert (ended.status_code, ended.json()["detail"]) == (
            401,
            f"Attempt 1 of job {job} has ended, and its token with it.",
        )
    assert ann.get("/pipelines/sensor-data/config").text == CONFIG


def test_members_of_its_project_read_and_change_it_and_nobody_else(server: Server, of: Of) -> None:
    tokens = {name: server.person(name) for name in ("qann", "qbob", "qeve", "qvic")}
    ann, bob, eve, vic = (of(token) for token in tokens.values())
    members = {"qann": "user", "qbob": "user", "qvic": "viewer"}
    shared = {"projects": {"lab": {"users": members}}}
    server.http.post("/apply", json={"pools": [], "sharing": shared}).raise_for_status()
    assert put(ann, "p1", project="lab").status_code == 200
    assert put(bob, "p1", "b: 2").json()["user"] == "qann", "it stays hers"
    assert [each.get("/pipelines/p1/config").status_code for each in (ann, bob, vic, eve)] == [
        200,
        200,
        200,
        404,
    ]
    assert put(vic, "p1").status_code == 403
    taken = put(eve, "p1")
    assert (taken.status_code, taken.json()["detail"]) == (409, "The name 'p1' is in use.")
    assert put(eve, "p2", project="lab").status_code == 403
    assert put(eve, "p2", project="none").json()["detail"] == "There is no project 'none'."
    assert ann.get("/pipelines/p1/config").text == "b: 2"
    with server.client(tokens["qeve"]) as client:
        assert client.get("/pipelines").json()["items"] == []
        assert client.delete("/pipelines/p1").status_code == 404
    assert server.http.delete("/users/qann").status_code == 200
    assert bob.get("/pipelines/p1/config").status_code == 404, (
        "what a deleted user has left is not for the next of that name"
    )


@pytest.mark.parametrize(
    ("name", "text", "status", "field", "says"),
    [
        ("a b", "x", 422, "name", "'a b' is not a valid name of a pipeline."),
        ("a", "", 422, "config", "The configuration is empty."),
        ("a", "a\0b", 422, "config", "NUL"),
        ("a", "x" * (CONFIG_BYTES + 1), 413, "config", "262,145 bytes; the maximum is 262,144."),
        ("a", "x" * 2_000_000, 413, "", "bytes"),
    ],
)
def test_what_cannot_be_stored_is_refused(
    server: Server, of: Of, name: str, text: str, status: int, field: str, says: str
) -> None:
    answer = put(of(server.running.token), name, text)
    assert (answer.status_code, answer.json().get("field", "")) == (status, field)
    assert says in answer.json()["detail"]
    assert server.http.get("/pipelines").json()["items"] == []


def test_text_that_is_not_utf8_is_refused(server: Server, of: Of) -> None:
    answer = of(server.running.token).put("/pipelines/a/config", content=b"a: \xff")
    assert answer.json()["detail"] == "The request body is not UTF-8 text, at byte 3."


def test_pipelines_of_herder_yaml_are_for_everybody_and_changed_there(
    server: Server, of: Of, refused: Refusal
) -> None:
    eve = of(server.person("reve"))
    put(eve, "hers").raise_for_status()
    given: dict[str, Any] = {"pools": [], "sharing": {"pipelines": {"sensor_data": {"config": CONFIG}}}}
    tried = server.http.post("/apply", json=given, params={"dry_run": "true"}).raise_for_status().json()
    ((path, (before, after)),) = tried["sharing"].items()
    assert (path, before) == ("pipelines.sensor_data.config", None)
    assert after.startswith(f"{len(CONFIG.encode())} bytes, SHA-256 "), "the text itself is in no event"
    server.http.post("/apply", json=given).raise_for_status()
    assert eve.get("/pipelines/sensor_data/config").text == CONFIG
    assert put(eve, "sensor_data").json()["detail"] == "Pipeline sensor_data is defined in herder.yaml."
    refused(409, "DELETE", "/pipelines/sensor_data")
    server.restart()
    eve = of(server.http.post("/tokens", json={"user": "reve"}).json()["token"])
    assert eve.get("/pipelines/sensor_data/config").text == eve.get("/pipelines/hers/config").text == CONFIG
    many = {str(f"p{n}"): {"config": "x" * 250_000} for n in range(5)}
    too_much = {"pools": [], "sharing": {"pipelines": many}}
    assert refused(422, "POST", "/apply", server.http, json=too_much)["field"] == "sharing.pipelines"
    server.http.post("/apply", json={"pools": [], "sharing": {"pipelines": {}}}).raise_for_status()
    assert eve.get("/pipelines/sensor_data/config").status_code == 404


def test_the_command_line(
    server: Server,
    of: Of,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HERDER_URL", server.running.url)
    monkeypatch.setenv("HERDER_TOKEN", server.running.token)
    monkeypatch.setenv("COLUMNS", "80")

    def herder(*words: str, code: int = 0) -> str:
        assert run(build_app(), ["pipeline", *words]) == code
        said = capsys.readouterr()
        return said.out or said.err

    (tmp_path / "pipeline.yaml").write_text(CONFIG)
    assert "No pipelines." in herder("list")
    set_it = ("set", "etl", "--file", str(tmp_path / "pipeline.yaml"))
    assert herder(*set_it) == f"Pipeline etl has a configuration of {len(CONFIG.encode())} bytes.\n"
    assert herder(*set_it, "--project", "a b\n", code=2).startswith("error: --project: ")
    assert herder("get", "etl") == CONFIG
    assert json.loads(herder("get", "etl", "-o", "json"))["config"] == CONFIG
    (line,) = herder("list").splitlines()[1:]
    assert line.split()[:4] == ["etl", str(len(CONFIG.encode())), "admin", "default"]
    (tmp_path / "pipeline.yaml").write_text("")
    assert herder(*set_it, code=2).startswith("error: --file: The configuration is empty.")
    assert herder("delete", "etl", "--yes") == "Pipeline etl was deleted by admin.\n"
    assert "There is no pipeline 'etl'." in herder("get", "etl", code=3)
