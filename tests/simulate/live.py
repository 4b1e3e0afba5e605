"""A real server in a thread of this process, with workers as local processes; jobs of it run for real."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from herder.client import HerderClient
from herder.model.fleet.pool import PoolSpec
from herder.server.options import ServerOptions
from herder.server.runtime import Running, serve
from herder.settings import pool_from_plain
from herder.settings.sections.server import DriverSettings
from herder.wire.api.work import BatchCreate, JobSubmission

POOL = pool_from_plain(
    {
        "name": "std",
        "driver": "local",
        "templates": [
            {"name": "half", "cpu": "500m", "memory": "256Mi", "disk": "1Gi", "price_per_hour": "0.01"},
            {"name": "one", "cpu": "1", "memory": "512Mi", "disk": "1Gi", "price_per_hour": "0.02"},
        ],
        "max_workers": 3,
        "idle_timeout": "2s",
    }
)


class LiveServer:
    """`with LiveServer(folder) as live`: leaves with an orderly stop, workers and all."""

    def __init__(
        self, folder: Path, store_url: str | None = None, pools: Sequence[PoolSpec] = (POOL,)
    ) -> None:
        self._options = ServerOptions(
            data_dir=folder,
            port=0,
            poll_s=1.0,
            store_url=store_url,
            pools=tuple(pools),
            drivers=(DriverSettings(name="local", kind="local"),),
        )
        self._options = replace(self._options, stop_workers=True)
        self._ready = threading.Event()
        self._ended: object = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._ended = asyncio.run(serve(self._options, self._begun))
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self._ended = error
        self._ready.set()

    def _begun(self, running: Running) -> None:
        self._running, self._loop = running, asyncio.get_running_loop()
        self._ready.set()

    def __enter__(self) -> LiveServer:
        self._thread.start()
        assert self._ready.wait(30)
        assert self._ended is None, self._ended
        self.client = HerderClient(self._running.url, self._running.token)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._loop.call_soon_threadsafe(self._running.stop)
        self._thread.join(40)
        assert self._ended == 0, self._ended

    def run(self, *jobs: dict[str, Any], name: str = "") -> int:
        """Submit as one batch, and wait for its end; answers its number."""
        bodies = [JobSubmission(**job) for job in jobs]
        batch = self.client.batches.create(BatchCreate(name=name, jobs=bodies, commit=True))
        assert self.client.batches.wait(batch.id, timeout_s=60).state in ("succeeded", "failed")
        return int(batch.id)

    def start(self, job: dict[str, Any]) -> int:
        """Submit one job of no batch, and wait until it runs."""
        number = int(self.client.jobs.submit(JobSubmission(**job)).first_job)
        self.until(lambda: self.client.jobs.get(number).state == "running")
        return number

    def until(self, done: Callable[[], bool]) -> None:
        give_up_at = time.monotonic() + 30
        while not done():
            assert time.monotonic() < give_up_at
            time.sleep(0.02)


def noop(sleep_ms: int, cpu: str = "250m", **more: Any) -> dict[str, Any]:
    return {"runtime": "noop", "sleep_ms": sleep_ms, "cpu": cpu, "memory": "64Mi", **more}
