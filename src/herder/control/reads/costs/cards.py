"""Rate cards that exist: of rates, of projects as they are set and as months were closed with, and the built-in ones. Called by reads that take a card."""

from sqlalchemy import Connection, select

from herder.control.costs.months import payers_of
from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.ledger.built_in_cards import CARDS
from herder.ledger.lines import COST
from herder.settings.syntax.problems import did_you_mean
from herder.store.rows.metering_tables import rates
from herder.store.rows.month_rows import closed


async def check_card(core: Core, card: str) -> None:
    """Empty: none is named. Raises Invalid for one that exists nowhere: a sum of it would be $0, and wrong."""
    if card in ("", COST, *CARDS):
        return
    stored: set[str] = await core.read(_stored)
    known = {COST, *CARDS, *stored, *(each.card for each in payers_of(core).projects.values())}
    if card not in known:
        raise Invalid(
            f"There is no rate card {card[:40]!r}.", field="card", hint=did_you_mean(card, sorted(known))
        )


def _stored(connection: Connection) -> set[str]:
    found = {row.card for row in connection.execute(select(rates.c.card).distinct())}
    return found | {
        each.card for month in closed(connection).values() for each in month.payers.projects.values()
    }
