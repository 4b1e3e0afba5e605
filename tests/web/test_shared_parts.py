"""What all pages share: the search of the header, the sheet of keys, kiosk mode, and that an open page is told what it has already."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest

from herder.control.kernel.core import Core
from herder.control.reads.port import Reads
from herder.web import live as live_module
from herder.web.amounts import amount
from herder.web.live import Live
from herder.web.navigation import PLACES
from herder.web.pages.everything import direct
from herder.web.pages.site import tag_of
from herder.web.trend import Trend
from tests.web.money import add_budget
from tests.web.world import add_jobs, add_pool, busy, trouble

HOSTILE = "<img src=x onerror=alert(1)>\"'&"


@pytest.mark.parametrize(
    ("query", "address"),
    [
        ("job 17", "/jobs/17"),
        ("job/17", "/jobs/17"),
        ("batch #3", "/batches/3"),
        ("budget a/b", "/budgets/a%2Fb"),
        ("alert alert-0f", "/alerts/alert-0f"),
        ("costs", "/costs"),
        ("Jobs", "/jobs"),
        ("jobs state:failed", "/jobs?q=state%3Afailed"),
        ("batches jobs>100", "/batches?q=jobs%3E100"),
        ("state:failed user:ann", "/jobs?q=state%3Afailed+user%3Aann"),
        ("duration>5m", "/jobs?q=duration%3E5m"),
        ("name~merge", "/jobs?q=name~merge"),
        ("burst", ""),
        ("17", ""),
        ("", ""),
    ],
)
def test_words_that_say_where_to_go(query: str, address: str) -> None:
    assert direct(query) == address


async def test_a_word_is_looked_for_in_names(ann: httpx.AsyncClient, core: Core) -> None:
    await busy(core)
    await add_budget(core, "bursting", scope="user", of="ann", limit="1")
    await add_budget(core, "labs", scope="division", limit="1")
    page = await ann.get("/search?q=burst")
    assert page.status_code in (200, 303)
    page = await ann.get("/search?q=burs")
    assert page.text.count("<td>worker</td>") == len([each for each in core.state.workers if "burst" in each])
    assert "<td>pool</td>" in page.text
    assert 'href="/budgets/bursting"' in page.text
    assert "labs" not in page.text
    exact = await ann.get("/search?q=labs")
    assert (exact.status_code, exact.headers["location"]) == (303, "/budgets/labs")
    number = await ann.get("/search?q=2")
    assert (number.status_code, number.headers["location"]) == (303, "/jobs/2")


async def test_what_is_not_found_is_told_and_hostile_words_stay_words(ann: httpx.AsyncClient) -> None:
    page = await ann.get("/search", params={"q": HOSTILE})
    assert page.status_code == 200
    assert "<img" not in page.text
    assert "Nothing has this in its name" in page.text
    assert (await ann.get("/search")).status_code == 200


async def test_a_stranger_cannot_search(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get("/search?q=burst")).headers["location"] == "/login"
    assert (await stranger.get("/pages/stream")).status_code == 401


async def test_the_sheet_has_a_key_for_each_place_and_no_key_twice(ann: httpx.AsyncClient) -> None:
    page = (await ann.get("/jobs")).text
    keys = re.findall(r'data-key="(\w)" data-address="([^"]+)"', page)
    assert keys == [(place.key, place.address) for place in PLACES]
    assert len({key for key, _ in keys}) == len(PLACES)
    for place in PLACES:
        assert (await ann.get(place.address)).status_code == 200


@pytest.mark.parametrize("address", ["/", "/jobs", "/costs"])
async def test_kiosk_mode_has_no_navigation_and_no_actions(ann: httpx.AsyncClient, address: str) -> None:
    page = (await ann.get(f"{address}?kiosk=1")).text
    assert 'aria-label="Pages"' not in page
    assert 'action="/logout"' not in page
    assert "<dialog" not in page
    assert '<noscript><meta http-equiv="refresh" content="30"></noscript>' in page
    assert 'aria-label="Pages"' in (await ann.get(address)).text


async def test_an_open_page_is_told_only_what_is_new(ann: httpx.AsyncClient, core: Core) -> None:
    await add_pool(core, "burst")
    await add_jobs(core, 1, pool="burst")
    tag = (await ann.get("/jobs")).headers["etag"]
    same = await ann.get("/jobs", headers={"If-None-Match": tag})
    assert (same.status_code, same.content) == (304, b"")
    assert "default-src 'self'" in same.headers["content-security-policy"]
    await add_jobs(core, 1, pool="burst")
    new = await ann.get("/jobs", headers={"If-None-Match": tag})
    assert new.status_code == 200
    assert new.headers["etag"] != tag


def test_ages_and_the_time_of_reading_are_nothing_new() -> None:
    page = '<p><time datetime="A" title="a" data-ago>{ago}</time> {text} <time data-read datetime="{at}">{at}</time>'
    one = tag_of(page.format(ago="2 s ago", text="x", at="10:00"))
    assert tag_of(page.format(ago="3 s ago", text="x", at="11:00")) == one
    assert tag_of(page.format(ago="2 s ago", text="y", at="10:00")) != one


async def test_the_stream_of_pages_tells_that_something_happened(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "CHANGES_GAP_S", 0.02)
    monkeypatch.setattr(live_module, "CHANGES_LOOK_S", 30.0)
    allowed = True
    live = Live(Reads(core), Trend())
    stream = live.changes(lambda: allowed)
    first = await asyncio.wait_for(anext(stream), 5)
    assert first == f"id: {core.state.next_event - 1}\nevent: changed\ndata: {{}}\n\n"
    await trouble(core, "something")
    second = await asyncio.wait_for(anext(stream), 5)
    assert f"id: {core.state.next_event - 1}\n" in second
    assert live.open == 1
    allowed = False
    await trouble(core, "not for them")
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(anext(stream), 5)
    assert live.open == 0


@pytest.mark.parametrize(
    ("text", "unit", "shown"),
    [
        ("0", "core-hours", "0 core-hours"),
        ("0.0006", "core-hours", "less than 0.1 core-hours"),
        ("0.1", "core-hours", "0.1 core-hours"),
        ("-0.05", "core-hours", "more than -0.1 core-hours"),
        ("-1.5", "USD", "-$1.50"),
    ],
)
def test_a_small_amount_is_not_shown_as_nothing(text: str, unit: str, shown: str) -> None:
    assert amount(text, unit) == shown
