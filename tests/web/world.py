"""A served dashboard over a hand-made engine: no drivers and no loops but the trend's, so that nothing moves by itself.

The server runs on its own thread and event loop; `World.run` does something on it. `stop` and `start` keep data and port.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from herder.control.access.tokens import Principal, Role
from herder.control.jobs.submitting.submission import submit
from herder.control.kernel.clock import now_ms
from herder.control.kernel.core import Core
from herder.control.kernel.jobs.usage_ledger import read_ledger
from herder.control.kernel.secret_tokens import new_token
from herder.control.kernel.settings import CoreSettings
from herder.control.loops.scale import cycle
from herder.control.pools.pool_actions import store_pool
from herder.control.recovery.recover import recover
from herder.engine.attempts.attempt import ended
from herder.engine.memory.events import record_event
from herder.engine.workers.cluster.nodes import look
from herder.engine.workers.worker import activated, drain, provisioned, provisioning
from herder.model.ids import UserName
from herder.model.planning.cluster import NotConsidered, PodGroup
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.records import LogRecord
from herder.model.values.resources import Resources
from herder.model.work.demand import Shape
from herder.settings import pool_from_plain
from herder.store.opening.database import migrate, open_engine, sqlite_url
from herder.store.sql_store import SqlStore
from herder.web.routes import router
from herder.web.trend import Sample, Trend
from herder.wire.api.work import JobSubmission
from herder.wire.worker.exchange import Finished
from tests.support.fake_cluster import FakeCluster, node

ANN = Principal(UserName("ann"), Role.ADMINISTRATOR)


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = new_token()
        self.secret = new_token()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.core: Core
        self.trend: Trend
        self._loop: asyncio.AbstractEventLoop
        self._server: uvicorn.Server
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), name="world", daemon=True
        )
        self._thread.start()
        assert ready.wait(20)

    def stop(self) -> None:
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self.core.events.close)
            self._server.should_exit = True
            self._thread.join(20)
            assert not self._thread.is_alive()
            self._thread = None

    def run(self, work: Callable[[Core], Coroutine[Any, Any, Any]]) -> Any:
        return asyncio.run_coroutine_threadsafe(work(self.core), self._loop).result(20)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self.core = await open_core(self.folder, self.token, self.secret)
        self.trend = Trend()
        app = FastAPI(openapi_url=None)
        app.router.routes.extend(router(self.core, self.trend).routes)
        sampling = asyncio.create_task(self.trend.sample(self.core))
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=self.port,
            log_level="warning",
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        serving = asyncio.create_task(self._server._serve())
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.01)
        ready.set()
        await serving
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
        await self.core.close()
        self.core.store.engine.dispose()  # type: ignore[attr-defined]


async def open_core(folder: Path, token: str, secret: str) -> Core:
    """With one administrator, ann. Existing data is taken up."""
    database = open_engine(sqlite_url(folder))
    migrate(database)
    with database.connect() as connection:
        state, directory, _ = recover(connection, now_ms())
        ledger = read_ledger(connection)
    settings = CoreSettings(server_url="http://127.0.0.1:1", installation="test", secret=secret)
    core = Core(
        settings=settings,
        state=state,
        ledger=ledger,
        store=SqlStore(database, lambda error: None),
        directory=directory,
        drivers={},
        on_fatal=lambda error: None,
    )
    if ANN.user not in directory.users:
        changes = Changes()
        directory.add_user(changes, ANN.user, Role.ADMINISTRATOR, 1, now_ms())
        directory.add_token(changes, ANN.user, Role.ADMINISTRATOR, "", now_ms(), token=token)
        await core.commit(changes)
    return core


async def add_pool(core: Core, name: str, **settings: Any) -> None:
    changes = Changes()
    plain = {
        "name": name,
        "driver": "local",
        "templates": ["small", "medium"],
        "idle_timeout": "30m",
        **settings,
    }
    store_pool(core, changes, pool_from_plain(plain), now_ms())
    record_event(core.state, changes, now_ms(), "pool.created", f"pool/{name}", f"pool {name} created")
    await core.commit(changes)


async def add_jobs(core: Core, count: int, **job: Any) -> None:
    changes = Changes()
    for _ in range(count):
        submit(core, ANN, JobSubmission(command=["echo", "hello"], **job), changes, now_ms())
    await core.commit(changes)


async def boot(core: Core, *names: str) -> None:
    """These workers are made and join."""
    changes = Changes()
    for name in names:
        worker = core.state.workers[name]  # type: ignore[index]
        provisioning(core.state, worker, "none")
        provisioned(core.state, changes, worker, f"pid {len(name)}", now_ms())
        activated(core.state, changes, worker, f"hash of {name}", "nonce", now_ms())
    await core.commit(changes)


async def finish(core: Core, count: int, state: Any = "succeeded", exit_code: int = 0) -> None:
    """The oldest running attempts end."""
    changes = Changes()
    for job, attempt in list(core.state.live.items())[:count]:
        worker = core.state.workers[attempt.worker]
        ending = Finished(
            job=job, attempt=attempt.number, state=state, exit_code=exit_code, cause="exit_code" if exit_code else "",
            started_at_ms=attempt.assigned_at_ms, ended_at_ms=now_ms(),
        )  # fmt: skip
        ended(core.state, changes, worker, ending, None, now_ms())
    await core.commit(changes)


async def print_output(core: Core, job: int, text: str, after: str = "") -> None:
    """What the first attempt of a job prints, `after` what it has printed before."""
    changes = Changes()
    changes.put(LogRecord(job, 1, len(after.encode()), text))
    changes.after.append(partial(core.output_came.notify, job))
    await core.commit(changes)


async def trouble(core: Core, text: str) -> None:
    changes = Changes()
    record_event(core.state, changes, now_ms(), "worker.trouble", "worker/burst-2-1", text)
    await core.commit(changes)


async def busy(core: Core) -> None:
    """Three pools, workers in most states, jobs in most states, a frozen pool, and decisions with their reasons."""
    await add_pool(core, "permanent", min_workers=3, templates=["medium"])
    await cycle(core, b"")
    await boot(core, *core.state.workers)
    await add_pool(core, "burst", max_workers=12, ttl="4h")
    await add_jobs(core, 60, cpu="900m", memory="1Gi", pool="burst")
    report = await cycle(core, b"")
    await boot(core, *[name for name in core.state.workers if name.startswith("burst")][:3])
    await add_jobs(core, 9, cpu="2", memory="4Gi", pool="permanent")
    await finish(core, 7)
    await finish(core, 2, "failed", 1)
    report = await cycle(core, report)
    names = list(core.state.workers)
    changes = Changes()
    drain(
        core.state,
        changes,
        core.state.workers[names[3]],
        Reason(kind=ReasonKind.BY_HAND, text="by ann"),
        now_ms(),
    )
    core.state.workers[names[0]].cordoned = True
    await core.commit(changes)
    await add_pool(core, "spot", frozen=True, max_workers=15)
    await add_jobs(core, 3, pool="spot")
    await cycle(core, report)
    await trouble(core, "the driver local could not start it: OutOfCapacity: no core left on this machine")


async def clusters(core: Core) -> None:
    """A cluster that is seen, with pods of each kind, and one that is not."""
    kubernetes = UserName("kubernetes")
    for name, cluster in (("prod", FakeCluster(now=now_ms)), ("edge", FakeCluster(name="edge"))):
        core.clusters[name] = cluster
        if name == "prod":
            cluster.put(node("n-1"), node("n-2", ready=False))
            shape = Shape(request=Resources(1500, 2048, 0), user=kubernetes)
            cluster.pending = (
                PodGroup(
                    shape=shape, count=12, since_ms=now_ms() - 90_000, example="shop/web-7f9c6b5d4-x2x9z"
                ),
            )
            cluster.not_considered = (
                NotConsidered(because="The pods have a scheduling gate.", count=2, example="shop/gated-1"),
            )
        look(core.state, Changes(), cluster.seen(), 60_000, now_ms())


def wave(trend: Trend, until_ms: int) -> None:
    """A quarter of an hour of plausible past, instead of what there is."""
    trend._samples.clear()
    for second in range(899, 0, -1):
        done = 899 - second
        desired = 3 if done < 200 else min(12, 3 + (done - 200) // 20) if done < 600 else 9
        actual = 3 if done < 210 else min(12, 3 + (done - 210) // 20) if done < 640 else 9
        ready = 3 if done < 260 else min(12, 3 + (done - 260) // 20) if done < 640 else 8
        queued = 0 if done < 190 else max(0, 60 - (done - 190) // 8) if done < 700 else (done - 700) // 6
        trend.add(
            Sample(
                at_ms=until_ms - second * 1000, desired=desired, actual=actual, ready=ready,
                queued=queued, running=min(ready * 4, queued + 3), price_pico_per_hour=ready * 240_000_000_000,
            )
        )  # fmt: skip
