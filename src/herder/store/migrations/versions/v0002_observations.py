"""what each recorded plan was made from"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "observations",
        sa.Column("plan", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("follows", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("at_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("plan"),
    )


def downgrade() -> None:
    op.drop_table("observations")
