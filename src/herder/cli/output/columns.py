"""Builds columns from a field, a time, an amount of money, or a function. Used by `cli/views/tables` and by views of single nouns."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypedDict, Unpack

from herder.cli.output.humanize import age, between, usd
from herder.cli.output.rows import Column


class Look(TypedDict, total=False):
    """What a column may have beside its header and value; as in Column."""

    key: str
    wide: bool
    right: bool
    state: bool
    long: bool
    wrap: bool
    drop: int


def field(header: str, attribute: str, **look: Unpack[Look]) -> Column:
    look.setdefault("key", attribute)
    return made(header, lambda item: getattr(item, attribute), **look)


def made(header: str, make: Callable[[Any], Any], **look: Unpack[Look]) -> Column:
    def show(item: Any, now_s: float) -> str:
        value = make(item)
        return "-" if value is None or value == "" else str(value)

    return Column(header=header, show=show, raw=make, **look)


def words(header: str, attribute: str, say: Callable[[Any], str], **look: Unpack[Look]) -> Column:
    """A field that people read otherwise than programs."""
    look.setdefault("key", attribute)
    return Column(
        header=header,
        show=lambda item, now_s: say(getattr(item, attribute)) or "-",
        raw=lambda item: getattr(item, attribute),
        **look,
    )


def since(header: str, attribute: str, **look: Unpack[Look]) -> Column:
    """How long ago a time is; programs get the time."""
    look.setdefault("key", attribute)
    look.setdefault("right", True)
    return Column(
        header=header,
        show=lambda item, now_s: age(getattr(item, attribute), now_s),
        raw=lambda item: getattr(item, attribute),
        **look,
    )


def took(begin: str, **look: Unpack[Look]) -> Column:
    """How long something took, or takes; programs get seconds once it has ended."""
    look.setdefault("key", "took_s")
    look.setdefault("right", True)
    return Column(
        header="TOOK",
        show=lambda item, now_s: between(getattr(item, begin), item.ended_at, now_s),
        raw=lambda item: seconds_between(getattr(item, begin), item.ended_at),
        **look,
    )


def seconds_between(begin: str | None, end: str | None) -> float | None:
    if begin is None or end is None:
        return None
    delta = datetime.fromisoformat(end) - datetime.fromisoformat(begin)
    return max(0.0, round(delta.total_seconds(), 3))


def money(header: str, attribute: str, **look: Unpack[Look]) -> Column:
    look.setdefault("right", True)
    return words(header, attribute, usd, **look)
