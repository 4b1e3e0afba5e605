"""Tables of the ledger. Columns stand in the order of the records (`model/stored/ledger_records.py`)."""

from sqlalchemy import Table

from herder.model.stored.ledger_records import (
    MachineDayRecord,
    MonthLinesRecord,
    MonthRecord,
    UseLogRecord,
    WorkDayRecord,
)
from herder.model.stored.recommendation_records import RecommendationRecord
from herder.store.rows import report_tables
from herder.store.rows.columns import later, metadata, number, words

use_log = Table("use_log", metadata, number("number", key=True), number("arrived_ms"), words("body"))

machine_days = Table(
    "machine_days",
    metadata,
    number("day_ms", key=True),
    words("booked", key=True),
    words("worker", key=True),
    words("pool"),
    words("template"),
    words("provider"),
    words("zone"),
    words("market"),
    number("price_pico_per_hour"),
    number("ms"),
    number("starting_ms"),
    words("capacity"),
)

work_days = Table(
    "work_days",
    metadata,
    number("day_ms", key=True),
    words("booked", key=True),
    words("worker", key=True),
    words("user", key=True),
    words("project", key=True),
    number("attempts"),
    number("ms"),
    words("cpu_milli_ms"),
    words("memory_mib_ms"),
    words("gpu_ms"),
    words("weight"),
)

months = Table(
    "months",
    metadata,
    words("month", key=True),
    number("number"),
    number("known_ms"),
    words("closed_by"),
    number("lines"),
    words("digest"),
    words("payers"),
)

month_lines = Table(
    "month_lines", metadata, words("month", key=True), number("place", key=True), words("body")
)

recommendations = Table(
    "recommendations",
    metadata,
    words("id", key=True),
    *map(words, ("kind", "target", "action", "why", "how", "project", "user", "pool")),
    *map(words, ("monthly_pico", "saving_pico")),
    *map(number, ("observed", "supporting")),
    words("state"),
    number("found_ms"),
    words("approved_by"),
    number("approved_ms", null=True),
    words("begun_by"),
    number("begun_ms", null=True),
    number("closed_ms", null=True),
    later("approved_pico"),
)

TABLE_OF: dict[type, Table] = {
    UseLogRecord: use_log,
    MachineDayRecord: machine_days,
    WorkDayRecord: work_days,
    MonthRecord: months,
    MonthLinesRecord: month_lines,
    RecommendationRecord: recommendations,
    **report_tables.TABLE_OF,
}
