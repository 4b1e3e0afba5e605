"""A core on the test's own loop, and a browser-like client of the pages on it (no socket)."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, sync_playwright

from herder.control.kernel.core import Core
from herder.web.routes import router
from herder.web.trend import Trend
from tests.web.world import open_core

FINDER = Path(__file__).parents[1] / "support" / "chromium"
TOKEN = "ann's own token"
SECRET = re.compile(r'name="secret" value="([0-9a-f]+)"')


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    made = await open_core(tmp_path, TOKEN, "the installation's secret")
    yield made
    await made.close()
    made.store.engine.dispose()


@pytest.fixture
def trend() -> Trend:
    return Trend()


@pytest.fixture
async def stranger(core: Core, trend: Trend) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI(openapi_url=None)
    app.router.routes.extend(router(core, trend).routes)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://herder.test") as client:
        yield client


@pytest.fixture
async def ann(stranger: httpx.AsyncClient) -> httpx.AsyncClient:
    answer = await sign_in(stranger, TOKEN)
    assert answer.status_code == 303
    return stranger


async def sign_in(client: httpx.AsyncClient, token: str) -> httpx.Response:
    page = await client.get("/login")
    return await client.post("/login", data={"secret": secret_in(page.text), "token": token})


def secret_in(html: str) -> str:
    found = SECRET.search(html)
    assert found is not None
    return found.group(1)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or subprocess.check_output(["bash", str(FINDER)], text=True).strip()
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=sandbox)
        yield found
        found.close()
