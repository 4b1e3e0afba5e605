"""What a container is made of, what is measured of it, which logins are used, and an engine that lies: without any container."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from herder.agent.containers.engine import (
    Engine,
    EngineDown,
    EngineRefused,
    address_of,
    own_process,
    process_lives,
)
from herder.agent.containers.images import credentials
from herder.agent.containers.measure import Measured, killed_by_the_kernel
from herder.agent.containers.request import container_of, name_of
from herder.wire.worker.exchange import Assignment, ContainerOptions, JobPayload, Mount


def assignment(**changed: Any) -> Assignment:
    given = {
        "job": 7,
        "attempt": 2,
        "runtime": "container",
        "cpu_milli": 1500,
        "memory_mib": 64,
        "disk_mib": 0,
        "gpu": 0,
        "timeout_ms": None,
        "payload": msgspec.Raw(b"{}"),
    }
    return Assignment(**{**given, **changed})


def made(payload: JobPayload, **changed: Any) -> dict[str, Any]:
    return container_of(
        assignment(**changed),
        payload,
        scratch="/w/7-2",
        result="/w/7-2.d",
        labels={"l": "1"},
        names={"HERDER_WORKER": "w"},
    )


def test_limits_environment_and_folders() -> None:
    found = made(JobPayload(image="i:1", command=["a", "b"], env={"A": "1"}))
    host = found["HostConfig"]
    assert (found["Image"], found["Cmd"], found["WorkingDir"]) == ("i:1", ["a", "b"], "/herder/scratch")
    assert {"A=1", "HERDER_JOB_ID=7", "HERDER_WORKER=w", "HERDER_RESULT=/herder/result/result.json"} <= set(
        found["Env"]
    )
    assert host["Binds"] == ["/w/7-2:/herder/scratch:rw", "/w/7-2.d:/herder/result:rw"]
    assert (host["Memory"], host["MemorySwap"], host["CpuShares"]) == (64 * 2**20, 64 * 2**20, 1536)
    assert "CpuQuota" not in host
    assert "Entrypoint" not in found
    assert found["Labels"] == {"l": "1", "dev.herder.job": "7", "dev.herder.attempt": "2"}


def test_a_hard_cap_gpus_and_options() -> None:
    options = ContainerOptions(
        entrypoint=[],
        user="5:6",
        workdir="/x",
        network="none",
        mounts=[Mount(source="/d", target="/e", read_only=True)],
    )
    found = made(JobPayload(image="i", container=options), cpu_hard=True, gpu=2, memory_mib=0)
    host = found["HostConfig"]
    assert (found["Entrypoint"], found["User"], found["WorkingDir"]) == ([], "5:6", "/x")
    assert "Cmd" not in found
    assert (host["CpuPeriod"], host["CpuQuota"], host["NetworkMode"]) == (100_000, 150_000, "none")
    assert host["Binds"][-1] == "/d:/e:ro"
    assert host["DeviceRequests"] == [{"Driver": "", "Count": 2, "Capabilities": [["gpu"]]}]
    assert "Memory" not in host
    assert name_of("i", "w-1", assignment()) == "herder-i-w-1-7-2"


def test_measured_by_cgroups_of_both_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    write("memory/c/memory.max_usage_in_bytes", "2097152")
    write("memory/c/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    write("cpuacct/c/cpuacct.usage", "3000000000")
    one = Measured()
    one._memory, one._cpu, one._version = tmp_path / "memory/c", tmp_path / "cpuacct/c", 1
    one.look()
    assert (one.memory_peak_kib, one.cpu_ms, one.killed_for_memory) == (2048, 3000, True)
    write("two/memory.peak", "1048576\n")
    write("two/memory.events", "oom 0\noom_kill 0\n")
    write("two/cpu.stat", "usage_usec 5000\nuser_usec 1\n")
    two = Measured()
    two._memory = two._cpu = tmp_path / "two"
    two._version = 2
    two.look()
    assert (two.memory_peak_kib, two.cpu_ms, two.killed_for_memory) == (1024, 5, False)
    gone = Measured()
    gone.find(2**30, "abc")
    gone.find(os.getpid(), "abc")
    gone.look()
    assert (gone.memory_peak_kib, gone.killed_for_memory) == (None, False)


def test_the_log_of_the_kernel_says_who_was_killed_for_memory(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    log.write_text(
        "6,1,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/libpod_parent/libpod-abc,task=sh,pid=7\n"
    )
    assert killed_by_the_kernel("abc", str(log))
    assert not killed_by_the_kernel("def", str(log))
    assert not killed_by_the_kernel("abc", str(tmp_path / "none"))


def test_the_login_of_the_registry_of_the_image_is_used(tmp_path: Path) -> None:
    login = base64.b64encode(b"ann:secret:x").decode()
    (tmp_path / "config.json").write_text(
        json.dumps({"auths": {"ghcr.io": {"auth": login}, "https://index.docker.io/v1/": {"auth": login}}})
    )
    environ = {"DOCKER_CONFIG": str(tmp_path), "HOME": "/nowhere"}
    found = json.loads(base64.urlsafe_b64decode(credentials("ghcr.io/a/b:1", environ)))
    assert (found["username"], found["password"], found["serveraddress"]) == ("ann", "secret:x", "ghcr.io")
    assert credentials("debian:12", environ)
    assert credentials("quay.io/a/b", environ) == ""
    (tmp_path / "config.json").write_text("{broken")
    assert credentials("ghcr.io/a/b:1", environ) == ""


def test_where_the_engine_is(tmp_path: Path) -> None:
    assert address_of({"CONTAINER_HOST": "tcp://h:1", "DOCKER_HOST": "unix:///x"}) == "tcp://h:1"
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman" / "podman.sock").touch()
    assert address_of({"XDG_RUNTIME_DIR": str(tmp_path)}) == f"unix://{tmp_path}/podman/podman.sock"
    with pytest.raises(ValueError, match="is not the address of a container engine"):
        Engine("ssh://host")


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    mine = own_process()
    assert process_lives(mine)
    assert not process_lives(f"{os.getpid()}-1")
    assert not process_lives("nonsense")


Answer = Callable[[str], tuple[int, bytes]]


@pytest.fixture
async def lying(tmp_path: Path) -> AsyncIterator[Callable[[Answer], Any]]:
    """An engine on a socket that answers each path as it is told."""
    servers: list[asyncio.Server] = []
    engines: list[Engine] = []

    async def serve(answer: Answer) -> Engine:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            status, body = answer(head.split()[1])
            writer.write(
                f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
            writer.close()

        path = tmp_path / f"{len(servers)}.sock"
        servers.append(await asyncio.start_unix_server(connected, path))
        engines.append(Engine(f"unix://{path}"))
        return engines[-1]

    yield serve
    for engine in engines:
        await engine.close()
    for server in servers:
        server.close()
        await server.wait_closed()


def versioned(rest: Answer, version: bytes = b'{"ApiVersion": "1.43"}') -> Answer:
    return lambda path: (200, version) if path == "/version" else rest(path)


async def test_the_version_that_both_know_is_spoken(lying: Callable[[Answer], Any]) -> None:
    asked: list[str] = []

    def answer(path: str) -> tuple[int, bytes]:
        asked.append(path)
        return 404, b'{"message": "no such image"}'

    engine = await lying(versioned(answer))
    assert not await engine.image_there("x:1")
    assert asked == ["/v1.43/images/x:1/json"]
    old = await lying(versioned(answer, b'{"ApiVersion": "1.12"}'))
    with pytest.raises(EngineDown, match=r"version 1\.12 of its API, but 1\.40 or newer"):
        await old.image_there("x:1")


@pytest.mark.parametrize("nonsense", [b"", b"{", b"[]", b'{"ApiVersion": 3}', b"\xff"])
async def test_nonsense_is_an_engine_that_is_down(lying: Callable[[Answer], Any], nonsense: bytes) -> None:
    engine = await lying(lambda path: (200, nonsense))
    with pytest.raises(EngineDown, match="something else than its API"):
        await engine.state("c")
    engine = await lying(versioned(lambda path: (200, nonsense)))
    with pytest.raises(EngineDown, match="something else than its API"):
        await engine.labelled("a=b") if nonsense != b"[]" else await engine.state("c")


async def test_its_own_words_are_kept_and_its_length_is_bounded(lying: Callable[[Answer], Any]) -> None:
    engine = await lying(versioned(lambda path: (500, b'{"message": "no space left on device."}')))
    with pytest.raises(EngineRefused, match=r"^no space left on device$"):
        await engine.start("c")
    endless = await lying(versioned(lambda path: (200, b"x" * 5_000_000)))
    with pytest.raises(EngineDown, match="more than 4,194,304 bytes"):
        await endless.state("c")
    nobody = Engine("unix:///no/such.sock")
    with pytest.raises(EngineDown, match=r"engine at unix:///no/such\.sock does not answer"):
        await nobody.ping()
    await nobody.close()


async def test_a_pull_may_be_silent_for_longer_than_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("herder.agent.containers.engine.ANSWER_S", 0.2)
    engine = Engine(f"unix://{tmp_path}/e.sock")
    engine._version = "/v1.43"

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.8)
        writer.write(b'HTTP/1.1 200 X\r\nConnection: close\r\n\r\n{"status": "done"}\n')
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(connected, tmp_path / "e.sock")
    try:
        assert [line async for line in engine.pull("x:1", "")] == ["done"]
    finally:
        await engine.close()
        server.close()
        await server.wait_closed()
