"""epochs, keys on the rows that requests made, versions of what is kept as JSON, totals that outlive their rows"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

#: Numbers of `model.work.job.JobState` as they were when this was written.
_QUEUED, _ENDED, _CANCELLED = (0, 1, 2), 10, 12
_LABELS = {10: "succeeded", 11: "failed", 12: "cancelled", 13: "skipped"}


def upgrade() -> None:
    _tables()
    for table in ("jobs", "batches", "events"):
        op.add_column(table, sa.Column("request", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("fingerprint", sa.Text(), nullable=True))
    for table in ("jobs", "batches", "bunches", "events"):
        given = sa.text("request IS NOT NULL")
        op.create_index(
            f"{table}_by_request", table, ["request"], unique=True, sqlite_where=given, postgresql_where=given
        )
    for table in ("plans", "observations"):
        one = sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False)
        op.add_column(table, one)
    op.create_index("events_by_kind", "events", ["kind", "sequence"], unique=False)
    op.create_index("workers_by_time", "workers", ["requested_at_ms"], unique=False)
    ended = sa.text("ended_at_ms IS NOT NULL")
    op.create_index(
        "workers_ended", "workers", ["ended_at_ms"], unique=False, sqlite_where=ended, postgresql_where=ended
    )
    live = sa.text("ended_at_ms IS NULL")
    op.create_index("batches_live", "batches", ["id"], unique=False, sqlite_where=live, postgresql_where=live)
    op.drop_table("idempotency")
    _totals(op.get_bind())


def _tables() -> None:
    op.create_table(
        "bunches",
        sa.Column("first_job", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("batch_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("jobs", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("request", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("first_job"),
    )
    op.create_index("bunches_by_batch", "bunches", ["batch_id"], unique=False)
    op.create_table(
        "totals",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "leader",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _totals(connection: sa.Connection) -> None:
    """What was counted from the rows at each start is counted once more, and from here on kept."""
    jobs = sa.table("jobs", sa.column("state"), sa.column("batch_id"), sa.column("class_id"))
    workers = sa.table("workers", sa.column("pool"), sa.column("cost_pico"), sa.column("ended_at_ms"))
    counts = dict.fromkeys(_LABELS, 0)
    ended = sa.select(jobs.c.state, sa.func.count()).where(jobs.c.state >= _ENDED).group_by(jobs.c.state)
    for state, count in connection.execute(ended):
        counts[state] += count
    counts[_CANCELLED] += _unmarked(connection)
    rows = [{"name": f"jobs/{_LABELS[state]}", "value": str(count)} for state, count in counts.items()]
    costs: dict[str, int] = {}
    gone = sa.select(workers.c.pool, workers.c.cost_pico).where(workers.c.ended_at_ms.is_not(None))
    for pool, cost in connection.execute(gone):
        costs[pool] = costs.get(pool, 0) + cost
    rows += [{"name": f"cost/{pool}", "value": str(cost)} for pool, cost in costs.items()]
    connection.execute(sa.insert(sa.table("totals", sa.column("name"), sa.column("value"))), rows)


def _unmarked(connection: sa.Connection) -> int:
    """Jobs of cancelled batches whose rows do not say so yet: people have been told that they are cancelled."""
    jobs = sa.table("jobs", sa.column("state"), sa.column("batch_id"), sa.column("class_id"))
    batches = sa.table(
        "batches", sa.column("id"), sa.column("state"), sa.column("ended_at_ms"), sa.column("committed_at_ms")
    )
    classes = sa.table("job_classes", sa.column("id"), sa.column("spec"))
    over = (batches.c.state == "cancelled") | batches.c.ended_at_ms.is_not(None)
    query = (
        sa.select(jobs.c.class_id, batches.c.ended_at_ms.is_(None), sa.func.count())
        .join(batches, batches.c.id == jobs.c.batch_id)
        .where(jobs.c.state.in_(_QUEUED), over)
        .group_by(jobs.c.class_id, batches.c.ended_at_ms.is_(None))
    )
    found = connection.execute(query).all()
    specs = {row.id: row.spec for row in connection.execute(sa.select(classes.c.id, classes.c.spec))}
    return sum(
        count
        for class_id, live, count in found
        if not (live and json.loads(specs[class_id]).get("always_run", False))
    )


def downgrade() -> None:
    op.drop_table("leader")
    op.drop_table("totals")
    op.drop_table("bunches")
    op.drop_index("workers_ended", table_name="workers")
    op.drop_index("workers_by_time", table_name="workers")
    op.drop_index("batches_live", table_name="batches")
    op.drop_index("events_by_kind", table_name="events")
    for table in ("plans", "observations"):
        op.drop_column(table, "version")
    for table in ("jobs", "batches", "events"):
        op.drop_index(f"{table}_by_request", table_name=table)
        op.drop_column(table, "fingerprint")
        op.drop_column(table, "request")
    op.create_table(
        "idempotency",
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("user", "key"),
    )
