"""Inputs and outputs by URL that the worker opens itself: files, web addresses and an object store with its own credentials."""

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herder.agent.data import downloads
from herder.agent.data.downloads import Source, Watch, download
from herder.agent.data.sources import check_names, listed
from herder.agent.data.uploads import to_folder
from herder.agent.environment.settings import AgentSettings
from herder.remote.object_stores.opening import DataFault
from herder.wire.data import DataPath
from tests.agent.conftest import StartAgent
from tests.agent.fake_server import FakeServer
from tests.support.object_server import S3, Web, s3_server

QUICK = {"data_retry_first_s": 0.01, "data_retry_most_s": 0.05}


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with s3_server(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


def job(server: FakeServer, number: int, script: str, attempt: int = 1, **data: Any) -> tuple[int, int]:
    """The payload as the server encodes it, with its data first."""
    how = {"mark": "m", **data}
    return server.assign(number, attempt=attempt, data=how, command=["/bin/sh", "-c", script])


async def test_files_folders_and_patterns_of_a_folder_that_is_allowed(
    server: FakeServer, start_agent: StartAgent, store: Path, tmp_path: Path
) -> None:
    for name in ("one.txt", "two.txt", "three.csv", "deep/four.txt"):
        path = store / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    start_agent(data_folders=(str(store),), **QUICK)
    inputs = [
        {"url": f"file://{store}/in/one.txt", "path": "a/first"},
        {"url": f"file://{store}/in/", "path": "all/"},
        {"url": f"file://{store}/in/*.txt", "path": "some"},
    ]
    outputs = [
        {"path": "out/*.txt", "url": f"file://{store}/res/"},
        {"path": "log", "url": f"file://{store}/logs/{{job}}-{{attempt}}.log"},
    ]
    script = "cat a/first; find all some -type f | sort; mkdir -p out/x; echo r > out/r.txt; echo n > out/n.csv; echo l > log"
    end = await server.end_of(job(server, 7, script, inputs=inputs, outputs=outputs))
    assert (end.state, end.message) == ("succeeded", "")
    assert server.logs[7, 1] == (
        "one.txtall/deep/four.txt\nall/one.txt\nall/three.csv\nall/two.txt\nsome/one.txt\nsome/two.txt\n"
    )
    assert sorted(each.name for each in (store / "res").iterdir()) == ["job-7-m.manifest.json", "r.txt"]
    assert (store / "logs/7-1.log").read_text() == "l\n"
    manifest = json.loads((store / "res/job-7-m.manifest.json").read_text())
    assert (manifest["job"], manifest["attempt"]) == (7, 1)
    assert manifest["files"] == [
        {"url": f"file://{store}/logs/7-1.log", "size": 2, "sha256": hashlib.sha256(b"l\n").hexdigest()},
        {"url": f"file://{store}/res/r.txt", "size": 2, "sha256": hashlib.sha256(b"r\n").hexdigest()},
    ]
    assert (end.bytes_in, end.bytes_out) == (7 + 7 + 7 + 9 + 13 + 7 + 7, 4)
    await until_empty(tmp_path / "work")


async def until_empty(folder: Path) -> None:
    async with asyncio.timeout(10):
        while list(folder.iterdir()):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("file:///etc/passwd", "which this worker does not allow. Allowed folders: "),
        ("file://{store}/none", "file://{store}/none does not exist."),
        ("file://{store}/link", "which this worker does not allow"),
        ("file://{store}/*.none", "file://{store}/*.none names no file."),
        ("{web}/none", "{web}/none does not exist. The store answered HTTP 404 Not Found."),
    ],
)
async def test_what_is_not_there_or_not_allowed_is_the_jobs_fault(
    server: FakeServer, start_agent: StartAgent, store: Path, web: Web, tmp_path: Path, url: str, said: str
) -> None:
    (store / "link").symlink_to("/etc/passwd")
    start_agent(data_folders=(str(store),), **QUICK)
    names = {"store": str(store), "web": web.url}
    inputs = [{"url": url.format(**names), "path": "x"}]
    end = await server.end_of(job(server, 1, "true", inputs=inputs))
    assert (end.state, end.cause) == ("failed", "start_failed")
    assert said.format(**names) in end.message
    await until_empty(tmp_path / "work")


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_download_that_breaks_goes_on_where_it_was(
    server: FakeServer, start_agent: StartAgent, web: Web, *, ranges: bool
) -> None:
    content = os.urandom(12 * 2**20)
    web.files["/big"] = content
    web.ranges = ranges
    web.breaks = [5 * 2**20, 503]
    start_agent(**QUICK)
    inputs = [{"url": f"{web.url}/big", "path": "big", "sha256": hashlib.sha256(content).hexdigest()}]
    end = await server.end_of(job(server, 1, "wc -c < big", inputs=inputs), 30)
    assert (end.state, end.message, server.logs[1, 1].strip()) == ("succeeded", "", str(len(content)))
    assert any(asked for _, _, asked in web.requests)


