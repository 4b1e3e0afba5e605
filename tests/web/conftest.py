"""A core on the test's own loop, and a browser-like client of the pages on it (no socket)."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from herder.control.kernel.clock import now_ms
from herder.control.kernel.core import Core
from herder.web.routes import router
from herder.web.trend import Trend
from tests.web.world import World, busy, clusters, open_core, wave

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 360, "height": 740}
SOON_MS = 15_000
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


def world_in(folder: Path) -> Iterator[World]:
    world = World(folder)
    world.start()
    yield world
    world.stop()


@pytest.fixture(scope="module")
def empty_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from world_in(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def busy_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    for world in world_in(tmp_path_factory.mktemp("busy")):
        world.run(busy)
        world.run(clusters)
        wave(world.trend, now_ms())
        yield world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield from world_in(tmp_path)


class Visit:
    """One signed-in page, and everything that its console complained about."""

    def __init__(self, context: BrowserContext, world: World) -> None:
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(f"{world.url}/")
        self.page.get_by_label("Your token").fill(world.token)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page).to_have_url(f"{world.url}/")

    def _heard(self, message: object) -> None:
        if message.type in ("error", "warning"):  # type: ignore[attr-defined]
            self.complaints.append(message.text)  # type: ignore[attr-defined]

    def live(self) -> Page:
        expect(self.page.locator("#connection")).to_have_attribute("data-state", "live", timeout=SOON_MS)
        return self.page


Opener = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Opener]:
    contexts: list[BrowserContext] = []

    def open_visit(world: World, **options: object) -> Visit:
        context = browser.new_context(**{"viewport": WIDE, **options})  # type: ignore[arg-type]
        contexts.append(context)
        return Visit(context, world)

    yield open_visit
    for context in contexts:
        context.close()
