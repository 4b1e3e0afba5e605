"""Inputs of 2 GB from a folder of this machine and from a web server on loopback: what the agent copies, against obstore alone.

And the same from the agent's cache. No server of Herder runs. Both write the same files to the same disk; the two take turns, so that other work of the machine meets both.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec
import obstore
from obstore.store import HTTPStore, LocalStore

from bench.bench import Bench
from bench.figures import Figure
from herder.agent.data.transfers import Copying, Transfers
from herder.agent.environment.settings import AgentSettings
from herder.agent.machine.ports import AgentPorts
from herder.control.kernel import clock
from herder.wire.data import DataPath, JobData
from herder.wire.worker.exchange import Assignment

FILES = 4
_CHUNK = 4 * 2**20
_WEB = """
import http.server, os, sys
class Files(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def copyfile(self, source, out):
        out.flush()
        size, at = os.fstat(source.fileno()).st_size, 0
        while at < size:
            at += os.sendfile(self.connection.fileno(), source.fileno(), at, size - at)
os.chdir(sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
print(server.server_port, flush=True)
server.serve_forever()
"""


async def measure(bench: Bench) -> list[Figure]:
    folder = bench.folder / "data"
    source = folder / "source"
    source.mkdir(parents=True)
    piece = os.urandom(2**20)
    for number in range(FILES):
        with (source / str(number)).open("wb") as file:
            for _ in range(bench.sizes.data_mib // FILES):
                file.write(piece)
        os.utime(source / str(number), (0, 0))  # so that its date tells it apart
    web = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _WEB, str(source)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # of answers that nobody reads to their end
    )
    try:
        assert web.stdout is not None
        port = int(await web.stdout.readline())
        return [
            *await _compared(
                bench, folder, "file", f"file://{source}", lambda n: (LocalStore(source), str(n))
            ),
            *await _compared(
                bench,
                folder,
                "http",
                f"http://127.0.0.1:{port}",
                lambda n: (
                    HTTPStore.from_url(f"http://127.0.0.1:{port}/{n}", client_options={"allow_http": True}),
                    "",
                ),
            ),
        ]
    finally:
        web.kill()
        await web.wait()
        shutil.rmtree(folder)


async def _compared(
    bench: Bench, folder: Path, name: str, base: str, opened: Callable[[int], tuple[object, str]]
) -> list[Figure]:
    kinds = ("agent", "obstore") if name == "file" else ("agent", "cached", "obstore")
    rates: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(bench.sizes.runs):
        for who, copies in rates.items():
            target = folder / "target"
            target.mkdir()
            if who == "obstore":
                took_s = await asyncio.to_thread(_alone, opened, target)
            else:
                took_s = await _agent(base, target, folder, bench.sizes.data_mib if who == "cached" else 0)
            copies.append(bench.sizes.data_mib / took_s)
            assert len(list(target.iterdir())) == FILES
            shutil.rmtree(target)
    parts = [mine / alone for mine, alone in zip(rates["agent"], rates["obstore"], strict=True)]
    return [
        _figure(f"{name}, agent", "MiB/s", rates["agent"]),
        _figure(f"{name}, obstore alone", "MiB/s", rates["obstore"]),
        _figure(f"{name}, of obstore alone", "×", parts),
        *(
            _figure(f"{name}, agent, from its cache", "MiB/s", rates[kind])
            for kind in kinds
            if kind == "cached"
        ),
    ]


async def _agent(base: str, target: Path, folder: Path, cache_mib: int) -> float:
    """Seconds, with a cache those of the second time."""
    settings = AgentSettings(
        server_url="http://127.0.0.1:9",
        worker="w",
        activation_token="",
        work_folder=folder,
        data_folders=(str(folder),),
        data_cache_mib=cache_mib,
    )
    inputs = [DataPath(url=f"{base}/{number}", path=str(number)) for number in range(FILES)]
    assignment = Assignment(
        job=1,
        attempt=1,
        runtime="process",
        cpu_milli=0,
        memory_mib=0,
        disk_mib=0,
        gpu=0,
        timeout_ms=None,
        payload=msgspec.Raw(b"{}"),
    )
    transfers = Transfers(settings, AgentPorts(network=None))  # type: ignore[arg-type]  # no server is asked
    took_s = 0.0
    for _ in range(2 if cache_mib else 1):
        copying = Copying(assignment, JobData(inputs=inputs), str(target), contained=False, user="u")
        began = clock.monotonic_s()
        await transfers.bring(copying)
        took_s = clock.monotonic_s() - began
    transfers.close()
    return took_s


def _alone(opened: Callable[[int], tuple[object, str]], target: Path) -> float:
    """One file after the other; obstore reads ahead in threads of its own."""
    began = clock.monotonic_s()
    for number in range(FILES):
        store, key = opened(number)
        with (target / str(number)).open("wb", buffering=0) as file:
            for chunk in obstore.get(store, key).stream(min_chunk_size=_CHUNK):  # type: ignore[arg-type]
                file.write(chunk)
    return clock.monotonic_s() - began


def _figure(name: str, unit: str, runs: list[float]) -> Figure:
    return Figure(measurement="data", name=name, unit=unit, value=median(runs), runs=tuple(runs))
