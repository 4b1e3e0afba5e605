"""Running a server: socket, store, drivers, engine, loops and HTTP, from start to an orderly stop.

`serve` is what `herder up` and `herder server` call; the demo, the bench and tests run it too, in their own process or another.
"""

import asyncio
import gc
import json
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import uvicorn

from herder.api.application import application
from herder.control import sharing
from herder.control.core import Core, CoreSettings
from herder.control.loops import housekeeping, launch, lifecycle, readings, scale, sweep
from herder.control.pools import keep_frozen, store_pool
from herder.control.supervise import supervise
from herder.drivers.registry import BadSettings, UnknownDriver, open_driver
from herder.engine.worker import terminate
from herder.model.changes import Changes
from herder.model.driver import Driver, DriverError
from herder.model.plan import Reason, ReasonKind
from herder.server.opening import Opened, ensure_admin, open_data, write_server_file
from herder.server.options import ServerOptions, StartError
from herder.store.sql_store import SqlStore
from herder.web.routes import router
from herder.web.trend import Trend

log = logging.getLogger(__name__)

LOOPS: dict[str, Callable[[Core], Awaitable[None]]] = {
    "scale": scale.run,
    "launch": launch.run,
    "lifecycle": lifecycle.run,
    "sweep": sweep.run,
    "housekeeping": housekeeping.run,
    "readings": readings.run,
}
#: The longest an orderly stop waits for workers that were told to go.
STOP_WORKERS_S = 15.0
#: How often the lock of a PostgreSQL store is looked at.
LOCK_LOOK_S = 5.0


@dataclass(slots=True, kw_only=True)
class Running:
    """What the caller is told once everything answers. `stop` begins an orderly stop."""

    core: Core
    url: str
    token: str
    stop: Callable[[], None]


async def serve(options: ServerOptions, started: Callable[[Running], None] | None = None) -> int:
    """Runs until stopped by a signal or `Running.stop`; the answer is the exit code. Raises StartError."""
    options.check()
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(options.host, options.port))
        url = _url(options, listener)
        opened = open_data(options, stack)
        token = ensure_admin(options, opened)
        drivers = _drivers(options, opened)
        server = _Server(options, listener)
        core = Core(
            settings=CoreSettings(
                server_url=options.public_url or url,
                installation=opened.installation,
                secret=opened.secret,
                poll_s=options.poll_s,
                sweep_period_s=options.sweep_period_s,
                self_delete_after_s=options.self_delete_after_s,
                metric_sources=options.metric_sources,
            ),
            state=opened.state,
            store=SqlStore(opened.database, server.fatal),
            directory=opened.directory,
            drivers=drivers,
            on_fatal=server.fatal,
        )
        await _first_writes(core, options, opened)
        trend = Trend()
        server.config.app = application(core, opened.answers, router(core, trend).routes)
        running = Running(core=core, url=url, token=token, stop=server.stop)
        return await _run(server, core, opened, options, running, trend, started)


async def _run(
    server: "_Server",
    core: Core,
    opened: Opened,
    options: ServerOptions,
    running: Running,
    trend: Trend,
    started: Callable[[Running], None] | None,
) -> int:
    loops = [asyncio.create_task(supervise(core, name, loop), name=name) for name, loop in LOOPS.items()]
    scaling = loops[0]
    beside: dict[str, Callable[[Core], Awaitable[None]]] = {
        "trend": trend.sample,
        "lock": partial(_watch_lock, opened, server),
    }
    loops += [asyncio.create_task(supervise(core, name, loop), name=name) for name, loop in beside.items()]
    serving = asyncio.create_task(server.run(), name="http")
    server.take_signals()
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    write_server_file(options, running.url)
    gc.set_threshold(100_000, 20, 50)  # submissions make many objects at a time, and none of them in circles
    gc.freeze()  # what was loaded at start need not be looked at again by the collector
    if started is not None and not serving.done():
        started(running)
    await server.stopping.wait()
    if options.stop_workers and server.error is None:
        scaling.cancel()  # or it would make new ones for those that go
        await asyncio.wait({scaling})
        await _stop_workers(core)
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    core.let_go()
    server.should_exit = True
    await serving
    if server.error is not None:
        log.critical("stopped, since what is in memory could not be kept: %s", server.error)
        return 1
    await core.close()
    return 0


