"""Following a Kubernetes cluster: the first picture of all nodes and pods, then changes at a steady rate.

The API server is ours in a process of its own, and so is the client, which follows as the server does: its CPU and memory are what count.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

import httpx

from bench.bench import Bench
from bench.cluster import objects
from bench.cluster.follower import PROBE, TOKEN
from bench.figures import Figure, percentile
from bench.sizes import Sizes
from herder.control.kernel.clock import monotonic_s
from herder.testing.kubernetes.settings import ADMIN_TOKEN

NAME = "cluster"
PER_LOAD = 2_000
#: One of so many changes is a pod that is created, seen to wait, and deleted.
PROBE_EVERY = 40
_LIMIT_S = 600.0
_CLIENTS = 4


async def measure(bench: Bench) -> list[Figure]:
    sizes = bench.sizes
    async with _server() as client:
        began_s = monotonic_s()
        await _load(client, (objects.node(each) for each in range(sizes.cluster_nodes)))
        await _load(client, (objects.pod(each, sizes.cluster_nodes) for each in range(sizes.cluster_pods)))
        bench.say(
            f"  {sizes.cluster_nodes:,} nodes and {sizes.cluster_pods:,} pods after {monotonic_s() - began_s:.0f} s"
        )
        first, then = await _followed(client, sizes)
    assert first["nodes"] == sizes.cluster_nodes
    assert first["pods"] == sizes.cluster_pods
    note = f"{sizes.cluster_nodes:,} nodes, {sizes.cluster_pods:,} pods"
    changes = f"{then['changes_per_s']:.0f} changes/s"
    late_ms = [each * 1000 for each in then["late_s"]] or [0.0]
    return [
        Figure(measurement=NAME, name="first picture", unit="s", value=first["sync_s"], note=note),
        Figure(measurement=NAME, name="first picture, CPU", unit="s", value=first["sync_cpu_s"]),
        Figure(measurement=NAME, name="memory, peak", unit="MiB", value=then["peak_mib"]),
        Figure(measurement=NAME, name="memory, at the end", unit="MiB", value=then["now_mib"]),
        Figure(measurement=NAME, name="CPU of a core", unit="%", value=100 * then["cpu_part"], note=changes),
        Figure(measurement=NAME, name="change to picture p50", unit="ms", value=percentile(late_ms, 50)),
        Figure(measurement=NAME, name="change to picture p99", unit="ms", value=percentile(late_ms, 99)),
    ]


@asynccontextmanager
async def _server() -> AsyncIterator[httpx.AsyncClient]:
    command = (sys.executable, "-m", "herder.testing.kubernetes", "--no-kubelets", "--no-managed-fields")
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=_LIMIT_S) as client:
            yield client
    finally:
        process.terminate()
        await process.wait()


async def _load(client: httpx.AsyncClient, made: Iterable[dict[str, Any]]) -> None:
    given = iter(made)
    while some := list(islice(given, PER_LOAD)):
        answer = await client.post("/testing", json={"do": "load", "objects": some})
        answer.raise_for_status()


async def _followed(client: httpx.AsyncClient, sizes: Sizes) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the follower said after its first picture, and after the changes."""
    command = (
        sys.executable,
        "-m",
        "bench.cluster.follower",
        str(client.base_url),
        str(sizes.cluster_watch_s),
    )
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, env={**os.environ, TOKEN: ADMIN_TOKEN}, limit=2**24
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_LIMIT_S):
            first = json.loads(await process.stdout.readline())
            async with _changing(client, sizes) as made:
                began_s = monotonic_s()
                then = json.loads(await process.stdout.readline())
                changes_per_s_made = len(made) / (monotonic_s() - began_s)
        return first, {**then, "changes_per_s": changes_per_s_made}
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def _changing(client: httpx.AsyncClient, sizes: Sizes) -> AsyncIterator[list[int]]:
    """Reports of kubelets about pods and nodes, and now and then a pod that waits. Each is noted."""
    made: list[int] = []
    tasks = [asyncio.create_task(_change(client, sizes, made, first)) for first in range(_CLIENTS)]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


async def _change(client: httpx.AsyncClient, sizes: Sizes, made: list[int], number: int) -> None:
    due_s, every_s = monotonic_s(), _CLIENTS / sizes.cluster_changes_per_s
    while True:
        number += _CLIENTS
        if number % (_CLIENTS * PROBE_EVERY) < _CLIENTS:
            await _probe(client, number)
        elif number % 10 == 0:
            await _patch(
                client, f"/api/v1/nodes/{objects.node_name(number % sizes.cluster_nodes)}", _beat(number)
            )
        else:
            namespace, name = objects.pod_name((number * 100 + 50) % sizes.cluster_pods)
            await _patch(client, f"/api/v1/namespaces/{namespace}/pods/{name}", _report(number))
        made.append(number)
        due_s = max(due_s + every_s, monotonic_s() - 1)
        await asyncio.sleep(max(0.0, due_s - monotonic_s()))


async def _patch(client: httpx.AsyncClient, path: str, status: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = await client.patch(f"{path}/status", json={"status": status}, headers=headers)
    answer.raise_for_status()


def _report(number: int) -> dict[str, Any]:
    status: dict[str, Any] = objects.pod(50, 1)["status"]
    status["containerStatuses"][0]["restartCount"] = number
    return status


def _beat(number: int) -> dict[str, Any]:
    conditions = objects.node(0)["status"]["conditions"]
    for condition in conditions:
        condition["lastHeartbeatTime"] = f"2026-11-27T05:{number // 60 % 60:02}:{number % 60:02}Z"
    return {"conditions": conditions}


async def _probe(client: httpx.AsyncClient, number: int) -> None:
    path = "/api/v1/namespaces/default/pods"
    pod = objects.pod(0, 1)
    pod["metadata"] = {"name": f"probe-{number}", "namespace": "default"}
    pod["spec"] |= {"nodeSelector": {PROBE: f"{monotonic_s():020.6f}"}}
    answer = await client.post(path, json=pod)
    answer.raise_for_status()
    await _patch(client, f"{path}/probe-{number}", pod["status"])
    await client.delete(f"{path}/probe-{number - _CLIENTS * PROBE_EVERY}")
