"""Tables of costs, lines and months, and a line explained. Used by `herder cost`."""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from herder.cli.output.columns import field, made, since, words
from herder.cli.output.humanize import usd
from herder.cli.output.rows import Column, View
from herder.wire.api.costs import CostGroup, CostSums, LineExplanation

NO_COSTS = "No costs. What workers and jobs use is noted within a minute; `herder cost show --from 2026-01` looks further back."


def amount(text: str | None) -> str:
    """As `$1.2500`; of what is not priced `unpriced`."""
    if text is None:
        return "unpriced"
    try:
        negative = Decimal(text) < 0
    except InvalidOperation:
        return text
    return f"-{usd(text.lstrip('-'))}" if negative else usd(text)


def groups_view(by: list[str]) -> View:
    """One column for each dimension, then the cost and its part of the whole."""
    columns = [_dimension(name) for name in by]
    return View(
        noun="group",
        name=lambda group: "/".join(group.values.values()) or "total",
        columns=(
            *columns,
            Column(
                header="COST", key="cost_usd", right=True,
                show=lambda group, now_s: _cost(group), raw=lambda group: group.cost_usd,
            ),
            made("UNPRICED", _unpriced, key="unpriced_use", drop=1),
        ),
        empty=NO_COSTS,
    )  # fmt: skip


def _dimension(name: str) -> Column:
    def value(group: CostGroup) -> str:
        return group.values.get(name, "")

    return made(name.upper(), value, key=name)


def _cost(group: CostGroup) -> str:
    """Of a group all of whose use has no rate the cost is unknown, and not zero."""
    return "unpriced" if group.unpriced and not Decimal(group.cost_usd) else amount(group.cost_usd)


def _unpriced(group: CostGroup) -> str:
    return ", ".join(f"{quantity} {resource}" for resource, quantity in group.unpriced.items())


def _rate(text: str) -> str:
    """The price of a machine as money; a rate by its id."""
    return f"${Decimal(text).scaleb(-12).normalize():f}/h" if text.isdecimal() else text


LINES = View(
    noun="line",
    name=lambda line: line.id,
    columns=(
        field("LINE", "id"),
        field("DAY", "day"),
        field("KIND", "kind", drop=3),
        field("PROJECT", "project"),
        field("USER", "user", drop=5),
        field("POOL", "pool", drop=4),
        field("WORKER", "worker", wide=True),
        field("RESOURCE", "resource", drop=1),
        field("PRODUCT", "product", wide=True),
        field("QUANTITY", "quantity", right=True, drop=2),
        words("AMOUNT", "amount_usd", amount, right=True),
        field("CORRECTS", "corrects", wide=True),
        words("RATE", "rate", _rate, wide=True),
    ),
    empty=NO_COSTS,
)
SERIES = View(
    noun="day",
    name=lambda row: str(row["time"]),
    columns=(
        made("TIME", lambda row: row["time"], key="time"),
        made("VALUE", lambda row: row["value"], key="value"),
    ),
    empty=NO_COSTS,
)
MONTHS = View(
    noun="month",
    name=lambda month: month.month,
    columns=(
        field("MONTH", "month"),
        field("STATE", "state", state=True),
        field("LINES", "lines", right=True),
        since("CLOSED", "closed_at"),
        field("BY", "closed_by", drop=1),
        field("SHA-256", "digest", wide=True),
    ),
    empty="No months.",
)
#: Parts and events of an explanation that are shown.
SHOWN = 20


def sums_lines(title: str, sums: CostSums, most: int) -> Iterator[str]:
    """A dimension with its greatest groups, for people."""
    named = sorted(sums.groups, key=lambda group: -Decimal(group.cost_usd))
    yield f"{title}"
    for group in named[:most]:
        name = "/".join(value or "-" for value in group.values.values())
        yield f"  {name:<32} {amount(group.cost_usd):>16}"
    if len(named) > most:
        yield f"  and {len(named) - most:,} more: `herder cost breakdown --by {','.join(sums.by)}`"


def explanation_lines(found: LineExplanation) -> Iterator[str]:
    yield f"Line {found.line.id}: {amount(found.line.amount_usd)}"
    yield from (f"  {sentence}" for sentence in found.text)
    if found.parts:
        yield "Parts of the worker's day"
        for part in found.parts[:SHOWN]:
            who = "/".join(filter(None, (part.project, part.user)))
            yield f"  {part.kind:<9} {who:<32} {amount(part.amount_usd):>14}"
        if len(found.parts) > SHOWN:
            yield f"  and {len(found.parts) - SHOWN:,} more; -o json has all"
    if found.events:
        yield "Events"
        for event in found.events[:SHOWN]:
            tries = "" if event.attempt is None else f" attempt {event.attempt}"
            yield f"  {event.object}{tries}  {event.from_at} to {event.to_at}"
        if found.events_total > SHOWN:
            yield f"  and {found.events_total - SHOWN:,} more; -o json has the first 1,000"
