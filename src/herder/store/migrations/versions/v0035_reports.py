"""scheduled reports of costs"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _numbers(*names: str, null: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=null) for name in names]


def upgrade() -> None:
    op.create_table(
        "report_schedules",
        sa.Column("name", sa.Text(), primary_key=True, nullable=False),
        *_words("period", "view", "division", "method"),
        *_numbers("booked"),
        *_words("cron", "timezone"),
        *_numbers("keep_ms"),
        *_words("created_by"),
        *_numbers("created_at_ms", "handled_ms"),
        *_numbers("asked_ms", null=True),
        *_numbers("tries"),
        *_numbers("next_try_ms", null=True),
        *_words("last_text"),
        *_numbers("deleted"),
    )
    op.create_table(
        "cost_reports",
        sa.Column("id", sa.Text(), primary_key=True, nullable=False),
        *_words("schedule"),
        *_numbers("due_ms", "made_at_ms", "keep_until_ms"),
        *_words("title", "first_day", "last_day", "digest", "body"),
    )
    op.create_index("cost_reports_by_age", "cost_reports", ["keep_until_ms"])
    op.create_index("cost_reports_by_time", "cost_reports", ["due_ms", "id"])


def downgrade() -> None:
    op.drop_table("cost_reports")
    op.drop_table("report_schedules")
