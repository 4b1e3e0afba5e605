"""What closing a month would close: lines, sums by card, use without a price. Changes nothing. Called by `Reads`."""

from functools import partial

from sqlalchemy import Connection

from herder.control.costs.months import check_close, next_open, payers_of
from herder.control.kernel.core import Core
from herder.ledger.cents import cents, dollars
from herder.ledger.lines import Line, sums_by
from herder.ledger.months import following
from herder.ledger.pricing import Payers
from herder.model.permissions import Principal
from herder.model.values.phrases import counted
from herder.reports.unpriced import remedy, unpriced
from herder.store.rows.known_rates import rates_at
from herder.store.rows.month_rows import closed, computed_lines
from herder.wire.api.costs import MonthPreview


async def preview(core: Core, who: Principal, month: str) -> MonthPreview:
    """Of the month and of those before it that are open, as far as their use is booked by now. Raises Refused, as the close itself does."""
    check_close(core, who, month, core.clock.now_ms())
    found: dict[str, list[Line]] = await core.read(partial(_open_lines, upto=month, payers=payers_of(core)))
    said = [text for each, lines in found.items() for text in _told(each, lines)]
    return MonthPreview(object=f"month/{month}", text=" ".join(said), months=list(found))


def _open_lines(connection: Connection, upto: str, payers: Payers) -> dict[str, list[Line]]:
    closes, rates = closed(connection), rates_at(connection)
    found, month = {}, next_open(connection, closes, upto)
    while month <= upto:
        found[month] = computed_lines(connection, month, closes, rates, payers)
        month = following(month)
    return found


def _told(month: str, lines: list[Line]) -> list[str]:
    if not lines:
        return [f"{month} would be closed with 0 lines: nothing is booked in it."]
    sums = ", ".join(
        f"{card} ${dollars(cents(found.pico))}" for (card,), found in sums_by(lines, "card").items()
    )
    said = [f"{month} would be closed with {counted(len(lines), 'line')}: {sums}."]
    missing = unpriced(lines)
    if missing:
        names = ", ".join(f"{resource} on card {card}" for card, resource, _ in sorted(missing))
        said.append(f"Use without a price stays out of its sums: {names}. {remedy(lines)}")
    return said
