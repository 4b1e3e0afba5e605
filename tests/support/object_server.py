"""Servers of data for tests: moto as a process, which speaks the S3 protocol, and a web server of files that breaks on demand."""

import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import obstore
from obstore.store import S3Store

BUCKET = "data"


class S3:
    """One bucket. `config` opens it with obstore; `environment` is that of a worker with credentials of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.config: Any = {
            "endpoint": url,
            "region": "us-east-1",
            "access_key_id": "tester",
            "secret_access_key": "tester-secret",
            "virtual_hosted_style_request": False,
        }
        self.environment = {
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "tester-secret",
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
        }

    def empty(self) -> None:
        urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/moto-api/reset", data=b"", method="POST")
        ).close()
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/{BUCKET}", data=b"", method="PUT")).close()

    def put(self, key: str, content: bytes) -> None:
        obstore.put(self._store(), key, content)

    def get(self, key: str) -> bytes:
        return bytes(obstore.get(self._store(), key).bytes())

    def keys(self) -> list[str]:
        return sorted(each["path"] for page in obstore.list(self._store()) for each in page)

    def _store(self) -> S3Store:
        return S3Store(BUCKET, client_options={"allow_http": True}, **self.config)


@contextmanager
def s3_server(folder: Path) -> Iterator[S3]:
    """moto tells its port, which it chooses, in its log."""
    log = folder / "moto.log"
    program = (
        "from moto.server import DomainDispatcherApplication, create_backend_app as b\n"
        "from werkzeug.serving import make_server\n"
        "s = make_server('127.0.0.1', 0, DomainDispatcherApplication(b), threaded=True)\n"
        "print('PORT', s.server_port, flush=True)\n"
        "s.serve_forever()\n"
    )
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
    try:
        while (found := re.search(r"PORT (\d+)", log.read_text())) is None:
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        made = S3(f"http://127.0.0.1:{found[1]}")
        made.empty()
        yield made
    finally:
        process.kill()
        process.wait()


class Web:
    """Files by path, with ETag and ranges. `breaks`: answers to the next GETs: bytes after which the connection breaks, or a status."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.breaks: list[int] = []
        self.ranges = True
        self.redirects: dict[str, str] = {}
        """Paths and where they lead."""
        self.trickles: set[str] = set()
        """Paths whose content comes byte by byte."""
        self.requests: list[tuple[str, str, str]] = []
        """Method, path, and range."""
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                web.answer(self)

            def do_PUT(self) -> None:
                web.requests.append(("PUT", self.path, ""))
                if web.breaks and (fault := web.breaks.pop(0)) >= 400:
                    self.rfile.read(int(self.headers["content-length"]))
                    self._end(fault)
                    return
                web.files[self.path] = self.rfile.read(int(self.headers["content-length"]))
                self._end(201)

            def _end(self, status: int) -> None:
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def answer(self, call: BaseHTTPRequestHandler) -> None:
        wanted = call.headers.get("range", "")
        self.requests.append(("GET", call.path, wanted))
        fault = self.breaks.pop(0) if self.breaks else None
        content = self.files.get(call.path)
        if call.path in self.redirects:
            call.send_response(302)
            call.send_header("location", self.redirects[call.path])
            call.send_header("content-length", "0")
            call.end_headers()
            return
        if content is None or fault in (403, 500, 503):
            call.send_response(fault or 404)
            call.send_header("content-length", "0")
            call.end_headers()
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        call.send_response(206 if start else 200)
        call.send_header("etag", f'"{hash(content) & 0xFFFFFF:x}"')
        call.send_header("content-length", str(len(content) - start))
        if start:
            call.send_header("content-range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        call.end_headers()
        if call.path in self.trickles:
            for at in range(start, len(content)):
                call.wfile.write(content[at : at + 1])
                time.sleep(0.02)
        elif fault is None:
            call.wfile.write(content[start:])
        if fault is None or call.path in self.trickles:
            return
        call.wfile.write(content[start : start + fault])
        call.wfile.flush()
        call.close_connection = True
        call.connection.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
