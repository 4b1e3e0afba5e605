"""Schedules of batches. Columns stand in the order of `ScheduleRecord`, as in `tables.py`, which lists it."""

from sqlalchemy import Table

from herder.store.rows.columns import metadata, number, words

schedules = Table(
    "schedules",
    metadata,
    words("name", key=True),
    words("user"),
    words("project"),
    words("cron"),
    words("timezone"),
    words("concurrency"),
    number("catch_up_ms"),
    number("paused"),
    words("spec"),
    number("created_at_ms"),
    number("handled_ms"),
    number("last_run_ms", null=True),
    number("last_batch", null=True),
    words("last_text"),
    number("deleted"),
)
