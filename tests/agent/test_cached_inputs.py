"""The cache of inputs: what is downloaded once serves the next attempts of the same user, and no job can change what another one finds."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herder.agent.data import cache as cache_module
from herder.agent.data.cache import InputCache
from herder.agent.environment.settings import AgentSettings
from herder.agent.machine.clean_up import CACHED_INPUTS, clean_up
from herder.wire.worker.exchange import Finished
from tests.agent.conftest import StartAgent
from tests.agent.fake_server import FakeServer
from tests.support.object_server import S3, Web, s3_server
from tests.support.small_disk import small_disk

QUICK = {"data_retry_first_s": 0.01, "data_retry_most_s": 0.05}
CONTENT = os.urandom(300_000)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with s3_server(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    made.files["/x"] = CONTENT
    yield made
    made.close()


async def run(
    server: FakeServer, number: int, url: str, *, user: str = "ada", script: str = "cat x", **more: Any
) -> Finished:
    inputs = [{"url": url, "path": "x", **more}]
    key = server.assign(
        number, data={"inputs": inputs, "mark": "m"}, user=user, command=["/bin/sh", "-c", script]
    )
    return await server.end_of(key)


def counts(end: Finished) -> tuple[str, str, int, int, int]:
    return end.state, end.message, end.bytes_in, end.bytes_cached, end.bytes_in_cache


BROUGHT = ("succeeded", "", len(CONTENT), 0, len(CONTENT))
FOUND = ("succeeded", "", len(CONTENT), len(CONTENT), len(CONTENT))


async def test_the_next_job_of_the_user_finds_what_the_first_has_brought_and_no_other_does(
    server: FakeServer, start_agent: StartAgent, web: Web, tmp_path: Path
) -> None:
    agent = start_agent(**QUICK)
    url = f"{web.url}/x"
    spoil = "sha256sum < x; chmod 777 x; echo spoilt > x; rm x"
    assert counts(await run(server, 1, url, script=spoil)) == BROUGHT
    assert counts(await run(server, 2, url, script=spoil)) == FOUND
    assert (
        counts(await run(server, 3, url, script=spoil, sha256=hashlib.sha256(CONTENT).hexdigest())) == FOUND
    )
    assert counts(await run(server, 4, url, user="bob", script=spoil)) == BROUGHT
    assert counts(await run(server, 5, url, user="", script=spoil))[3:] == (0, 0)
    assert {server.logs[number, 1].split()[0] for number in range(1, 6)} == {
        hashlib.sha256(CONTENT).hexdigest()
    }
    folder = tmp_path / "work" / CACHED_INPUTS
    assert folder.stat().st_mode & 0o077 == 0
    agent.leave.set()
    await agent.left()
    assert not (tmp_path / "work").exists()


async def test_what_has_changed_or_is_refused_by_now_is_not_taken_from_the_cache(
    server: FakeServer, start_agent: StartAgent, web: Web
) -> None:
    start_agent(**QUICK)
    url = f"{web.url}/x"
    assert counts(await run(server, 1, url)) == BROUGHT
    web.files["/x"] = b"another"
    assert counts(await run(server, 2, url)) == ("succeeded", "", 7, 0, 7)
    assert server.logs[2, 1] == "another"
    del web.files["/x"]
    gone = await run(server, 3, url)
    assert (gone.state, gone.cause) == ("failed", "start_failed")


async def test_a_file_that_the_disk_has_spoilt_is_brought_again_when_the_job_says_its_sum(
    server: FakeServer, start_agent: StartAgent, web: Web, tmp_path: Path
) -> None:
    start_agent(**QUICK)
    url, wanted = f"{web.url}/x", hashlib.sha256(CONTENT).hexdigest()
    await run(server, 1, url)
    (file,) = (each for each in (tmp_path / "work" / CACHED_INPUTS).rglob("*") if each.is_file())
    file.write_bytes(bytes(len(CONTENT)))
    assert counts(await run(server, 2, url, sha256=wanted, script="sha256sum < x")) == BROUGHT
    assert server.logs[2, 1].split()[0] == wanted
    assert counts(await run(server, 3, url, sha256=wanted)) == FOUND


async def test_jobs_that_start_together_download_once(
    server: FakeServer, start_agent: StartAgent, web: Web
) -> None:
    web.files["/slow"] = bytes(40)
    web.trickles.add("/slow")
    start_agent(**QUICK)
    ends = await asyncio.gather(*(run(server, number, f"{web.url}/slow") for number in range(1, 5)))
    assert sorted(each.bytes_cached for each in ends) == [0, 40, 40, 40]
    assert {each.state for each in ends} == {"succeeded"}


async def test_who_waits_for_a_download_that_fails_tries_for_himself(
    server: FakeServer, start_agent: StartAgent, web: Web, tmp_path: Path
) -> None:
    web.files["/slow"] = bytes(200)
    web.trickles.add("/slow")
    start_agent(**QUICK)
    first = server.assign(
        1,
        data={"inputs": [{"url": f"{web.url}/slow", "path": "x"}], "mark": "m"},
        user="ada",
        command=["true"],
    )
    await server.until(lambda: bool(web.requests))
    other = asyncio.ensure_future(run(server, 2, f"{web.url}/slow"))
    await server.until((tmp_path / "work/2-1.data").exists)
    server.cancel(first)
    assert (await server.end_of(first)).state == "cancelled"
    assert (await other).state == "succeeded"


async def test_objects_of_a_store_are_cached_by_their_tag(
    server: FakeServer, start_agent: StartAgent, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    s3.put("in/a", b"a" * 1000)
    s3.put("in/b", b"b" * 1000)
    start_agent(data_credentials="worker", **QUICK)
    found = [await run(server, number, "s3://data/in/", script="cat x/*") for number in (1, 2)]
    assert [each.bytes_cached for each in found] == [0, 2000]
    s3.put("in/b", b"c" * 1000)
    last = await run(server, 3, "s3://data/in/", script="cat x/*")
    assert (last.bytes_in, last.bytes_cached, server.logs[3, 1]) == (2000, 1000, "a" * 1000 + "c" * 1000)


async def test_a_full_disk_costs_the_cache_first_and_then_the_attempt_as_infrastructure(
    server: FakeServer, start_agent: StartAgent, web: Web, tmp_path: Path
) -> None:
    web.files |= {"/some": bytes(5 * 2**20), "/most": bytes(12 * 2**20), "/more": bytes(20 * 2**20)}
    with small_disk(tmp_path / "disk", 16) as disk:
        agent = start_agent(work_folder=disk / "work", data_cache_mib=10, disk_free_least_mib=0, **QUICK)
        assert (await run(server, 1, f"{web.url}/some", script="true")).bytes_in_cache == 5 * 2**20
        end = await run(server, 2, f"{web.url}/most", script="wc -c < x")
        assert (end.state, server.logs[2, 1].strip()) == ("succeeded", str(12 * 2**20))
        assert (await run(server, 3, f"{web.url}/some", script="true")).bytes_cached == 0
        end = await run(server, 4, f"{web.url}/more", script="true")
        assert (end.state, end.cause) == ("failed", "infrastructure")
        assert end.message == "This worker failed while downloading its inputs: No space left on device."
        agent.leave.set()
        await agent.left()


async def test_without_a_cache_nothing_is_kept(
    server: FakeServer, start_agent: StartAgent, web: Web, tmp_path: Path
) -> None:
    start_agent(data_cache_mib=0, **QUICK)
    for number in (1, 2):
        assert (await run(server, number, f"{web.url}/x")).bytes_in_cache == 0
    assert not (tmp_path / "work" / CACHED_INPUTS).exists()


class Disk:
    """An `InputCache` in a folder, and files to put into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, cache: InputCache, name: str, size: int) -> bool:
        path = self.folder / "source"
        path.write_bytes(name.encode() * size)
        source = os.open(path, os.O_RDONLY)
        try:
            return cache.put(name, size, source, lambda: None)
        finally:
            os.close(source)

    def take(self, cache: InputCache, name: str, size: int) -> bytes | None:
        target = os.open(self.folder / "target", os.O_RDWR | os.O_CREAT)
        try:
            if not cache.take(name, size, target, lambda: None):
                return None
            return (self.folder / "target").read_bytes()
        finally:
            os.close(target)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