async def _first_writes(core: Core, options: ServerOptions, opened: Opened) -> None:
    """What opening decided, and the pools of the files, before anybody can ask."""
    changes = opened.changes
    if opened.sharing is not None:
        sharing.take(core, sharing.wanted(core, json.loads(opened.sharing)))
    shared = sharing.wanted(core, options.sharing)
    if shared != core.sharing:
        sharing.put_in_force(core, changes, shared)
    wanted = (
        options.pools if options.pools is not None or not opened.never_had_pools else options.default_pools
    )
    for each in wanted or ():
        pool = keep_frozen(core, each)
        if core.state.pools.get(pool.name) != pool:
            store_pool(core, changes, pool, core.clock.now_ms())
    await core.commit(changes)
    for batch in opened.unswept:
        core.sweep(batch, core.clock.now_ms())


async def _stop_workers(core: Core) -> None:
    changes, now = Changes(), core.clock.now_ms()
    reason = Reason(kind=ReasonKind.BY_HAND, text="the server was stopped")
    for worker in list(core.state.workers.values()):
        terminate(core.state, changes, worker, reason, now)
    core.workers_changed.set()
    await core.commit(changes)
    deadline = asyncio.get_running_loop().time() + STOP_WORKERS_S
    while core.state.workers and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)


async def _watch_lock(opened: Opened, server: "_Server", core: Core) -> None:
    """Without the lock another server may write: then this one must not."""
    while opened.lock is not None:
        await asyncio.sleep(LOCK_LOOK_S)
        if not await asyncio.to_thread(opened.lock.alive):
            server.fatal(RuntimeError("the connection that held the store's lock is gone"))
            return


def _drivers(options: ServerOptions, opened: Opened) -> dict[str, Driver]:
    drivers: dict[str, Driver] = {}
    for each in options.drivers:
        settings: dict[str, object] = dict(each.settings)
        if each.kind == "local":
            settings.setdefault("data_folder", str(options.data_dir))
            settings.setdefault("installation", opened.installation)
            settings.setdefault("name", each.name)
        try:
            drivers[each.name] = open_driver(each.kind, settings)
            drivers[each.name].health()
        except (BadSettings, UnknownDriver) as error:
            raise StartError(
                f"driver {each.name}: {error}", "see the drivers section of herder.yaml"
            ) from None
        except DriverError as error:
            log.warning("driver %s is not usable now: %s", each.name, error)
    return drivers


@contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    """The listening socket, taken first: a port in use must not cost anything."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise StartError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            "is another server running? give another --port, or --port 0 for any free one",
        ) from None
    with listener:
        yield listener


def _url(options: ServerOptions, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    host = "127.0.0.1" if options.host in ("0.0.0.0", "::", "localhost") else options.host
    scheme = "https" if options.tls_cert is not None else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn, with signals and the stop in our hands: a long poll must be answered before the connections close."""

    def __init__(self, options: ServerOptions, listener: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                app=lambda: None,
                lifespan="off",
                access_log=False,
                log_config=None,
                http="httptools",
                ws="none",
                timeout_keep_alive=120,
                timeout_graceful_shutdown=3,
                server_header=False,
                ssl_certfile=str(options.tls_cert) if options.tls_cert else None,
                ssl_keyfile=str(options.tls_key) if options.tls_key else None,
            )
        )
        self._listener = listener
        self.stopping = asyncio.Event()
        self.error: BaseException | None = None

    async def run(self) -> None:  # type: ignore[override]
        await self.serve(sockets=[self._listener])
        self.stopping.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def take_signals(self) -> None:
        """The first SIGINT or SIGTERM asks for an orderly stop, a second one ends at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, self._signalled)
            except (ValueError, RuntimeError, NotImplementedError):
                return  # not the main thread: whoever runs us stops us

    def _signalled(self) -> None:
        if self.stopping.is_set():
            sys.exit(130)
        self.stop()

    def stop(self) -> None:
        self.stopping.set()

    def fatal(self, error: BaseException) -> None:
        """The store failed: what is in memory cannot be kept, so nothing may be answered any more."""
        self.error = error
        self.force_exit = self.should_exit = True
        self.stopping.set()
