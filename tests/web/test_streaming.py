"""The event stream: everything first, then what changed, and an end when it is due."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from herder.control.kernel.clock import now_ms
from herder.control.kernel.core import Core
from herder.control.reads.port import Reads
from herder.web import live as live_module
from herder.web.live import Live, message
from herder.web.templating import SECTIONS
from herder.web.trend import Trend, measure
from tests.web.world import add_jobs, add_pool, trouble


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "GAP_S", 0.02)
    monkeypatch.setattr(live_module, "LOOK_S", 0.05)


def sections_in(text: str) -> list[str]:
    return re.findall(r'hx-target="#(\w+)"', text)


async def within(stream: AsyncIterator[str]) -> str:
    return await asyncio.wait_for(anext(stream), 5)


async def test_a_stream_begins_with_everything_and_the_last_sequence(core: Core) -> None:
    await add_pool(core, "burst")
    stream = Live(Reads(core), Trend()).stream(lambda: True)
    first = await within(stream)
    assert sections_in(first) == list(SECTIONS)
    assert re.search(rf"^id: {core.state.next_event - 1}$", first, re.MULTILINE)
    await stream.aclose()  # type: ignore[attr-defined]


async def test_then_only_what_changed_travels(core: Core) -> None:
    await add_pool(core, "burst")
    stream = Live(Reads(core), Trend()).stream(lambda: True)
    await within(stream)
    await trouble(core, "something")
    assert sections_in(await within(stream)) == ["faults"]
    await add_jobs(core, 2, pool="burst")  # without an event: seen at the next look
    assert set(sections_in(await within(stream))) >= {"numbers", "pools", "jobs"}
    await stream.aclose()  # type: ignore[attr-defined]


async def test_many_events_are_one_message(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "GAP_S", 0.2)
    stream = Live(Reads(core), Trend()).stream(lambda: True)
    await within(stream)
    for number in range(4):
        await trouble(core, f"fault {number}")
    text = await within(stream)
    assert all(f"fault {number}" in text for number in range(4))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(stream), 0.4)


async def test_points_come_once_and_all_of_them_at_the_start(core: Core) -> None:
    trend = Trend()
    now = now_ms()
    for second in range(3):
        trend.add(measure(Reads(core), now + second))
    stream = Live(Reads(core), trend).stream(lambda: True)
    first = await within(stream)
    assert '"reset":true' in first
    assert first.count(str(now + 2)) == 1
    trend.add(measure(Reads(core), now + 9))
    second_text = await within(stream)
    assert '"reset":false' in second_text
    assert str(now + 2) not in second_text
    await stream.aclose()  # type: ignore[attr-defined]


async def test_silence_is_broken_by_a_comment(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "COMMENT_S", 0.1)
    stream = Live(Reads(core), Trend()).stream(lambda: True)
    await within(stream)
    assert await within(stream) == ": still here\n\n"
    await stream.aclose()  # type: ignore[attr-defined]


async def test_it_ends_with_the_session(core: Core) -> None:
    allowed = [True]
    stream = Live(Reads(core), Trend()).stream(lambda: allowed[0])
    await within(stream)
    allowed[0] = False
    await trouble(core, "not for their eyes")
    with pytest.raises(StopAsyncIteration):
        await within(stream)


async def test_it_ends_with_the_server_and_leaves_nothing_behind(core: Core) -> None:
    live = Live(Reads(core), Trend())
    stream = live.stream(lambda: True)
    await within(stream)
    assert live.open == 1
    core.events.close()
    with pytest.raises(StopAsyncIteration):
        await within(stream)
    assert live.open == 0


async def test_a_browser_that_goes_is_forgotten(core: Core) -> None:
    live = Live(Reads(core), Trend())
    stream = live.stream(lambda: True)
    await within(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    assert live.open == 0
    assert not core.events._watchers


def test_a_message_keeps_its_lines() -> None:
    assert message("a\nb", event="trend", sequence=7) == "id: 7\nevent: trend\ndata: a\ndata: b\n\n"


def test_no_text_can_break_out_of_a_message() -> None:
    assert message("a\rid: 9\r\n\r\nevent: x") == "data: a\ndata: id: 9\ndata: \ndata: event: x\n\n"
