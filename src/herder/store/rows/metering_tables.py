"""Tables of rates and of reported use. Columns stand in the order of the records (`model/stored/metering_records.py`)."""

from sqlalchemy import Index, Table

from herder.store.rows.columns import count_later, later, metadata, number, words

rates = Table(
    "rates",
    metadata,
    words("id", key=True),
    words("card"),
    words("resource"),
    words("product"),
    number("from_ms"),
    number("per"),
    words("tiers"),
    words("origin"),
    number("added_at_ms"),
    words("added_by"),
)

usage_events = Table(
    "usage_events",
    metadata,
    words("source", key=True),
    words("id", key=True),
    words("resource", key=True),
    number("at_ms"),
    number("arrived_ms"),
    words("product"),
    words("division"),
    words("project"),
    words("user"),
    words("counter"),
    words("amount"),
    words("claim"),
    words("reported_by"),
    count_later("leased"),
    later("corrects"),
)
_e = usage_events.c
Index(
    "usage_events_by_counter", _e.source, _e.counter, _e.resource, _e.at_ms,
    sqlite_where=_e.counter != "", postgresql_where=_e.counter != "",
)  # fmt: skip
Index(
    "usage_events_by_correction", _e.source, _e.corrects,
    sqlite_where=_e.corrects != "", postgresql_where=_e.corrects != "",
)  # fmt: skip
Index("usage_events_by_claim", _e.claim, sqlite_where=_e.claim != "", postgresql_where=_e.claim != "")

metered_days = Table(
    "metered_days",
    metadata,
    number("day_ms", key=True),
    words("booked", key=True),
    words("source", key=True),
    words("resource", key=True),
    words("product", key=True),
    words("division", key=True),
    words("project", key=True),
    words("user", key=True),
    words("quantity"),
)
