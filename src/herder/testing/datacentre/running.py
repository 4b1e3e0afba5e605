"""A datacentre with addresses on this machine: the three APIs on one event loop, which is also where all of its time passes.

`Running` is opened and closed on its loop; `serving` does it in a thread of its own. It decides nothing. Only loopback addresses are used:
the Talos machines have addresses in 127.0.0.0/8, and one port.
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from herder.testing.datacentre.datacentre import Datacentre
from herder.testing.datacentre.settings import DatacentreSettings
from herder.testing.kubernetes.kubeconfig import kubeconfig
from herder.testing.kubernetes.running import LoopClock
from herder.testing.kubernetes.running import Running as RunningKubernetes
from herder.testing.kubernetes.server import Edge as KubernetesEdge
from herder.testing.kubernetes.wall_clock import now_ms
from herder.testing.proxmox import Answer, Request
from herder.testing.proxmox.server import Serving as ProxmoxServing
from herder.testing.talos.server import Edge as TalosEdge

_T = TypeVar("_T")
#: How long a call from another thread may take.
CALL_S = 30.0


def own_network() -> str:
    """The first two parts of the addresses: another process has others, mostly, and else another port."""
    return f"127.{64 + os.getpid() % 128}"


def _free_port(address: str) -> int:
    with socket.create_server((address, 0)) as found:
        return int(found.getsockname()[1])


class Running:
    def __init__(
        self, datacentre: Datacentre, loop: asyncio.AbstractEventLoop, clock: LoopClock, scale: float = 1.0
    ) -> None:
        self.datacentre, self._loop, self._clock = datacentre, loop, clock
        datacentre.time = clock.now_ms
        datacentre.changed = self.look
        self._kubernetes = RunningKubernetes(datacentre.kubernetes, loop, clock)
        self._kubernetes_edge = KubernetesEdge(self._kubernetes)
        self.talos_port = _free_port(datacentre.control_plane_address)
        self._talos = TalosEdge(datacentre.talos, datacentre.authority, clock, self.talos_port)
        self._proxmox = ProxmoxServing(datacentre.proxmox, scale, ask=self._ask_proxmox)
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._closed = False

    async def open(self) -> None:
        await self._kubernetes_edge.listen()
        await self._talos.__aenter__()
        self._proxmox.start()
        self.look()

    async def close(self) -> None:
        self._closed = True
        for handle in (self._timer, self._soon):
            if handle is not None:
                handle.cancel()
        await asyncio.to_thread(self._proxmox.stop)
        await self._talos.__aexit__(None, None, None)
        await self._kubernetes_edge.close()

    @property
    def proxmox_url(self) -> str:
        return self._proxmox.url

    @property
    def kubernetes_url(self) -> str:
        return self._kubernetes_edge.url

    def look(self) -> None:
        """Something may have changed: let every part look, after what runs now."""
        if self._soon is None and not self._closed:
            self._soon = self._loop.call_soon(self._step)

    def _step(self) -> None:
        self._soon = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._closed:
            return
        next_ms = self.datacentre.proxmox.step(self._clock.now_ms())
        self._kubernetes.poke()
        self._talos.poke()
        if next_ms is not None:
            wait_ms = max(1, next_ms - self._clock.now_ms())
            self._timer = self._loop.call_later(self._clock.wait_s(wait_ms), self._step)

    def _ask_proxmox(self, asked: Request) -> Answer:
        """Called in a thread of the server."""

        async def ask() -> Answer:
            found = self.datacentre.proxmox.request(asked, self._clock.now_ms())
            self.look()
            return found

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(CALL_S)


class Serving:
    """A datacentre in a thread of this process."""

    def __init__(self, settings: DatacentreSettings, scale: float = 1.0) -> None:
        self._settings, self._scale = settings, scale
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._running: Running | None = None
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="datacentre", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(CALL_S)
        if self._failed is not None:
            raise self._failed

    def stop(self) -> None:
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(CALL_S)

    @property
    def running(self) -> Running:
        assert self._running is not None
        return self._running

    @property
    def token(self) -> str:
        return next(iter(self._settings.kubernetes.tokens))

    def kubeconfig(self) -> str:
        return kubeconfig(self.running.kubernetes_url, self.token)

    def call(self, work: Callable[[Datacentre, int], _T]) -> _T:
        """Run `work` on the datacentre, in its thread, with its time."""
        assert self._loop is not None
        running = self.running

        async def run() -> _T:
            found = work(running.datacentre, running.datacentre.time())
            running.look()
            return found

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(CALL_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - told to whoever started it
            self._failed = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        clock = LoopClock(loop, now_ms(), self._scale)
        running = Running(Datacentre(self._settings, clock.now_ms()), loop, clock, self._scale)
        self._running, self._loop, self._stop = running, loop, asyncio.Event()
        await running.open()
        self._ready.set()
        await self._stop.wait()
        await running.close()


@contextlib.contextmanager
def serving(settings: DatacentreSettings | None = None, scale: float = 1.0) -> Iterator[Serving]:
    """A datacentre with addresses, until the block ends. `scale`: seconds of it in a second."""
    server = Serving(replace(settings or DatacentreSettings(), network=own_network()), scale)
    server.start()
    try:
        yield server
    finally:
        server.stop()
