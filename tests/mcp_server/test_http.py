"""`herder mcp --port` as a process, asked by the official client over streamable HTTP; and what it refuses."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support.fake_api import TOKEN, FakeApi

PROGRAM = "from herder.app import main; main()"
HELLO = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@contextmanager
def command(api: FakeApi, port: int = 0) -> Iterator[subprocess.Popen[str]]:
    """It knows the server and no token."""
    environment = {**os.environ, "HERDER_URL": api.url}
    environment.pop("HERDER_TOKEN", None)
    words = [sys.executable, "-c", PROGRAM, "mcp", "--port", str(port)]
    process = subprocess.Popen(
        words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture(scope="module")
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        yield fake


@pytest.fixture(scope="module")
def served(api: FakeApi) -> Iterator[str]:
    with command(api) as process:
        assert process.stderr is not None
        told = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/mcp", told)
        assert found is not None, told
        yield found[0]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        assert (out, "Traceback" in err) == ("", False)


def asked(url: str, token: str, name: str, **arguments: Any) -> Any:
    async def run() -> Any:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            return await client.call_tool(name, arguments)

    return asyncio.run(run())


def test_each_call_is_made_with_the_token_of_its_request(served: str) -> None:
    assert asked(served, TOKEN, "get_job", job=17).structured_content["id"] == 17
    refused = asked(served, "another", "get_job", job=17)
    assert refused.is_error
    assert "get_job" not in refused.content[0].text
    assert asked(served, TOKEN, "get_job", job=17).structured_content["id"] == 17


def test_a_request_without_a_token_is_refused(served: str) -> None:
    for headers in ({}, {"Authorization": "Basic x"}, {"Authorization": "Bearer"}):
        answer = httpx.post(served, json=HELLO, headers={**ACCEPT, **headers})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "Bearer TOKEN" in answer.text


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_a_page_of_another_site_is_refused(served: str, headers: dict[str, str]) -> None:
    given = {**ACCEPT, "Authorization": f"Bearer {TOKEN}"}
    assert httpx.post(served, json=HELLO, headers={**given, **headers}).status_code in (403, 421)


def test_a_body_without_end_is_refused(served: str) -> None:
    given = {**ACCEPT, "Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    assert httpx.post(served, content=b" " * (1024 * 1024 + 1), headers=given).status_code == 413


def test_a_port_that_is_taken_is_named(api: FakeApi) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with command(api, port) as process:
            _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert f"Port {port} of 127.0.0.1 cannot be used" in err
    assert "--port 0" in err
