"""configurations of pipelines"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pipelines",
        sa.Column("name", sa.Text(), primary_key=True, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("user", "project", "config")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("bytes", "created_at_ms")),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("pipelines")
