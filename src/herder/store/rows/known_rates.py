"""The rates of a store, as they were known at a time. Nothing but lines of the ledger are made with them."""

from functools import lru_cache

from sqlalchemy import Connection

from herder.ledger.rates import RateList
from herder.store.rows.month_rows import RatesAt
from herder.store.rows.rate_rows import read_rates


def rates_at(connection: Connection) -> RatesAt:
    """Those of one time are read once."""

    @lru_cache(maxsize=8)
    def known(known_ms: int | None) -> RateList:
        return read_rates(connection, known_ms=known_ms)

    return known
