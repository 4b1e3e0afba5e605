"""A web server on loopback that receives callbacks and does to them what a test wants."""

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self


class Received(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


def accept(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(204)
    handler.end_headers()


def status(code: int, text: str = "", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answers with this."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text.encode())

    return answer


class Receiver:
    """In `with`. `answer` is asked for each message that has arrived."""

    def __init__(
        self,
        answer: Callable[[BaseHTTPRequestHandler], None] = accept,
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answer, self.got, self.stopped = answer, [], threading.Event()
        self._came = threading.Condition()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with owner._came:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    owner.got.append(Received(self.path, headers, body))
                    owner._came.notify_all()
                owner.answer(self)

            def log_message(self, *_args: Any) -> None:
                """Nothing on the terminal."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A sender that goes away is what some tests want."""

        self._http = Quiet((host, 0), Handler)
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self.port = self._http.server_address[1]
        self.url = f"http{'s' if tls else ''}://{host}:{self.port}/hook"

    got: list[Received]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def wait(self, count: int = 1, within_s: float = 30.0) -> list[Received]:
        """What has come, as soon as there is so much of it."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.got) >= count, within_s), f"{len(self.got)} came"
            return list(self.got)
