"""Lines of the ledger, of closed months as they are stored and of open ones as they are now."""

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from herder.control.costs.months import payers_of
from herder.control.kernel.core import Core
from herder.ledger.lines import Line
from herder.ledger.months import begin_of, following, month_of
from herder.ledger.pricing import Payers
from herder.ledger.rates import RateList
from herder.model.permissions import Kind, Principal, scope_of
from herder.store.rows.known_rates import rates_at
from herder.store.rows.month_rows import Closed, closed, computed_lines, months_with_use, stored_lines


async def lines_between(
    core: Core, from_ms: int, to_ms: int, cards: Collection[str] = (), *, booked: bool = False
) -> list[Line]:
    """Of use on the days in `[from_ms, to_ms)`, with all that was corrected later, in the order of their months; `booked`: what is booked in the months that begin in it,
    whatever it corrects. `cards`: empty for all."""
    found: list[Line] = await core.read(
        partial(_between, from_ms=from_ms, to_ms=to_ms, payers=payers_of(core), booked=booked)
    )
    return [line for line in found if not cards or line.card in cards]


class Booked(NamedTuple):
    """What a bill is made of."""

    lines: list[Line]
    """With corrections of earlier months."""
    payers: Payers
    """Of a closed month as they were then."""
    rates: RateList
    """Of a closed month those that were known then."""


async def booked_in(core: Core, month: str) -> Booked:
    found: Booked = await core.read(partial(_booked, month=month, payers=payers_of(core)))
    return found


def seen_by(who: Principal, lines: list[Line]) -> list[Line]:
    """Of others, and what machines cost beside work, only operators see."""
    scope = scope_of(who, Kind.COST)
    if scope is None:
        return lines
    return [line for line in lines if scope.covers(line.payer.user, line.payer.project)]


def _booked(connection: Connection, month: str, payers: Payers) -> Booked:
    closes, rates = closed(connection), rates_at(connection)
    own = closes.get(month)
    if own is None:
        return Booked(computed_lines(connection, month, closes, rates, payers), payers, rates(None))
    return Booked(list(stored_lines(connection, month)), own.payers, rates(own.known_ms))


def _between(connection: Connection, from_ms: int, to_ms: int, payers: Payers, *, booked: bool) -> list[Line]:
    closes, rates = closed(connection), rates_at(connection)
    found: list[Line] = []
    for month in _months(connection, from_ms, closes):
        if booked and begin_of(month) >= to_ms:
            break
        lines = (
            stored_lines(connection, month)
            if month in closes
            else computed_lines(connection, month, closes, rates, payers)
        )
        found += lines if booked else [line for line in lines if from_ms <= line.day_ms < to_ms]
    return found


def _months(connection: Connection, from_ms: int, closes: Mapping[str, Closed]) -> Iterator[str]:
    """From that of `from_ms`, or the first with anything, to the last with use, or the one after the last close: corrections are in later ones."""
    known = [*months_with_use(connection), *(following(each) for each in closes)]
    if not known:
        return
    month, last = max(month_of(from_ms), min([*known, *closes])), max(known)
    while month <= last:
        yield month
        month = following(month)
