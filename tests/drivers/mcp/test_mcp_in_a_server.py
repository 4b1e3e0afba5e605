"""The driver in a running server: what `herder driver check` and the status say when the MCP server is not as it must be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herder.settings.sections.server import DriverSettings
from tests.api.conftest import Server
from tests.drivers.mcp.lab import Site

pytestmark = pytest.mark.slow


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    yield found
    found.close()


@pytest.fixture
def server(tmp_path: Path, site: Site) -> Iterator[Server]:
    token = tmp_path / "token"
    token.write_text("right\n")
    url = site.serve(token="right").url
    made = Server(tmp_path)
    made.sweep_period_s = 0.2
    settings = (("url", url), ("token_file", str(token)))
    made.drivers = (DriverSettings(name="vms", kind="mcp", settings=settings),)
    made.start()
    yield made
    made.stop()


def checks(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.http.get("/drivers/vms/check").raise_for_status().json()
    return found


def until_status_has(server: Server, words: str) -> None:
    deadline = time.monotonic() + 30
    while words not in (seen := server.http.get("/status").raise_for_status().text):
        assert time.monotonic() < deadline, seen
        time.sleep(0.1)


def test_a_missing_tool_and_a_refused_token_are_read_by_a_person(server: Server, site: Site) -> None:
    assert checks(server)["passed"]
    site.cluster.faults.quorum_lost = True
    (failed,) = [each for each in checks(server)["checks"] if not each["passed"]]
    assert failed["name"] == "Proxmox"
    assert "has no quorum" in failed["detail"]
    site.cluster.faults.quorum_lost = False
    site.cluster.state.tokens.clear()
    until_status_has(server, "Driver vms is frozen: the provider refused its credentials or settings")
    until_status_has(server, "Proxmox does not accept the API token of the MCP server")
    assert not checks(server)["passed"]
