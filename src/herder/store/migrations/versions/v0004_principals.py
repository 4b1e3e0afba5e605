"""whose each job and event is; the ends and last uses of tokens, users that were deleted, sessions of browsers"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: Events of jobs and batches that are not there any more belong to nobody who could sign in.
NOBODY = "?"
_NOT_DEFAULT = sa.text("project != 'default'")


def upgrade() -> None:
    for table in ("jobs", "events"):
        for column in ("user", "project"):
            op.add_column(table, sa.Column(column, sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("users", sa.Column("deleted_at_ms", sa.BigInteger(), nullable=True))
    op.add_column("tokens", sa.Column("expires_at_ms", sa.BigInteger(), nullable=True))
    op.add_column("tokens", sa.Column("last_used_at_ms", sa.BigInteger(), nullable=True))
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", "place"),
    )
    for column in ("user", "project"):
        _fill(column)
    op.create_index("jobs_by_user", "jobs", ["user", "id"])
    op.create_index(
        "jobs_by_project",
        "jobs",
        ["project", "id"],
        sqlite_where=_NOT_DEFAULT,
        postgresql_where=_NOT_DEFAULT,
    )
    op.create_index("batches_by_user", "batches", ["user", "id"])


def _fill(column: str) -> None:
    """What was written before says whose it is by its class, or by the job or batch that it is about."""
    nobody = NOBODY if column == "user" else ""
    op.execute(
        f'UPDATE jobs SET "{column}" = COALESCE('  # noqa: S608
        f"(SELECT c.\"{column}\" FROM job_classes c WHERE c.id = jobs.class_id), '{nobody}')"
    )
    for noun, table in (("job", "jobs"), ("batch", "batches")):
        number = f"CAST(substr(object, {len(noun) + 2}) AS BIGINT)"
        op.execute(
            f'UPDATE events SET "{column}" = COALESCE((SELECT o."{column}" FROM {table} o WHERE o.id = {number}), '  # noqa: S608
            f"'{nobody}') WHERE object LIKE '{noun}/%'"
        )


def downgrade() -> None:
    op.drop_index("batches_by_user", "batches")
    op.drop_index("jobs_by_project", "jobs")
    op.drop_index("jobs_by_user", "jobs")
    op.drop_table("sessions")
    for table, columns in (
        ("tokens", ("last_used_at_ms", "expires_at_ms")),
        ("users", ("deleted_at_ms",)),
        ("events", ("project", "user")),
        ("jobs", ("project", "user")),
    ):
        for column in columns:
            op.drop_column(table, column)
