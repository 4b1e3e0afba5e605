"""tokens by which machines join a pool; jobs are found by their name"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tokens", sa.Column("join_pool", sa.Text(), nullable=True))
    op.add_column("tokens", sa.Column("join_template", sa.Text(), nullable=True))
    op.add_column("tokens", sa.Column("join_uses_left", sa.BigInteger(), nullable=True))
    named = sa.text("key IS NOT NULL")
    op.create_index("jobs_by_name", "jobs", ["key", "id"], sqlite_where=named, postgresql_where=named)


def downgrade() -> None:
    op.drop_index("jobs_by_name", table_name="jobs")
    for name in ("join_uses_left", "join_template", "join_pool"):
        op.drop_column("tokens", name)
