"""What the server signs for the data of jobs: only what the job names, only for the worker that holds it, and one manifest."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import msgspec
import pytest

from herder.settings.sections.jobs.object_stores import ObjectStore
from herder.wire.data import DataAnswer
from tests.api.conftest import POOLS, PlayedWorker, Refusal, Server
from tests.support.object_server import S3, s3_server


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with s3_server(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, s3: S3) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("data")
    (folder / "id").write_text("tester\n")
    (folder / "secret").write_text("tester-secret\n")
    made = Server(folder)
    mine = ObjectStore(
        name="mine",
        url="s3://data/",
        endpoint=s3.url,
        region="us-east-1",
        key_id_file=str(folder / "id"),
        secret_file=str(folder / "secret"),
    )
    theirs = replace(mine, name="theirs", url="s3://theirs/", projects=("other",))
    lost = replace(mine, name="lost", url="s3://lost/", secret_file=str(folder / "none"))
    made.object_stores = (mine, theirs, lost)
    made.start()
    made.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _empty(s3: S3) -> None:
    s3.empty()


@pytest.mark.parametrize("path", ["/a:/etc/", "/a%3a/", "/a%0Ab/"])
def test_a_checkpoint_folder_is_never_read_as_two(server: Server, path: str) -> None:
    """Engines of containers take a mount as one text: SOURCE:TARGET:OPTIONS."""
    job = {"command": ["true"], "data": {"checkpoint": f"file://{path}"}}
    answer = server.http.post("/jobs", json=job)
    assert (answer.status_code, answer.json()["field"]) == (422, "data.checkpoint")
    assert answer.json()["detail"].endswith("has a colon or an unprintable character.")


def held(server: Server, worker: PlayedWorker, **data: Any) -> int:
    """A job with this data, which the worker holds."""
    job = {"command": ["true"], "data": data}
    server.http.post("/jobs", json=job).raise_for_status()
    (assigned,) = worker.take()
    return int(assigned.job)


def ask(worker: PlayedWorker, job: int, step: str, files: Any = (), attempt: int = 1) -> DataAnswer:
    answer = worker.http.post(f"/worker/attempts/{job}/{attempt}/data", json={"step": step, "files": files})
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=DataAnswer)


def test_inputs_are_signed_one_by_one_and_need_no_credentials(
    server: Server, worker: PlayedWorker, s3: S3
) -> None:
    for name in ("a.txt", "b.txt", "c.csv"):
        s3.put(f"in/{name}", name.encode())
    inputs = [
        {"url": "s3://data/in/*.txt", "path": "in/"},
        {"url": "s3://elsewhere/x", "path": "x"},
        {"url": "s3://theirs/x", "path": "y"},
    ]
    job = held(server, worker, inputs=inputs)
    answer = ask(worker, job, "inputs")
    assert [(each.input, each.name, each.size) for each in answer.inputs] == [
        (0, "a.txt", 5),
        (0, "b.txt", 5),
    ]
    assert [httpx.get(each.url).content for each in answer.inputs] == [b"a.txt", b"b.txt"]
    assert answer.own == [1, 2]
    assert "tester-secret" not in answer.inputs[0].url
    worker.end(job)
    gone = worker.http.post(f"/worker/attempts/{job}/1/data", json={"step": "inputs"})
    assert gone.status_code == 404


def test_outputs_can_be_put_only_below_what_the_job_names(
    server: Server, worker: PlayedWorker, s3: S3
) -> None:
    outputs = [{"path": "out/", "url": "s3://data/res/{job}/"}, {"path": "x", "url": "s3://data/x"}]
    job = held(server, worker, outputs=outputs)
    answer = ask(worker, job, "outputs", [[0, "a/b.txt", 1, ""], [1, "", 1, ""]])
    for url in answer.urls:
        httpx.put(url, content=b"!").raise_for_status()
    assert s3.keys() == [f"res/{job}/a/b.txt", "x"]
    for file in ([0, "../up", 1, ""], [1, "more", 1, ""], [2, "", 1, ""]):
        assert ask(worker, job, "outputs", [file]).fault
    worker.end(job)


def test_a_manifest_is_made_once(server: Server, worker: PlayedWorker, s3: S3) -> None:
    job = held(server, worker, outputs=[{"path": "x", "url": "s3://data/{attempt}/x"}])
    assert ask(worker, job, "manifest").attempt == 0
    assert ask(worker, job, "manifest", [[0, "", 3, "ab"]]).attempt == 1
    assert ask(worker, job, "manifest", [[0, "", 4, "cd"]]).attempt == 1
    worker.end(job)
    (key,) = s3.keys()
    manifest = json.loads(s3.get(key))
    assert manifest == {
        "job": job, "attempt": 1, "files": [{"url": "s3://data/1/x", "size": 3, "sha256": "ab"}]
    }  # fmt: skip


def test_what_keeps_the_server_from_signing_is_told(server: Server, worker: PlayedWorker, s3: S3) -> None:
    missing = held(server, worker, inputs=[{"url": "s3://data/none", "path": "x"}])
    told = ask(worker, missing, "inputs")
    assert told.fault.startswith("s3://data/none does not exist. The store answered HTTP 404 Not Found")
    assert not told.later
    worker.end(missing)
    lost = held(server, worker, inputs=[{"url": "s3://lost/x", "path": "x"}])
    told = ask(worker, lost, "inputs")
    assert told.later
    assert told.fault.startswith("The server cannot open the object store lost: ")
    assert told.fault.endswith("none: No such file or directory.")
    worker.end(lost)


@pytest.mark.parametrize(
    ("data", "field", "said"),
    [
        ({"inputs": [{"url": "ftp://h/x", "path": "x"}]}, "data.inputs[0].url", "is not a URL of data"),
        ({"inputs": [{"url": "s3://b", "path": "../x"}]}, "data.inputs[0].path", "without '..'"),
        (
            {"inputs": [{"url": "s3://b/../x", "path": "x"}]},
            "data.inputs[0].url",
            "is not the URL of an object",
        ),
        ({"inputs": [{"url": "http://h/d/", "path": "x"}]}, "data.inputs[0].url", "do not list folders"),
        ({"inputs": [{"url": "http://u:p@h/d", "path": "x"}]}, "data.inputs[0].url", "without a user name"),
        ({"inputs": [{"url": "s3://b/x", "path": "a*"}]}, "data.inputs[0].path", "is a pattern"),
        (
            {"inputs": [{"url": "s3://b/d/", "path": "d", "sha256": "0" * 64}]},
            "data.inputs[0].sha256",
            "one file",
        ),
        ({"outputs": [{"url": "s3://b/x", "path": "o/*"}]}, "data.outputs[0].url", "can be several files"),
        ({"outputs": [{"url": "s3://b/*", "path": "o"}]}, "data.outputs[0].url", "is a pattern"),
        (
            {"inputs": [{"url": "s3://b/[z-a]", "path": "i/"}]},
            "data.inputs[0].url",
            "[z-a] has the range z-a",
        ),
        ({"outputs": [{"url": "s3://b/", "path": "o/[!9-0]"}]}, "data.outputs[0].path", "has the range 9-0"),
        ({"inputs": [{"url": "s3://b/x", "path": "x"}] * 101}, "data.inputs", "100"),
    ],
)
def test_data_that_cannot_be_is_refused(refused: Refusal, data: Any, field: str, said: str) -> None:
    problem = refused(422, "POST", "/jobs", json={"command": ["true"], "data": data})
    assert problem["errors"][0]["field"] == field if "errors" in problem else problem["field"] == field
    assert said in problem["detail"]


def test_who_asks_why_a_job_waits_is_told_where_its_inputs_are_cached(
    server: Server, worker: PlayedWorker
) -> None:
    data = {"inputs": [{"url": "http://host/x", "path": "x"}]}
    body = {"command": ["true"], "data": data, "cpu": "2"}
    first = server.http.post("/jobs", json=body).json()["first_job"]
    assert [each.job for each in worker.take()] == [first]
    worker.end(first, bytes_in=3 * 2**20, bytes_cached=2**20, bytes_in_cache=2 * 2**20)
    (attempt,) = server.http.get(f"/jobs/{first}").json()["history"]
    assert (attempt["bytes_in"], attempt["bytes_cached"]) == (3 * 2**20, 2**20)
    assert facts(server, first) == [
        f"Attempt 1 on {worker.name} has succeeded. The cache of the worker had 1.0 MiB of 3.0 MiB of its inputs."
    ]
    _, second = (server.http.post("/jobs", json=body).json()["first_job"] for _ in range(2))
    other = server.http.post("/jobs", json={"command": ["true"], "cpu": "2"}).json()["first_job"]
    assert facts(server, second)[-1] == (
        f"1 worker has inputs of such jobs in the cache: {worker.name} (2.0 MiB). "
        "The job prefers such a worker when that costs nothing else."
    )
    assert not any("cache" in fact for fact in facts(server, other))
    worker.take()


def facts(server: Server, job: int) -> list[str]:
    return [fact["text"] for fact in server.http.get(f"/jobs/{job}/explain").json()["facts"]]