async def test_other_content_than_the_job_wants_is_its_fault(
    server: FakeServer, start_agent: StartAgent, web: Web
) -> None:
    web.files["/x"] = b"something else"
    start_agent(**QUICK)
    inputs = [{"url": f"{web.url}/x", "path": "x", "sha256": "0" * 64}]
    end = await server.end_of(job(server, 1, "true", inputs=inputs))
    assert (end.state, end.cause) == ("failed", "start_failed")
    assert end.message.endswith(f"the job wants {'0' * 64}.")


async def test_a_store_that_does_not_answer_fails_the_attempt_as_infrastructure(
    server: FakeServer, start_agent: StartAgent, web: Web
) -> None:
    web.close()
    start_agent(data_tries=2, **QUICK)
    end = await server.end_of(job(server, 1, "true", inputs=[{"url": f"{web.url}/x", "path": "x"}]), 30)
    assert (end.state, end.cause) == ("failed", "infrastructure")
    assert end.message.startswith(f"{web.url}/x cannot be used.")


async def test_outputs_that_are_missing_or_links_fail_the_job(
    server: FakeServer, start_agent: StartAgent, store: Path
) -> None:
    start_agent(data_folders=(str(store),), **QUICK)
    to = f"file://{store}/"
    one = await server.end_of(job(server, 1, "true", outputs=[{"path": "x", "url": to}]))
    two = await server.end_of(job(server, 2, "ln -s /etc/passwd x", outputs=[{"path": "x", "url": to}]))
    script = "ln -s /etc out"
    three = await server.end_of(job(server, 3, script, outputs=[{"path": "out/pass*", "url": to}]))
    assert [each.state for each in (one, two, three)] == ["failed"] * 3
    assert one.message == "The job has not written its output x."
    assert two.message.startswith("The output x is a link")
    assert three.message == "The job has written nothing that is its output out/pass*."
    assert list(store.iterdir()) == []


async def test_outputs_of_a_failed_job_are_copied_when_it_says_so(
    server: FakeServer, start_agent: StartAgent, store: Path
) -> None:
    start_agent(data_folders=(str(store),), **QUICK)
    outputs = [
        {"path": "log", "url": f"file://{store}/{{job}}/"},
        {"path": "none", "url": f"file://{store}/{{job}}/"},
    ]
    script = "echo why > log; exit 3"
    kept = await server.end_of(job(server, 1, script, outputs=outputs, always_copy_output=True))
    lost = await server.end_of(job(server, 2, script, outputs=outputs))
    assert (kept.state, kept.exit_code, kept.bytes_out) == ("failed", 3, 4)
    assert (lost.state, lost.exit_code, lost.bytes_out) == ("failed", 3, 0)
    assert sorted(each.relative_to(store).as_posix() for each in store.rglob("*")) == ["1", "1/log"]


async def test_a_second_attempt_leaves_the_outputs_of_the_first_alone(
    server: FakeServer, start_agent: StartAgent, store: Path
) -> None:
    start_agent(data_folders=(str(store),), **QUICK)
    outputs = [{"path": "x", "url": f"file://{store}/"}]
    first = await server.end_of(job(server, 1, "echo one > x", outputs=outputs))
    second = await server.end_of(job(server, 1, "echo two > x", attempt=2, outputs=outputs))
    assert (first.state, second.state) == ("succeeded", "succeeded")
    assert second.message == "The outputs are those of attempt 1, which copied them before."
    assert (store / "x").read_text() == "one\n"
    assert json.loads((store / "job-1-m.manifest.json").read_text())["attempt"] == 1


