"""MCP servers that keep to no rule: floods, wrong ids, answers of no form, other tools, compressed and huge bodies. None stops the driver."""

import gzip
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from herder.drivers.mcp import McpDriver, McpSettings
from herder.drivers.mcp.opening import make
from herder.model.fleet.driver import DriverContext, DriverError, InvalidRequest, Unavailable
from herder.remote.mcp import http
from herder.remote.mcp.connection import LINE_CHARACTERS_MAX, LINES_MAX
from herder.remote.mcp.server import McpServer
from tests.drivers.mcp.lab import Clock

ROOT = Path(__file__).parents[3]
SECRET = "5f3c-a-token-of-proxmox-9d1e"


class Rude:
    def __init__(self, folder: Path) -> None:
        self.folder, self._stack = folder, ExitStack()

    def driver(self, mode: str, **changed: Any) -> McpDriver:
        variables = self.folder / "mcp.env"
        variables.write_text(f"PROXMOX_API_TOKEN={SECRET}\nPYTHONPATH={ROOT}\n")
        command = f"{sys.executable} -m tests.drivers.mcp.rude '{mode}'"
        return self.opened(command=command, environment_file=str(variables), **changed)

    def opened(self, **settings: Any) -> McpDriver:
        settings = {"call_timeout_s": 10.0, "start_timeout_s": 20.0, **settings}
        context = DriverContext(name="mcp", installation="lab", clock=Clock())
        driver = make(McpSettings(**settings), context)
        self._stack.callback(driver.close)
        return driver

    def close(self) -> None:
        self._stack.close()


def all_answered(driver: McpDriver, times: int) -> bool:
    for _ in range(times):
        driver.health()
    return True


@pytest.fixture
def rude(tmp_path: Path) -> Iterator[Rude]:
    found = Rude(tmp_path)
    yield found
    found.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "mode", ["rubbish before each answer", "answers twice", "answers of others", "asks back", "forks", "flood of log lines"]
)  # fmt: skip
def test_what_is_no_answer_changes_none(rude: Rude, mode: str) -> None:
    driver = rude.driver(mode)
    for _ in range(3):
        driver.health()
        assert driver.list().complete
    connection = driver._tools.client._connection
    assert connection is not None
    assert sum(map(len, connection.printed)) <= LINES_MAX * LINE_CHARACTERS_MAX


def test_a_server_that_ends_between_calls_is_started_again(rude: Rude) -> None:
    driver = rude.driver("dies after each answer")
    listings = []
    for _ in range(6):
        try:
            listings.append(driver.list())
        except Unavailable:
            continue
    assert listings
    assert all(each.complete for each in listings)


@pytest.mark.slow
def test_a_flood_of_messages_ends_the_connection_before_the_call_is_late(rude: Rude) -> None:
    driver = rude.driver("flood of notices", call_timeout_s=30.0)
    with pytest.raises(Unavailable, match="sent more than 2,000 messages without an answer while listing"):
        driver.list()


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("wrong introduction", "in a form that MCP does not have"),
        ("wrong schema", r"in a form that MCP does not have \(tools\.0\.inputSchema"),
        ("no introduction", r"did not introduce itself within 2 s"),
        ("secret at the edge", r"its last line is: z+"),
        ("wrong result", r"while listing the cluster in a form that MCP does not have \("),
        ("no words", "without data of Proxmox"),
    ],
)
@pytest.mark.slow
def test_answers_of_no_form(rude: Rude, mode: str, words: str) -> None:
    driver = rude.driver(mode, start_timeout_s=2.0 if mode == "no introduction" else 20.0)
    with pytest.raises(Unavailable, match=words) as caught:
        driver.list()
    assert len(str(caught.value)) < 1_000
    assert not any(SECRET[:size] in str(caught.value) for size in range(8, len(SECRET)))


def test_no_half_of_a_secret_is_kept_of_the_log(rude: Rude) -> None:
    driver = rude.driver("secret at the edge")
    with pytest.raises(Unavailable):
        driver.list()
    server = McpServer(
        command=("x",), environment={"PROXMOX_API_TOKEN": SECRET, "PROXMOX_TOKEN_ID": "herder@pve!w"}
    )
    assert server.without_secrets(f"token {SECRET} of herder@pve!w") == "token (secret) of herder@pve!w"
    assert SECRET not in repr(server)


@pytest.mark.slow
def test_tools_that_go_while_the_server_runs(rude: Rude) -> None:
    driver = rude.driver("new tools")
    assert all_answered(driver, 1)
    with pytest.raises(InvalidRequest, match="has no tool get_cluster_status"):
        all_answered(driver, 20)  # the notice may come after an answer
    assert driver.list().complete


@pytest.mark.slow
def test_a_name_of_a_megabyte_is_cut(rude: Rude) -> None:
    driver = rude.driver("long name")
    assert all(len(each.detail) < 1_000 for each in driver.checks())


# --- over HTTP


@contextmanager
def answering(*, status: int = 200, content: bytes = b"", **headers: str) -> Iterator[tuple[str, list[str]]]:
    """Whatever is asked. The second value: the tokens that it was sent."""
    tokens: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            tokens.append(self.headers.get("authorization", ""))
            self.rfile.read(int(self.headers.get("content-length", "0")))
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the library
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mcp", tokens
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def refused(rude: Rude, url: str) -> str:
    token = rude.folder / "token"
    token.write_text(SECRET)
    with pytest.raises(DriverError) as caught:
        rude.opened(url=url, token_file=str(token)).list()
    assert SECRET not in str(caught.value)
    assert len(str(caught.value)) < 1_000
    return str(caught.value)


def test_a_body_without_an_end_is_not_read(rude: Rude, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_BYTES_MAX", 2**20)
    filling = json.dumps({"jsonrpc": "2.0", "id": 0, "result": {"x": "y" * 2**21}}).encode()
    with answering(content=filling) as (url, _):
        assert "its answer has more than 1 MiB" in refused(rude, url)


def test_a_body_that_unpacks_to_a_thousand_times_its_size_is_not_unpacked(rude: Rude) -> None:
    with answering(content=gzip.compress(b" " * 2**26), Content_Encoding="gzip") as (url, _):
        assert "compresses its answers" in refused(rude, url)


@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_token_does_not_follow_a_redirect(rude: Rude, status: int) -> None:
    with answering() as (other, sent), answering(status=status, Location=other) as (url, tokens):
        refused(rude, url)
        assert tokens
        assert sent == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"[" * 100_000,
        b'{"jsonrpc": "2.0", "id": 77, "result": {}}',
        b"\xff\xfe\x00",
    ],
)
def test_bodies_of_no_form(rude: Rude, content: bytes) -> None:
    with answering(content=content) as (url, _):
        driver = rude.opened(url=url, start_timeout_s=2.0)
        with pytest.raises(Unavailable, match="MCP server http://127"):
            driver.list()


def test_a_password_in_the_address_is_refused_before_it_is_shown() -> None:
    for setting in (
        {"url": f"http://herder:{SECRET}@127.0.0.1/mcp"},
        {"command": "x", "talos_url": f"http://a:{SECRET}@h/mcp"},
    ):
        with pytest.raises(ValueError, match="token_file") as caught:
            McpSettings(**setting)  # type: ignore[arg-type]
        assert SECRET not in str(caught.value)
