"""batches that are submitted on a schedule"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def _words(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), primary_key=key, nullable=False)


def _number(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=null)


def upgrade() -> None:
    op.create_table(
        "schedules",
        _words("name", key=True),
        _words("user"),
        _words("project"),
        _words("cron"),
        _words("timezone"),
        _words("concurrency"),
        _number("catch_up_ms"),
        _number("paused"),
        _words("spec"),
        _number("created_at_ms"),
        _number("handled_ms"),
        _number("last_run_ms", null=True),
        _number("last_batch", null=True),
        _words("last_text"),
        _number("deleted"),
    )


def downgrade() -> None:
    op.drop_table("schedules")
