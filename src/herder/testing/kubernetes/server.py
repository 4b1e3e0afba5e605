"""The HTTP edge of a cluster, on a loopback address: requests in, answers and watches out.

It runs on an event loop of its own in a thread (`serving`), or as a process (`__main__`). It decides nothing: all rules are the cluster's.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import httptools

from herder.testing.kubernetes.api.answers import Answer, Request
from herder.testing.kubernetes.api.watches import Watch
from herder.testing.kubernetes.cluster import Away, Cluster
from herder.testing.kubernetes.control import PATH, control
from herder.testing.kubernetes.kubeconfig import kubeconfig
from herder.testing.kubernetes.running import LoopClock, Running
from herder.testing.kubernetes.settings import ClusterSettings
from herder.testing.kubernetes.wall_clock import now_ms

_T = TypeVar("_T")
_REASONS = {each.value: each.phrase for each in HTTPStatus}
#: How long a call from another thread may take.
CALL_S = 60.0


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, edge: "Edge") -> None:
        self._edge = edge
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url, self._body = b"", bytearray()
        self._headers: dict[str, str] = {}
        self._watch: Watch | None = None
        self._paused = self._flushing = False

    # --- connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._edge.open[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._edge.open.pop(self, None)
        self._transport = None
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.cut()

    # --- parser

    def on_message_begin(self) -> None:
        self._url, self._headers = b"", {}
        self._body.clear()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        parts = urlsplit(self._url.decode("latin-1"))
        request = Request(
            method=self._parser.get_method().decode(),
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers=self._headers,
            body=bytes(self._body),
        )
        try:
            found = self._edge.request(request)
        except Away:
            self.cut()
            return
        if found.delay_ms:
            wait_s = self._edge.running.clock.wait_s(found.delay_ms)
            self._edge.running.loop.call_later(wait_s, self._answer, found)
        else:
            self._answer(found)

    # --- answering

    def _answer(self, found: Answer | Watch) -> None:
        if self._transport is None:
            if isinstance(found, Watch):
                found.close()
            return
        if isinstance(found, Watch):
            self._begin(found)
        elif found.cut:
            self.cut()
        else:
            headers = {**found.headers, "Date": self._edge.date(), "Content-Length": str(len(found.body))}
            self._transport.write(_head(found.status, headers) + found.body)

    def _begin(self, watch: Watch) -> None:
        assert self._transport is not None
        headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        self._transport.write(_head(watch.status, headers))
        self._watch = watch
        watch.wake = self._flush_soon
        self._flush()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._edge.running.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        watch = self._watch
        if watch is None or self._transport is None or self._paused:
            return
        if watch.cut:
            self.cut()
            return
        if lines := watch.take():
            data = b"".join(lines)
            self._transport.write(b"%x\r\n" % len(data) + data + b"\r\n")
        if watch.over:
            self._watch = None
            self._transport.write(b"0\r\n\r\n")


class Edge:
    """Listens, and carries requests to the cluster."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.open: dict[Connection, None] = {}
        self.url = ""
        self._server: asyncio.Server | None = None

    async def listen(self, port: int = 0) -> None:
        self._server = await self.running.loop.create_server(lambda: Connection(self), "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self.open):
            connection.cut()
        self.running.close()
        await asyncio.sleep(0)

    def date(self) -> str:
        """The time of the cluster, as HTTP writes it."""
        running = self.running
        return formatdate((running.clock.now_ms() + running.cluster.faults.skew_ms) / 1000, usegmt=True)

    def request(self, request: Request) -> Answer | Watch:
        if request.path == PATH and request.method == "POST":
            answer = control(self.running.cluster, request, self.running.clock.now_ms())
            self.running.poke()
            return answer
        return self.running.request(request)


class Serving:
    """A server in a thread of this process."""

    def __init__(self, settings: ClusterSettings | None = None, scale: float = 1.0) -> None:
        self._settings, self._scale = settings or ClusterSettings(), scale
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._failed: BaseException | None = None
        self._edge: Edge | None = None
        self._thread = threading.Thread(target=self._run, name="kubernetes-api", daemon=True)

    @property
    def url(self) -> str:
        assert self._edge is not None
        return self._edge.url

    @property
    def token(self) -> str:
        return next(iter(self._settings.tokens))

    def kubeconfig(self, token: str = "") -> str:
        """The text of a kubeconfig file."""
        return kubeconfig(self.url, token or self.token)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(CALL_S)
        if self._failed is not None:
            raise self._failed

    def call(self, work: Callable[[Cluster, int], _T]) -> _T:
        """Run `work` on the cluster, in its thread, with its time."""
        assert self._edge is not None
        edge = self._edge

        async def run() -> _T:
            found = work(edge.running.cluster, edge.running.clock.now_ms())
            edge.running.poke()
            return found

        return asyncio.run_coroutine_threadsafe(run(), edge.running.loop).result(CALL_S)

    def restart(self, away_ms: int = 0) -> None:
        """As if the API server had been killed and started again."""
        assert self._edge is not None
        edge = self._edge

        def cut(cluster: Cluster, at_ms: int) -> None:
            cluster.restart(at_ms, away_ms)
            for connection in list(edge.open):
                connection.cut()

        self.call(cut)

    def stop(self) -> None:
        if self._edge is not None and self._stop is not None:
            self._edge.running.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(CALL_S)

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
        running = Running(Cluster(self._settings, clock.now_ms()), loop, clock)
        edge = Edge(running)
        await edge.listen()
        self._edge, self._stop = edge, asyncio.Event()
        self._ready.set()
        await self._stop.wait()
        await edge.close()


@contextmanager
def serving(settings: ClusterSettings | None = None, scale: float = 1.0) -> Iterator[Serving]:
    """A cluster with an address, until the block ends."""
    server = Serving(settings, scale)
    server.start()
    try:
        yield server
    finally:
        server.stop()