MIB = 2**20


def test_the_cache_keeps_to_its_bound_and_loses_what_was_not_used_for_longest(disk: Disk) -> None:
    cache = InputCache(disk.folder / "work", 3)
    assert all(disk.put(cache, name, MIB) for name in "abc")
    assert disk.take(cache, "a", MIB) == b"a" * MIB
    assert disk.put(cache, "d", MIB)
    assert [disk.take(cache, name, MIB) is not None for name in "abcd"] == [True, False, True, True]
    assert not disk.put(cache, "e", 3 * MIB + 1)
    assert [disk.take(cache, name, MIB) is not None for name in "acd"] == [True, True, True]
    assert cache.empty()
    assert not cache.empty()


def test_an_agent_that_was_killed_left_only_whole_files_and_a_reboot_leaves_none(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = InputCache(disk.folder / "work", 3)
    for name in "ab":
        disk.put(cache, name, MIB)
    (root,) = (disk.folder / "work" / CACHED_INPUTS).iterdir()
    for age, name in enumerate("ba"):
        os.utime(root / name, (1000 + age, 1000 + age))
    (root / "part.killed").write_bytes(b"half")
    again = InputCache(disk.folder / "work", 3)
    assert disk.take(again, "a", MIB - 1) is None
    assert disk.put(again, "c", 2 * MIB)
    assert [disk.take(again, name, MIB) is not None for name in "ab"] == [True, False]
    assert not (root / "part.killed").exists()
    monkeypatch.setattr(cache_module, "_boot", lambda: "the next one")
    rebooted = InputCache(disk.folder / "work", 3)
    assert disk.take(rebooted, "a", MIB) is None
    assert not root.exists()


def test_a_clean_up_of_the_worker_takes_the_cache_and_it_begins_anew(disk: Disk) -> None:
    settings = AgentSettings(
        server_url="http://s", worker="w", activation_token="t", work_folder=disk.folder / "work"
    )
    cache = InputCache(settings.folder, None)
    assert disk.put(cache, "a", MIB)
    assert "1.0 MiB" in clean_up(settings, ())
    assert disk.take(cache, "a", MIB) is None
    assert disk.put(cache, "a", MIB)
    assert disk.take(cache, "a", MIB) == b"a" * MIB


def test_what_is_too_short_by_now_is_not_cached(disk: Disk) -> None:
    cache = InputCache(disk.folder / "work", 3)
    (disk.folder / "source").write_bytes(b"ab")
    source = os.open(disk.folder / "source", os.O_RDONLY)
    assert not cache.put("a", 3, source, lambda: None)
    os.close(source)
    (root,) = (disk.folder / "work" / CACHED_INPUTS).iterdir()
    assert list(root.iterdir()) == []