async def test_an_object_store_with_the_credentials_of_the_worker(
    server: FakeServer, start_agent: StartAgent, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    s3.empty()
    s3.put("in/a b.txt", b"spaces")
    s3.put("in/c.txt", b"plain")
    big = os.urandom(11 * 2**20)
    s3.put("big", big)
    start_agent(data_credentials="worker", **QUICK)
    inputs = [{"url": "s3://data/in/", "path": "in/"}, {"url": "s3://data/big", "path": "big"}]
    outputs = [{"path": "big", "url": "s3://data/out/copy"}, {"path": "in/*.txt", "url": "s3://data/out/"}]
    end = await server.end_of(job(server, 1, "ls in", inputs=inputs, outputs=outputs), 40)
    assert (end.state, end.message, server.logs[1, 1]) == ("succeeded", "", "a b.txt\nc.txt\n")
    assert s3.get("out/copy") == big
    assert s3.get("out/a b.txt") == b"spaces"
    assert s3.get("out/job-1-m.manifest.json")
    again = await server.end_of(job(server, 1, "true", attempt=2, outputs=outputs), 40)
    assert (
        "big" in again.message
        or again.message == "The outputs are those of attempt 1, which copied them before."
    )
    missing = await server.end_of(job(server, 2, "true", inputs=[{"url": "s3://data/none", "path": "x"}]), 40)
    assert (missing.state, missing.cause) == ("failed", "start_failed")
    assert missing.message.startswith("s3://data/none does not exist. The store answered HTTP 404 Not Found")


async def test_a_job_that_is_cancelled_while_its_data_is_copied(
    server: FakeServer, start_agent: StartAgent, web: Web, tmp_path: Path
) -> None:
    web.close()
    start_agent(data_tries=100, data_retry_first_s=0.05)
    key = job(server, 1, "true", inputs=[{"url": f"{web.url}/x", "path": "x"}])
    await server.until((tmp_path / "work/1-1.data").exists)
    server.cancel(key)
    end = await server.end_of(key)
    assert end.state == "cancelled"
    await until_empty(tmp_path / "work")


@pytest.mark.parametrize("how", ["cancel", "timeout", "slow"])
async def test_a_slow_server_holds_no_thread_that_others_wait_for(
    server: FakeServer, start_agent: StartAgent, web: Web, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    web.files |= {"/slow": bytes(100_000), "/x": b"x"}
    web.trickles.add("/slow")
    if how == "slow":
        monkeypatch.setattr(downloads, "SLOW_S", 0.1)
    start_agent(data_parallel=1, data_tries=2, **QUICK)
    data = {"inputs": [{"url": f"{web.url}/slow", "path": "x"}], "mark": "m"}
    server.assign(1, data=data, command=["true"], timeout_ms=300 if how == "timeout" else None)
    await server.until(lambda: bool(web.requests))
    if how == "cancel":
        server.cancel((1, 1))
    end = await server.end_of((1, 1))
    assert (end.state, end.cause) == {
        "cancel": ("cancelled", "cancelled"),
        "timeout": ("failed", "timeout"),
        "slow": ("failed", "infrastructure"),
    }[how]
    if how == "slow":
        assert "/slow sent only " in end.message
    other = await server.end_of(job(server, 2, "cat x", inputs=[{"url": f"{web.url}/x", "path": "x"}]))
    assert (other.state, server.logs[2, 1]) == ("succeeded", "x")


def test_many_inputs_with_one_that_comes_twice_are_told_soon() -> None:
    found = [Source(name=f"in/{number}", shown="s3://b/x") for number in range(60_000)]
    began = time.thread_time()
    with pytest.raises(DataFault, match=r"^Two inputs have the path in/59999\.$"):
        check_names([*found, Source(name="in/59999", shown="s3://b/y")])
    assert time.thread_time() - began < 5  # of the processor; minutes, when each is compared with each


async def test_names_of_outputs_are_kept_and_do_not_meet(
    server: FakeServer, start_agent: StartAgent, store: Path, web: Web
) -> None:
    start_agent(data_folders=(str(store),), **QUICK)
    long = "n" * 200
    names = ["100%25.txt", "a b?#c", "line\nbreak", *(f"{long}{number}" for number in range(20))]
    script = "mkdir out; cd out; printf p > '100%25.txt'; printf q > 'a b?#c'; printf l > 'line\nbreak'; "
    script += f"for n in $(seq 0 19); do (yes $n | head -c 300000) > {long}$n; done"
    outputs = [{"path": "out/", "url": f"file://{store}/"}, {"path": "out/*c", "url": f"{web.url}/"}]
    end = await server.end_of(job(server, 1, script, outputs=outputs))
    assert (end.state, end.message) == ("succeeded", "")
    assert sorted(each.name for each in store.iterdir()) == sorted([*names, "job-1-m.manifest.json"])
    for number in range(20):
        assert (store / f"{long}{number}").read_bytes()[:300_000].split() == (
            (f"{number}\n".encode() * 300_000)[:300_000].split()
        )
    assert web.files["/a%20b%3F%23c"] == b"q"
    manifest = json.loads((store / "job-1-m.manifest.json").read_text())
    assert f"file://{store}/100%2525.txt" in [each["url"] for each in manifest["files"]]


async def test_a_name_that_no_url_can_have_is_the_jobs_fault(
    server: FakeServer, start_agent: StartAgent, store: Path
) -> None:
    start_agent(data_folders=(str(store),), **QUICK)
    outputs = [{"path": "o/", "url": f"file://{store}/"}]
    end = await server.end_of(job(server, 1, "mkdir o; touch \"o/$(printf '\\377')\"", outputs=outputs))
    assert (end.state, end.cause) == ("failed", "exit_code")
    assert end.message.startswith("A file of the output o/ cannot be named: ")


def test_two_that_write_one_file_at_a_time_write_parts_of_their_own(store: Path, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x" * 10)
    source = os.open(tmp_path / "source", os.O_RDONLY)
    parts: list[list[str]] = []

    def again() -> None:
        parts.append([each.name for each in store.iterdir()])
        if len(parts) == 1:
            os.lseek(source, 0, os.SEEK_SET)
            to_folder(source, f"{store}/{'n' * 160}b", "1-1", (str(store),), again)

    to_folder(source, f"{store}/{'n' * 160}a", "1-1", (str(store),), again)
    os.close(source)
    assert [len(each) for each in parts] == [1, 2]


async def test_inputs_over_http_count_towards_the_disk_before_they_are_copied(
    server: FakeServer, start_agent: StartAgent, web: Web, tmp_path: Path
) -> None:
    web.files |= {"/a": bytes(700_000), "/b": bytes(700_000)}
    start_agent(data_parallel=1, **QUICK)
    inputs = [{"url": f"{web.url}/{name}", "path": name} for name in "ab"]
    server.assign(1, data={"inputs": inputs, "mark": "m"}, command=["true"], disk_mib=1)
    end = await server.end_of((1, 1))
    assert (end.state, end.cause) == ("failed", "start_failed")
    assert end.message == "The inputs have 1.3 MiB; the disk of the job is 1 MiB. Request more disk."
    server.assign(2, data={"inputs": inputs, "mark": "m"}, command=["true"], disk_mib=2)
    assert (await server.end_of((2, 1))).state == "succeeded"
    await until_empty(tmp_path / "work")


async def test_a_redirect_is_followed_only_to_a_host_that_is_allowed(web: Web, store: Path) -> None:
    other = Web()
    other.files["/secret"] = b"secret"
    web.files["/x"] = b"here"
    web.redirects |= {
        "/near": "/x",
        "/far": f"{other.url.replace('127.0.0.1', 'localhost')}/secret",
        "/file": "file:///etc/passwd",
        "/named": f"http://127.0.0.1:80%40{other.url.removeprefix('http://')}/secret",
        "/round": "/round",
    }
    settings = AgentSettings(server_url=web.url, worker="w", activation_token="t", data_hosts=("127.0.0.1",))

    def get(path: str, *, contained: bool = True) -> bytes:
        inputs = [DataPath(url=web.url + path, path="in")]
        (source,) = listed(inputs, settings, contained=contained)
        watch = Watch(lambda: None, lambda: None, lambda: 0, lambda *_: None)
        download(source, f"{store}/in", (), watch)
        return (store / "in").read_bytes()

    assert get("/near") == b"here"
    web.files["/%C3%A4%20b?c=%2F"] = b"encoded"
    assert get("/ä b?c=%2F") == b"encoded"
    with pytest.raises(DataFault, match="uses data of localhost, which this worker does not allow"):
        get("/far")
    assert other.requests == []
    assert get("/far", contained=False) == b"secret"
    for path in ("/file", "/named"):
        with pytest.raises(DataFault, match="It redirects to an address that is not of the web"):
            get(path)
    with pytest.raises(DataFault, match="It redirects more than 10 times"):
        get("/round")
    other.close()
