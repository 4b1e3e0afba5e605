"""The same server over streamable HTTP on a loopback address, in threads of this process (`serving`): sessions, answers as JSON and SSE."""

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from herder.testing.fakes.serving import LoopbackServer
from herder.testing.mcp.faults import DIE, HANG, LOSE_SESSION
from herder.testing.mcp.protocol import Met, Played
from herder.testing.mcp.tools import ProxmoxTools

IDLE_S = 5.0
HANG_S = 60.0


class _Server(LoopbackServer):
    def __init__(self, played: Played, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.played, self.token = played, token
        self.sessions: set[str] = set()
        self.let_go = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if self.server.token and self.headers.get("authorization") != f"Bearer {self.server.token}":
            return self._send(401, b"{}")
        message = json.loads(body)
        session = self.headers.get("mcp-session-id", "")
        if message.get("method") == "initialize":
            session = secrets.token_hex(8)
            self.server.sessions.add(session)
        elif message.get("method") != "server/discover" and session not in self.server.sessions:
            return self._send(404, b"{}")
        try:
            reply = self.server.played.answer(message)
        except Met as met:
            return self._met(met)
        if reply is None:
            return self._send(202, b"")
        content = json.dumps(reply).encode()
        if message.get("method") != "tools/call":
            return self._send(200, content, session=session)
        event = b"event: message\ndata: " + content + b"\n\n"
        return self._send(200, b": wait\n\n" + event, kind="text/event-stream", session=session)

    def do_GET(self) -> None:
        """It sends nothing that it was not asked for."""
        self._send(405, b"")

    def do_DELETE(self) -> None:
        self.server.sessions.discard(self.headers.get("mcp-session-id", ""))
        self._send(200, b"")

    def _met(self, met: Met) -> None:
        if met.rule.does == LOSE_SESSION:
            self.server.sessions.clear()
            return self._send(404, b"{}")
        if met.rule.does in (DIE, HANG):
            if met.rule.does == HANG:
                self.server.let_go.wait(HANG_S)
            self.close_connection = True
            return None
        return self._send(200, b"<html>It works!</html>")

    def _send(
        self, status: int, content: bytes, *, kind: str = "application/json", session: str = ""
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if session:
            self.send_header("Mcp-Session-Id", session)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the library
        """Nothing is printed."""


class Serving:
    def __init__(self, tools: ProxmoxTools, token: str) -> None:
        self.played = Played(tools)
        self._server = _Server(self.played, token)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="played-mcp")
        self.url = f"http://127.0.0.1:{self._server.server_port}/mcp"

    def start(self) -> None:
        self._thread.start()

    def let_go(self) -> None:
        """Of calls that hang."""
        self._server.let_go.set()

    def stop(self) -> None:
        self.let_go()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def serving(tools: ProxmoxTools, token: str = "") -> Iterator[Serving]:
    """Until the block ends. `token`: the bearer token that it asks for; empty: none."""
    server = Serving(tools, token)
    server.start()
    try:
        yield server
    finally:
        server.stop()
