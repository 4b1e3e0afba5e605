"""The HTTP edge of a fake, on a loopback address, in threads of this process. It decides nothing: all rules are the fake's."""

import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from herder.testing.fakes.messages import Answer, Fake, Request

IDLE_S = 5.0
Ask = Callable[[Request], Answer]


class LoopbackServer(ThreadingHTTPServer):
    """A server for clients that may end at any moment: one that is killed leaves no traceback on the terminal; other errors do."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError | ssl.SSLError):
            super().handle_error(request, client_address)


class _Server(LoopbackServer):
    def __init__(self, fake: Fake, scale: float, start_ms: int, ask: Ask | None, secret: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fake, self.scale, self.lock = fake, scale, threading.Lock()
        self.ask = ask or self._ask
        self.place = f"/{secret}" if secret else ""
        self._began_s = time.monotonic()
        self._start_ms = start_ms

    def now_ms(self) -> int:
        return self._start_ms + int((time.monotonic() - self._began_s) * 1000 * self.scale)

    def _ask(self, asked: Request) -> Answer:
        with self.lock:
            return self.fake.request(asked, self.now_ms())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    server: _Server

    def _serve(self) -> None:
        parts, place = urlsplit(self.path), self.server.place
        if not parts.path.startswith(f"{place}/"):
            self.close_connection = True
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Request(
            method=self.command,
            path=parts.path.removeprefix(place),
            query=parts.query,
            headers=headers,
            body=body,
            host=headers.get("host", "").partition(":")[0],
        )
        found = self.server.ask(asked)
        if found.delay_ms:
            time.sleep(found.delay_ms / 1000 / self.server.scale)
        if found.cut:
            self.close_connection = True
            return
        content = found.data()
        self.send_response(found.status, found.reason)
        self.send_header("Content-Type", found.content_type)
        for name, value in found.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    # The names that the library looks for.
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the library
        """Nothing is printed."""


class Serving:
    """`ask`: who answers a request, where the fake belongs to another thread; None: the fake, on a time of its own. `secret`: what the path of the
    address begins with, so that other users of this machine, who can reach it, get nothing; empty: anybody is answered."""

    def __init__(
        self,
        fake: Fake,
        scale: float = 1.0,
        tls: ssl.SSLContext | None = None,
        ask: Ask | None = None,
        start_ms: int | None = None,
        secret: str = "",
    ) -> None:
        start_ms = time.time_ns() // 1_000_000 if start_ms is None else start_ms
        self._server = _Server(fake, scale, start_ms, ask, secret)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="fake-api")
        self.address = f"{'http' if tls is None else 'https'}://127.0.0.1:{self._server.server_port}"
        """For people."""
        self.url = f"{self.address}{self._server.place}"
        self.lock = self._server.lock
        """To be held by whoever changes the fake meanwhile."""

    def now_ms(self) -> int:
        """The time of the fake."""
        return self._server.now_ms()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def serving(
    fake: Fake,
    scale: float = 1.0,
    tls: ssl.SSLContext | None = None,
    start_ms: int | None = None,
    secret: str = "",
) -> Iterator[Serving]:
    """A fake with an address, until the block ends. `scale`: its seconds in a second. `tls`: it speaks HTTPS. `start_ms`: its time now; None:
    that of this machine. `secret`: see `Serving`."""
    server = Serving(fake, scale, tls, start_ms=start_ms, secret=secret)
    server.start()
    try:
        yield server
    finally:
        server.stop()
