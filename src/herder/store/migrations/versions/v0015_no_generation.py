"""workers without the generation, which was written and never read: a plan is checked against the worker itself when it is applied"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("workers", "generation")


def downgrade() -> None:
    op.add_column(
        "workers",
        sa.Column("generation", sa.BigInteger(), autoincrement=False, nullable=False, server_default=sa.text("1")),
    )
