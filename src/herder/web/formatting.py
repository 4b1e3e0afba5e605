"""Formats of figures and times on the dashboard. Pure functions, registered as template filters; `static/live.js` repeats `ago`."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from io import StringIO

from ruamel.yaml import YAML

from herder.model.values.money import PICO_PER_USD, format_usd, usd_text
from herder.model.values.times import span
from herder.model.work.job import JobState


def milliseconds(iso: str) -> int:
    moment = datetime.fromisoformat(iso)
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def ago(iso: str, now_ms: int) -> str:
    """`3 min ago`, `in 2 h`, `just now`."""
    seconds = (now_ms - milliseconds(iso)) // 1000
    if seconds <= -2:
        return f"in {span(-seconds * 1000)}"
    return "just now" if seconds < 2 else f"{span(seconds * 1000)} ago"


def absolute(iso: str) -> str:
    """`2026-01-31 09:30:00 UTC`"""
    return f"{iso[:10]} {iso[11:19]} UTC"


def usd(text: str) -> str:
    """Two places from ten cents on, four below, so that a small sum is not shown as nothing."""
    amount = Decimal(text)
    places = 2 if amount == 0 or abs(amount) >= Decimal("0.1") else 4
    shown = format_usd(int(amount * PICO_PER_USD), places)
    return "<$0.0001" if amount > 0 and shown == "$0.0000" else shown


def usd_of_pico(amount: int) -> str:
    return usd(usd_text(amount))


def lasted(start: str, end: str) -> str:
    """`40 s`, `2 h`: from one moment to another."""
    return duration(max(0, milliseconds(end) - milliseconds(start)))


def duration(length_ms: int) -> str:
    """`40 s`, `2 h`"""
    return span(length_ms)


def yaml(plain: object) -> str:
    """As herder.yaml writes it."""
    written = StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.dump(plain, written)
    return written.getvalue()


def cores(milli: int) -> str:
    """`7.8`, `16`, `0.25`"""
    return f"{Decimal(milli) / 1000:,.2f}".rstrip("0").rstrip(".")


def gib(mib: int) -> str:
    """`15`, `7.5`: the unit stands beside the number in the page."""
    return f"{Decimal(mib) / 1024:,.1f}".removesuffix(".0")


def count(number: int) -> str:
    return f"{number:,}"


def shell_words(command: Sequence[str]) -> str:
    """As one would type it."""
    return shlex.join(command)


def words(kind: str) -> str:
    """`below_minimum` → `below minimum`"""
    return kind.replace("_", " ")


def percent(part: int, whole: int) -> int:
    return 0 if whole <= 0 else min(100, round(100 * part / whole))


def ended_jobs(counts: Mapping[str, int]) -> int:
    """Of a batch, by its counts of jobs by state."""
    return sum(number for state, number in counts.items() if JobState[state.upper()].ended)


def change(values: Sequence[int], seconds: int) -> str:
    """What a figure did over the trend, in words: `up 3 in 15 min`."""
    if len(values) < 2 or seconds < 1:
        return "no trend yet"
    difference = values[-1] - values[0]
    if difference == 0:
        return f"unchanged in {span(seconds * 1000)}"
    return f"{'up' if difference > 0 else 'down'} {abs(difference):,} in {span(seconds * 1000)}"


def change_of_rate(values: Sequence[int], seconds: int) -> str:
    """The same for a price per hour (pico-USD), without the amount."""
    if len(values) < 2 or seconds < 1:
        return "no trend yet"
    if values[-1] == values[0]:
        return f"rate unchanged in {span(seconds * 1000)}"
    return f"rate {'up' if values[-1] > values[0] else 'down'} in {span(seconds * 1000)}"


def sparkline(values: Sequence[int], width: int = 120, height: int = 28, points: int = 60) -> str:
    """The `points` of an SVG polyline, from zero up; empty when there is nothing to draw."""
    if len(values) < 2:
        return ""
    last = len(values) - 1
    step = max(1, -(-last // (points - 1)))
    places = [*range(last % step, last, step), last]
    top = max(*values, 1)
    first = places[0]
    return " ".join(
        f"{(place - first) * width / max(1, last - first):.1f},{height - 2 - values[place] * (height - 4) / top:.1f}"
        for place in places
    )
