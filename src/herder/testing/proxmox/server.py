"""The HTTP edge of a cluster, on a loopback address, in threads of this process (`serving`). It decides nothing: all rules are the cluster's."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from herder.testing.proxmox.answers import Answer, Request
from herder.testing.proxmox.cluster import Proxmox

IDLE_S = 5.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, cluster: Proxmox, scale: float, ask: Callable[[Request], Answer] | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.cluster, self.scale, self.lock = cluster, scale, threading.Lock()
        self.ask = ask or self._ask
        self._began_s = time.monotonic()
        self._start_ms = cluster.state.now_ms

    def now_ms(self) -> int:
        return self._start_ms + int((time.monotonic() - self._began_s) * 1000 * self.scale)

    def _ask(self, asked: Request) -> Answer:
        with self.lock:
            return self.cluster.request(asked, self.now_ms())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    server: _Server

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Request(method=self.command, path=parts.path, query=parts.query, headers=headers, body=body)
        found = self.server.ask(asked)
        if found.delay_ms:
            time.sleep(found.delay_ms / 1000 / self.server.scale)
        if found.cut:
            self.close_connection = True
            return
        content = found.data()
        self.send_response(found.status, found.reason)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the names that the library looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the library
        """Nothing is printed."""


class Serving:
    """`ask`: who answers a request, where the cluster belongs to another thread; None: the cluster, on a time of its own."""

    def __init__(
        self,
        cluster: Proxmox,
        scale: float,
        tls: ssl.SSLContext | None = None,
        ask: Callable[[Request], Answer] | None = None,
    ) -> None:
        self._server = _Server(cluster, scale, ask)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="proxmox-api")
        self.cluster = cluster
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self._server.server_port}"
        self.lock = self._server.lock
        """To be held by whoever changes the cluster meanwhile."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def serving(
    cluster: Proxmox | None = None, scale: float = 1.0, tls: ssl.SSLContext | None = None
) -> Iterator[Serving]:
    """A cluster with an address, until the block ends. `scale`: seconds of the cluster in a second. `tls`: it speaks HTTPS."""
    server = Serving(cluster or Proxmox(now_ms=time.time_ns() // 1_000_000), scale, tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()
