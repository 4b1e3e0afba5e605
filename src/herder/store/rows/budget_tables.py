"""Budgets, what was spent in their periods, leases on them and transfers between them. Columns stand in the order of the records, as in `tables.py`, which lists them."""

from sqlalchemy import Index, Table

from herder.store.rows.columns import metadata, number, words

budgets = Table(
    "budgets",
    metadata,
    words("name", key=True),
    words("spec"),
    words("lasting"),
    number("created_at_ms"),
    number("changed_at_ms"),
    number("deleted"),
)

budget_spans = Table(
    "budget_spans",
    metadata,
    words("budget", key=True),
    number("start_ms", key=True),
    number("end_ms"),
    words("spent"),
    words("reserved"),
    words("moved"),
    words("lent"),
)

budget_leases = Table(
    "budget_leases",
    metadata,
    words("id", key=True),
    words("budgets"),
    words("amount"),
    number("until_ms"),
    number("number"),
    words("spans"),
    words("cost"),
    words("state"),
    number("ended_at_ms", null=True),
    Index("budget_leases_by_end", "ended_at_ms"),
)

budget_transfers = Table(
    "budget_transfers",
    metadata,
    number("number", key=True),
    words("kind"),
    words("source"),
    words("target"),
    words("amount"),
    words("reason"),
    number("lasting"),
    number("repay_days"),
    words("asked_by"),
    number("asked_at_ms"),
    words("state"),
    words("decided_by"),
    number("decided_at_ms", null=True),
    words("note"),
    words("repaid"),
    number("due_ms", null=True),
    number("days_left"),
)
