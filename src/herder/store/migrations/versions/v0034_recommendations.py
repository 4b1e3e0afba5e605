"""recommendations"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    def words(name: str) -> sa.Column[str]:
        return sa.Column(name, sa.Text(), nullable=False)

    def number(name: str, null: bool = False) -> sa.Column[int]:
        return sa.Column(name, sa.BigInteger(), nullable=null)

    op.create_table(
        "recommendations",
        sa.Column("id", sa.Text(), primary_key=True, nullable=False),
        *(words(name) for name in ("kind", "target", "action", "why", "how", "project", "user", "pool")),
        *(words(name) for name in ("monthly_pico", "saving_pico")),
        *(number(name) for name in ("observed", "supporting")),
        words("state"),
        number("found_ms"),
        words("approved_by"),
        number("approved_ms", null=True),
        words("begun_by"),
        number("begun_ms", null=True),
        number("closed_ms", null=True),
    )


def downgrade() -> None:
    op.drop_table("recommendations")
