"""budgets, their periods, leases and transfers"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _numbers(*names: str, null: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=null) for name in names]


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("name", sa.Text(), primary_key=True),
        *_words("spec", "lasting"),
        *_numbers("created_at_ms", "changed_at_ms", "deleted"),
    )
    op.create_table(
        "budget_spans",
        sa.Column("budget", sa.Text(), primary_key=True),
        sa.Column("start_ms", sa.BigInteger(), primary_key=True, autoincrement=False),
        *_numbers("end_ms"),
        *_words("spent", "reserved", "moved", "lent"),
    )
    op.create_table(
        "budget_leases",
        sa.Column("id", sa.Text(), primary_key=True),
        *_words("budgets", "amount"),
        *_numbers("until_ms", "number"),
        *_words("spans", "cost", "state"),
        *_numbers("ended_at_ms", null=True),
    )
    op.create_index("budget_leases_by_end", "budget_leases", ["ended_at_ms"])
    op.create_table(
        "budget_transfers",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        *_words("kind", "source", "target", "amount", "reason"),
        *_numbers("lasting", "repay_days"),
        *_words("asked_by"),
        *_numbers("asked_at_ms"),
        *_words("state", "decided_by"),
        *_numbers("decided_at_ms", null=True),
        *_words("note", "repaid"),
        *_numbers("due_ms", null=True),
        *_numbers("days_left"),
    )


def downgrade() -> None:
    for table in ("budget_transfers", "budget_leases", "budget_spans", "budgets"):
        op.drop_table(table)
