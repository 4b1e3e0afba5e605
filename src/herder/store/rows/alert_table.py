"""Alerts, raised and resolved. Columns stand in the order of `AlertRecord`, as in `tables.py`, which lists it."""

from sqlalchemy import Index, Table

from herder.store.rows.columns import metadata, number, words

alerts = Table(
    "alerts",
    metadata,
    words("id", key=True),
    words("policy"),
    words("subject"),
    words("level"),
    number("from_ms"),
    number("to_ms"),
    number("raised_ms"),
    words("threshold"),
    words("used"),
    words("limit_amount"),
    words("projected"),
    number("next_ms", null=True),
    words("told"),
    number("told_ms", null=True),
    words("acknowledged_by"),
    number("acknowledged_ms", null=True),
    number("resolved_ms", null=True),
    words("why_resolved"),
)
Index("alerts_by_time", alerts.c.raised_ms)
