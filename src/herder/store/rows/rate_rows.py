"""Stored rates as the ledger's. Read where something is priced, and where rates are added; no rate is kept in memory."""

import json
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal

from sqlalchemy import Connection, select

from herder.ledger.price_lists import Priced, PriceTier, day_and_version, rate_of
from herder.ledger.rates import Rate, RateList, Subject
from herder.model.stored.metering_records import RateRecord
from herder.store.rows.metering_tables import rates


def read_rates(
    connection: Connection,
    *,
    cards: Collection[str] | None = None,
    products: Collection[str] | None = None,
    known_ms: int | None = None,
) -> RateList:
    """All of them, or those of some cards, and of some products beside those of any product. `known_ms`: without those that were added later."""
    query = select(rates)
    if cards is not None:
        query = query.where(rates.c.card.in_(cards))
    if products is not None:
        query = query.where(rates.c.product.in_({*products, ""}))
    if known_ms is not None:
        query = query.where(rates.c.added_at_ms <= known_ms)
    return RateList.of(map(rate_from, in_order(RateRecord(*row) for row in connection.execute(query))))


def read_records(connection: Connection) -> list[RateRecord]:
    """In the order in which they hold."""
    return in_order(RateRecord(*row) for row in connection.execute(select(rates)))


def in_order(records: Iterable[RateRecord]) -> list[RateRecord]:
    """Those of a subject together, by their first days; what replaces a rate comes after it."""
    return sorted(records, key=lambda each: (*subject_of(each), each.from_ms, version_of(each.id)))


def version_of(name: str) -> int:
    found = day_and_version(name)
    return 1 if found is None else found[1]


def subject_of(record: RateRecord) -> Subject:
    return Subject(record.card, record.resource, record.product)


def rate_from(record: RateRecord) -> Rate:
    tiers = tuple(PriceTier(above, Decimal(price)) for above, price in json.loads(record.tiers))
    row = Priced(
        subject=subject_of(record),
        from_ms=record.from_ms,
        per=record.per,
        tiers=tiers,
        version=version_of(record.id),
    )
    return rate_of(row)


def day_of(text: str) -> int:
    """Its beginning, UTC. Raises ValueError, whose text is the remedy."""
    try:
        day = date.fromisoformat(text)
        if f"{day}" != text:
            raise ValueError(text)
    except ValueError:
        raise ValueError("Write the day, UTC, such as 2026-12-01.") from None
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
