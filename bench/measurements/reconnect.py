"""A server that is killed while a thousand workers talk to it, and started again: how soon each worker has had an answer, and how large it grows.

The workers are those of `idle_workers.py`: the agent's own code, over real sockets, in this process. So the figure has this process's time in it, too.
"""

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.bench import Bench
from bench.figures import Figure
from bench.measurements.idle_workers import SETTINGS, crowd
from bench.server.usage import private_bytes
from bench.server.world import World
from herder.control.kernel.clock import monotonic_s

NAME = "reconnect"
#: Longer than any answer may take.
LIMIT_S = 120.0
PAGE = 500


async def measure(bench: Bench) -> list[Figure]:
    with TemporaryDirectory(prefix="start-data-", dir=bench.folder) as folder:
        workers = bench.sizes.idle_workers
        settings = SETTINGS.format(workers=workers, folder=json.dumps(folder))
        async with bench.world(more_settings=settings) as world, crowd(world, Path(folder), workers):
            before, began = private_bytes(world.server), monotonic_s()
            with _quiet():
                await world.restart()
                up_s = monotonic_s() - began
                heard = await _all_heard(world, workers, world.started_ms)
            cpu, after = world.cpu().server, private_bytes(world.server)
    note = f"{workers:,} workers"
    return [
        Figure(
            measurement=NAME,
            name="last answer",
            unit="s",
            value=max(heard) / 1000,
            note=f"{note}; after the server listens",
        ),
        Figure(
            measurement=NAME, name="half of the answers", unit="s", value=sorted(heard)[workers // 2] / 1000
        ),
        Figure(measurement=NAME, name="from SIGKILL until the server listens", unit="s", value=up_s),
        Figure(measurement=NAME, name="server CPU until then", unit="s", value=cpu),
        Figure(measurement=NAME, name="memory against before", unit="×", value=after / before),
    ]


@contextmanager
def _quiet() -> Iterator[None]:
    """Each agent logs that the server is away."""
    log = logging.getLogger("herder")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


async def _all_heard(world: World, workers: int, since_ms: int) -> list[int]:
    """By worker: how long after `since_ms` it was heard of first, as far as looks each second can tell (too late, never too early)."""
    heard: dict[str, int] = {}
    async with asyncio.timeout(LIMIT_S):
        while len(heard) < workers:
            await asyncio.sleep(0.5)
            after: str | None = ""
            while after is not None:
                page = await world.caller.ask("GET", f"/workers?pool=crowd&limit={PAGE}{after}")
                for each in page["items"]:
                    at_ms = int(datetime.fromisoformat(each["last_seen_at"]).timestamp() * 1000)
                    if at_ms >= since_ms:
                        heard.setdefault(each["name"], at_ms - since_ms)
                after = f"&after={page['next']}" if page["next"] else None
    return list(heard.values())
