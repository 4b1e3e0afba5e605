"""Amounts in the units of budgets and alerts, and the addresses of objects by the names that events have for them. Filters of the templates. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import quote

from herder.model.values.phrases import counted
from herder.web.formatting import cores, gib, usd
from herder.web.navigation import PLACES

#: The page of a kind of object, by the first word of its name in events: place, and whether one has a page of its own.
_PAGES = {
    "worker": ("workers", True),
    "pool": ("pools", True),
    "job": ("jobs", True),
    "batch": ("batches", True),
    "plan": ("plans", True),
    "budget": ("budgets", True),
    "alert": ("alerts", True),
    "user": ("users", False),
    "cluster": ("clusters", False),
    "recommendation": ("costs", False),
}


def amount(text: str | Decimal | None, unit: str) -> str:
    """`$12.50`, `13,650 tokens`, `80 core-hours`; of nothing `–`."""
    if text is None:
        return "–"
    if unit.lower() == "usd":
        return usd(str(text))
    number = Decimal(text)
    if number and abs(number) < Decimal("0.1"):
        return f"{'less than 0.1' if number > 0 else 'more than -0.1'} {unit}"
    shown = f"{number:,f}" if number == number.to_integral_value() else f"{number:,.1f}"
    return f"{shown.removesuffix('.0')} {unit}"


def share(part: str | Decimal, whole: str | Decimal | None) -> int:
    """Per cent; above 100 where a budget is overspent. 0 of nothing."""
    total = Decimal(whole or 0)
    return 0 if total <= 0 else max(0, round(100 * Decimal(part) / total))


def address_of(name: str) -> str:
    """`/workers/burst-1` of `worker/burst-1`. Empty: it has no page."""
    kind, _, which = name.partition("/")
    place, own = _PAGES.get(kind, ("", False))
    if not which or place not in {each.name for each in PLACES}:
        return ""
    return f"/{place}/{quote(which, safe='')}" if own else f"/{place}"


def quantities(named: Mapping[str, int]) -> str:
    """`2 cores, 7.5 GiB, 3 jobs`, without what is 0; of nothing `–`."""
    words = []
    for name, number in named.items():
        if not number:
            continue
        match name:
            case "cpu_milli":
                words.append(f"{cores(number)} {'core' if number == 1000 else 'cores'}")
            case "memory_mib":
                words.append(f"{gib(number)} GiB")
            case "gpu":
                words.append(counted(number, "GPU"))
            case "jobs":
                words.append(counted(number, "job"))
            case _:
                words.append(f"{number:,} {name}")
    return ", ".join(words) or "–"
