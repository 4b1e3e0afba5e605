"""Keys, copying, times and freshness of pages, in a real Chromium."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.web.conftest import SOON_MS, Opener
from tests.web.world import World, trouble

pytestmark = pytest.mark.browser


def test_keys_go_to_places_walk_rows_and_open_them(visit: Opener, busy_world: World) -> None:
    visited = visit(busy_world, permissions=["clipboard-read", "clipboard-write"])
    page = visited.live()
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys")
    expect(sheet).to_be_visible()
    page.keyboard.press("g")  # the sheet has the keyboard
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("j")
    expect(page).to_have_url(f"{busy_world.url}/jobs")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search in jobs")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press(":")
    expect(page.get_by_role("searchbox", name="Search everything")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("y")
    expect(page.locator(".copy").first).to_have_text("Copied")
    assert page.evaluate("() => navigator.clipboard.readText()") == "herder job list"
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.locator("tbody tr a").nth(1)
    expect(second).to_be_focused()
    page.keyboard.press("k")
    expect(page.locator("tbody tr a").first).to_be_focused()
    number = page.locator("tbody tr a").first.inner_text()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{busy_world.url}/jobs/{number}")
    assert visited.complaints == []


def test_a_page_shows_what_happened_and_keeps_what_the_viewer_did(visit: Opener, busy_world: World) -> None:
    visited = visit(busy_world, timezone_id="Asia/Tokyo")
    page = visited.page
    page.goto(f"{busy_world.url}/events?kind=worker.trouble")
    visited.live()
    expect(page.locator("time[data-read]")).to_have_text(
        re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d GMT\+9$")
    )
    expect(page.locator("time[data-read]")).to_have_attribute("title", re.compile(r"UTC$"))
    page.keyboard.press("j")
    page.evaluate("() => { window.stayed = document.activeElement; window.loaded = 'once'; }")
    busy_world.run(lambda core: trouble(core, "it comes by itself"))
    expect(page.locator("tbody")).to_contain_text("it comes by itself", timeout=SOON_MS)
    assert page.evaluate("() => window.loaded") == "once"
    expect(page.locator("time[data-read]")).to_have_text(re.compile(r"GMT\+9$"))
    assert visited.complaints == []


def test_a_kiosk_refreshes_itself(visit: Opener, busy_world: World) -> None:
    visited = visit(busy_world)
    page = visited.page
    page.goto(f"{busy_world.url}/events?kind=worker.trouble&kiosk=1")
    visited.live()
    expect(page.get_by_role("button")).to_have_count(0)
    busy_world.run(lambda core: trouble(core, "seen on the wall"))
    expect(page.locator("tbody")).to_contain_text("seen on the wall", timeout=SOON_MS)
    assert visited.complaints == []
