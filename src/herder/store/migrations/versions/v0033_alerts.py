"""alerts"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    def words(name: str) -> sa.Column[str]:
        return sa.Column(name, sa.Text(), nullable=False)

    def number(name: str, null: bool = False) -> sa.Column[int]:
        return sa.Column(name, sa.BigInteger(), nullable=null)

    op.create_table(
        "alerts",
        sa.Column("id", sa.Text(), primary_key=True, nullable=False),
        *(words(name) for name in ("policy", "subject", "level")),
        *(number(name) for name in ("from_ms", "to_ms", "raised_ms")),
        *(words(name) for name in ("threshold", "used", "limit_amount", "projected")),
        number("next_ms", null=True),
        words("told"),
        number("told_ms", null=True),
        words("acknowledged_by"),
        number("acknowledged_ms", null=True),
        number("resolved_ms", null=True),
        words("why_resolved"),
    )
    op.create_index("alerts_by_time", "alerts", ["raised_ms"])


def downgrade() -> None:
    op.drop_table("alerts")
