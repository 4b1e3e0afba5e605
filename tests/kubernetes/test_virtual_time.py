"""The same cluster in the simulated world: on its loop, whose time jumps, without sockets and threads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import httpx
import pytest

from herder.simulate.chaos.hosts.clocks import EPOCH_MS
from herder.simulate.chaos.hosts.loop import VirtualLoop
from herder.testing.kubernetes import ADMIN_TOKEN, Cluster, ClusterSettings, Rule
from herder.testing.kubernetes.running import LoopClock, Running
from herder.testing.kubernetes.transport import InProcessTransport
from tests.kubernetes.objects import config, configs_path, job, jobs_path

_T = TypeVar("_T")


def in_virtual_time(
    work: Callable[[httpx.AsyncClient, Running], Coroutine[Any, Any, _T]], scale: float = 1.0
) -> tuple[_T, float]:
    """What it answers, and how long it took in the loop's time."""
    loop = VirtualLoop()

    async def run() -> _T:
        clock = LoopClock(loop, EPOCH_MS, scale)
        running = Running(Cluster(ClusterSettings(), clock.now_ms()), loop, clock)
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        async with httpx.AsyncClient(
            transport=InProcessTransport(running), base_url="http://cluster", headers=headers
        ) as client:
            try:
                return await work(client, running)
            finally:
                running.close()

    try:
        found = loop.run_until_complete(run())
        return found, loop.time()
    finally:
        loop.clear_away()


async def complete(client: httpx.AsyncClient, name: str) -> str:
    """The time at which the Job was complete."""
    async with client.stream(
        "GET", jobs_path("default"), params={"watch": "true", "timeoutSeconds": "100000"}
    ) as reply:
        async for line in reply.aiter_lines():
            obj = json.loads(line)["object"]
            if obj["metadata"]["name"] == name and "completionTime" in obj["status"]:
                return str(obj["status"]["completionTime"])
    raise AssertionError("it ended before")


async def six_hours(client: httpx.AsyncClient, running: Running) -> str:
    await client.post("/api/v1/nodes", json={"metadata": {"name": "n1"}})
    await client.post(jobs_path("default"), json=job("a", annotations={"run-s": "21600"}))
    return await complete(client, "a")


def test_six_hours_take_no_time_and_are_the_same_each_time() -> None:
    first, took_s = in_virtual_time(six_hours)
    assert took_s == pytest.approx(21_600, abs=10)
    assert in_virtual_time(six_hours) == (first, took_s)


def test_its_time_may_be_faster_than_the_loop() -> None:
    _, took_s = in_virtual_time(six_hours, scale=60)
    assert took_s == pytest.approx(21_600 / 60, abs=1)


def test_faults_reach_a_caller_as_over_a_network() -> None:
    async def work(client: httpx.AsyncClient, running: Running) -> list[str]:
        path, found = configs_path("default"), []
        running.cluster.faults.add(Rule(method="POST", lose_answer=True))
        running.cluster.faults.add(Rule(method="GET", delay_ms=90_000))
        with pytest.raises(httpx.ReadError):
            await client.post(path, json=config("a"))
        found.append(str((await client.post(path, json=config("a"))).status_code))
        began_s = running.loop.time()
        await client.get(path)
        found.append(str(round(running.loop.time() - began_s)))
        running.cluster.restart(running.clock.now_ms(), away_ms=5_000)
        with pytest.raises(httpx.ConnectError):
            await client.get(path)
        await asyncio.sleep(6)
        found.append(str((await client.get(path)).status_code))
        return found

    assert in_virtual_time(work)[0] == ["409", "90", "200"]


async def read_on(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", configs_path("default"), params={"watch": "true"}) as reply:
        async for _ in reply.aiter_lines():
            pass


def test_a_watch_breaks_when_the_server_restarts() -> None:
    async def work(client: httpx.AsyncClient, running: Running) -> int:
        running.loop.call_later(30, lambda: running.cluster.restart(running.clock.now_ms()))
        with pytest.raises(httpx.ReadError):
            await read_on(client)
        return round(running.loop.time())

    assert in_virtual_time(work)[0] == 30


def test_the_cluster_outlives_a_host_that_asked_it() -> None:
    async def work(client: httpx.AsyncClient, running: Running) -> str:
        loop = running.loop
        assert isinstance(loop, VirtualLoop)

        async def ask() -> None:
            await client.post("/api/v1/nodes", json={"metadata": {"name": "n1"}})
            loop.kill_host("server-1")
            await asyncio.sleep(1000)

        loop.begin("server-1", ask())
        await asyncio.sleep(60)
        node = (await client.get("/api/v1/nodes/n1")).json()
        return str(next(each["status"] for each in node["status"]["conditions"] if each["type"] == "Ready"))

    assert in_virtual_time(work)[0] == "True"
