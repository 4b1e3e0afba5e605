"""A real server on loopback whose metrics, rules and dashboards are looked at."""

from collections.abc import Iterator

import httpx
import pytest

from tests.api.conftest import POOLS, Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("data")).start()
    made.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    yield made
    made.stop()


@pytest.fixture
def api(server: Server) -> httpx.Client:
    return server.http
