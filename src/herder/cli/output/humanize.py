"""Formats for people: ages, sizes, prices, exit codes, states with their colour."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from unicodedata import category

from herder.model.values.money import format_usd, parse_usd
from herder.model.values.phrases import counted, ended_with
from herder.model.values.resources import Resources, format_cpu, format_mib
from herder.model.values.times import brief

#: States and the terminal codes of their colours.
_STYLES = {
    "ready": "32",
    "running": "32",
    "succeeded": "32",
    "ok": "32",
    "healthy": "32",
    "created": "32",
    "failed": "1;31",
    "unhealthy": "1;31",
    "troubled": "1;31",
    "excluded": "1;31",
    "silent": "1;31",
    "quarantined": "1;31",
    "repairing": "33",
    "on_test": "33",
    "alone": "33",
    "lost": "1;31",
    "error": "1;31",
    "draining": "33",
    "frozen": "33",
    "cordoned": "33",
    "drained": "33",
    "blocked": "1;31",
    "held": "33",
    "warning": "33",
    "updated": "33",
    "cancelled": "2",
    "skipped": "2",
    "terminated": "2",
    "unchanged": "2",
}


def visible(text: str, keep: str = "\n\t") -> str:
    """Foreign text without what moves a cursor, rings, colours or turns the direction of writing: those are shown as escapes."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep or category(char) == "Zs" else _escape(char)
        for char in text
    )


def _escape(char: str) -> str:
    number = ord(char)
    return (
        f"\\x{number:02x}"
        if number < 0x100
        else f"\\u{number:04x}"
        if number < 0x10000
        else f"\\U{number:08x}"
    )


def style_of(state: str) -> str:
    """A colour for a state; what is not known has none. Never the only carrier of the news: the word stands there too."""
    return _STYLES.get(state.rpartition(",")[2], "")


def age(at: str | None, now_s: float) -> str:
    """How long ago: `42s`, `5m30s`, `3h20m`, `4d06h`. Also into the future, as `in 5m`. `-` when it has not happened."""
    if at is None:
        return "-"
    try:
        seconds = now_s - datetime.fromisoformat(at).timestamp()
    except ValueError:
        return at
    return brief(int(seconds * 1000)) if seconds > -1 else f"in {brief(int(-seconds * 1000))}"


def between(start: str | None, end: str | None, now_s: float) -> str:
    """How long something took, or takes since."""
    if start is None:
        return "-"
    if end is None:
        return age(start, now_s)
    seconds = datetime.fromisoformat(end).timestamp() - datetime.fromisoformat(start).timestamp()
    return f"{max(0.0, seconds):.1f}s" if seconds < 10 else brief(int(seconds * 1000))


def usd(text: str | None, places: int = 4) -> str:
    """A decimal string as `$0.1200`; as it stands when it is no amount. None: unknown."""
    if text is None:
        return "unknown"
    try:
        return format_usd(parse_usd(text), places)
    except ValueError:
        return text


def shape(
    cpu_milli: int,
    memory_mib: int,
    disk_mib: int = 0,
    gpu: int | float = 0,
    others: Mapping[str, int] | None = None,
) -> str:
    """`others`: what the server declares beyond these; what their amounts count, only it knows."""
    rest = str(Resources(cpu_milli, memory_mib, disk_mib))
    more = [f"{gpu:g} GPU"] if gpu else []
    return ", ".join([rest, *more, *(f"{amount} {name}" for name, amount in (others or {}).items())])


def gpus(units: int, model: str, parts: int) -> str:
    """Of a template: `2 a100`, or `1 a100 in 4 parts`."""
    if not units:
        return "-"
    text = f"{units // parts} {model or 'GPU'}"
    return text if parts == 1 else f"{text} in {parts} parts"


def amounts(found: dict[str, int]) -> str:
    """What quotas count: `2 CPU, 4 GiB, 1 GPU, 3 jobs`; nothing that is zero, unless all is."""
    texts: dict[str, Callable[[int], str]] = {
        "cpu_milli": format_cpu,
        "memory_mib": format_mib,
        "gpu": lambda amount: f"{amount} GPU",
        "jobs": lambda amount: counted(amount, "job"),
    }
    known = list(found.items())
    some = [(key, amount) for key, amount in known if amount] or known[:1]
    return ", ".join(texts[key](amount) if key in texts else f"{amount} {key}" for key, amount in some)


def exit_cell(code: int | None) -> str:
    """For tables: the exit code, or the name of the signal that ended the process."""
    if code is None:
        return "-"
    name = ended_with(code).removeprefix("signal ")
    return name if name.startswith("SIG") else str(code)


def percent(used: int, capacity: int) -> str:
    return f"{100 * used // capacity}%" if capacity else "-"


def offer_words(offer: Any) -> str:
    """`zone a spot $0.07 (at most 5)`."""
    zone = f"zone {offer.zone} " if offer.zone else ""
    most = "" if offer.max_workers is None else f" (at most {offer.max_workers})"
    return f"{zone}{'spot' if offer.spot else 'on-demand'} {usd(offer.price_per_hour_usd)}{most}"
