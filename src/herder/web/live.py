"""The one event stream of a page: fragments of the sections that changed, and points for the charts.

Sections are rendered once for all open dashboards, at most twice a second. A stream begins with everything, so a
browser that comes back needs no history; `id:` is the sequence of the last event that is in the fragments. Called by
`routes.py`. It must never send a section to someone whose session has ended.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import msgspec

from herder.control.reads.port import Reads
from herder.model.stored.records import EventRecord
from herder.web.page_data import look
from herder.web.templating import SECTIONS, render_section
from herder.web.trend import Sample, Trend

#: Between two messages of a stream when much happens.
GAP_S = 0.5
#: Between two looks when no event says that something happened (counts of jobs and costs move without events).
LOOK_S = 2.0
#: A comment after this much silence keeps proxies from closing the stream.
COMMENT_S = 15.0
#: Open streams of one server; each costs a task and a queue.
STREAMS_MAX = 500

#: A page other than the dashboard is told that something happened at most this often,
CHANGES_GAP_S = 2.0
#: and this often when nothing happened: counts of jobs and costs move without events.
CHANGES_LOOK_S = 10.0

_MOVING = re.compile(r"(<time[^>]*>)[^<]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    sequence: int
    html: dict[str, str]
    fixed: dict[str, str]
    """The same without the ages, which the browser counts by itself: for telling whether a section changed."""
    sampled_ms: int
    """Of the last sample in it."""


class Live:
    def __init__(self, reads: Reads, trend: Trend) -> None:
        self.reads = reads
        self.trend = trend
        self.open = 0
        self._lock = asyncio.Lock()
        self._last: tuple[int, Rendered] | None = None

    async def sections(self) -> Rendered:
        async with self._lock:
            if self._last is not None and self.reads.monotonic_ms() - self._last[0] < GAP_S * 1000:
                return self._last[1]
            picture = await look(self.reads, self.trend)
            html = {name: render_section(name, picture) for name in SECTIONS}
            fixed = {name: _MOVING.sub(r"\1", text) for name, text in html.items()}
            sampled_ms = picture.samples[-1].at_ms if picture.samples else 0
            rendered = Rendered(sequence=picture.sequence, html=html, fixed=fixed, sampled_ms=sampled_ms)
            self._last = (self.reads.monotonic_ms(), rendered)
            return rendered

    async def stream(self, allowed: Callable[[], bool]) -> AsyncIterator[str]:
        """Messages until the browser goes, `allowed` says no, or the server stops."""
        queue = self.reads.watch()
        self.open += 1
        sent: dict[str, str] = {}
        last_point, spoken_ms = 0, self.reads.monotonic_ms()
        try:
            while allowed():
                now = await self.sections()
                # The figures and the ends of the charts are of the same moment.
                points = [each for each in self.trend.since(last_point) if each.at_ms <= now.sampled_ms]
                text = _points(points, reset=last_point == 0) + self._changed(now, sent)
                if points:
                    last_point = points[-1].at_ms
                if text:
                    spoken_ms = self.reads.monotonic_ms()
                    yield text
                elif self.reads.monotonic_ms() - spoken_ms >= COMMENT_S * 1000:
                    spoken_ms = self.reads.monotonic_ms()
                    yield ": still here\n\n"
                if not await _next(queue, look_s=LOOK_S, gap_s=GAP_S):
                    return
        finally:
            self.open -= 1
            self.reads.unwatch(queue)

    async def changes(self, allowed: Callable[[], bool]) -> AsyncIterator[str]:
        """`changed` each time a page should ask for itself again, until the browser goes, `allowed` says no, or the server stops."""
        queue = self.reads.watch()
        self.open += 1
        try:
            while allowed():
                yield message("{}", event="changed", sequence=self.reads.last_event)
                if not await _next(queue, look_s=CHANGES_LOOK_S, gap_s=CHANGES_GAP_S):
                    return
        finally:
            self.open -= 1
            self.reads.unwatch(queue)

    def _changed(self, now: Rendered, sent: dict[str, str]) -> str:
        changed = [name for name in SECTIONS if sent.get(name) != now.fixed[name]]
        sent.update({name: now.fixed[name] for name in changed})
        return (
            message("".join(_partial(name, now.html[name]) for name in changed), sequence=now.sequence)
            if changed
            else ""
        )


async def _next(queue: "asyncio.Queue[EventRecord | None]", *, look_s: float, gap_s: float) -> bool:
    """Wait for an event or the next look, then let what comes together gather. False: it is over."""
    try:
        first = await asyncio.wait_for(queue.get(), look_s)
    except TimeoutError:
        return True
    if first is None:
        return False
    await asyncio.sleep(gap_s)
    while not queue.empty():
        if queue.get_nowait() is None:
            return False
    return True


def message(data: str, *, event: str = "", sequence: int | None = None) -> str:
    lines = [f"data: {line}" for line in data.splitlines()]
    if event:
        lines.insert(0, f"event: {event}")
    if sequence is not None:
        lines.insert(0, f"id: {sequence}")
    return "\n".join(lines) + "\n\n"


def _partial(name: str, html: str) -> str:
    return f'<hx-partial hx-target="#{name}" hx-swap="outerMorph">{html}</hx-partial>\n'


def _points(samples: list[Sample], *, reset: bool) -> str:
    if not samples:
        return ""
    return message(msgspec.json.encode({"reset": reset, "points": samples}).decode(), event="trend")
