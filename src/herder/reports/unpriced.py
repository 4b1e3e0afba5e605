"""Use without a price in lines, and what was priced after its month was closed. Pure.

A rate that is added later takes the unpriced use of a closed month back and books it anew with its amount. That is one fact for people, "priced later", and no negative use.
"""

from collections.abc import Iterable, Sequence
from shlex import quote as quoted

from herder.ledger.lines import COST, Kind, Line
from herder.ledger.months import date_text
from herder.ledger.pricing import INTERNAL
from herder.reports.documents import Column, Form, Table, quantity_of

Use = tuple[object, ...]
"""All of a line but the month of booking, its rate, quantity and amount."""


def unpriced(lines: Iterable[Line]) -> dict[tuple[str, str, str], int]:
    """Base units by card, resource and product. What was taken back counts against the month of its use, never against other use.

    Reported use of a project at the internal card is both a cost and a charge at that card: it counts once.
    """
    months: dict[tuple[str, str, str, str, Kind], dict[str, int]] = {}
    for line in lines:
        if line.pico is None:
            key = (line.corrects or line.period, _listed(line), line.resource, line.product, line.kind)
            by_card = months.setdefault(key, {})
            by_card[line.card] = by_card.get(line.card, 0) + line.quantity
    found: dict[tuple[str, str, str], int] = {}
    for (_, card, resource, product, _), by_card in sorted(months.items()):
        quantity = max(by_card.values())
        if quantity > 0:
            name = (card, resource, product)
            found[name] = found.get(name, 0) + quantity
    return found


def _listed(line: Line) -> str:
    """The card that lacks the rate: reported use costs what the internal one says."""
    return INTERNAL if line.card == COST else line.card


def priced_later(lines: Iterable[Line]) -> frozenset[Use]:
    """The use of closed months that was taken back as unpriced."""
    return frozenset(
        _use(line) for line in lines if line.corrects and line.pico is None and line.quantity < 0
    )


def was_priced_later(line: Line, taken_back: frozenset[Use]) -> bool:
    return bool(line.corrects) and line.pico is not None and _use(line) in taken_back


def _use(line: Line) -> Use:
    return (
        line.day_ms,
        line.corrects,
        line.card,
        line.kind,
        line.payer,
        line.place,
        line.resource,
        line.product,
    )


def unpriced_table(lines: Sequence[Line]) -> Table:
    found = unpriced(lines)
    return Table(
        key="unpriced",
        title="Use without a price",
        columns=(
            Column("resource"),
            Column("product"),
            Column("quantity", Form.NUMBER),
            Column("unit"),
            Column("card"),
        ),
        rows=[
            (resource, product, *quantity_of(resource, quantity), card)
            for (card, resource, product), quantity in found.items()
        ],
        note=f"It is in no amount: its cost is unknown, and not zero. {remedy(lines)}" if found else "",
        empty="Everything has a price.",
    )


def remedy(lines: Sequence[Line]) -> str:
    """How the first of them gets a price, from the first day of it that has none."""
    card, resource, product = next(iter(unpriced(lines)))
    what = (card, resource, product)
    balance: dict[int, int] = {}
    for line in lines:
        if line.pico is None and (_listed(line), line.resource, line.product) == what:
            balance[line.day_ms] = balance.get(line.day_ms, 0) + line.quantity
    days = [day_ms for day_ms, quantity in balance.items() if quantity > 0]
    first = date_text(min(days or balance))
    of_product = f" --product {quoted(product)}" if product else ""
    return (
        f"Add a rate for it: `herder rate add --card {card} --resource {resource}{of_product} --price USD --from {first}`. "
        "What is priced after the month is closed is booked in a later month."
    )
