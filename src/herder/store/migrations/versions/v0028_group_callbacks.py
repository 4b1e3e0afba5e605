"""callbacks at the end of job groups"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_ADDED = (("job_groups", "callback"), ("callbacks", "group_path"))


def upgrade() -> None:
    for table, column in _ADDED:
        op.add_column(table, sa.Column(column, sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("job_groups", sa.Column("ended_at_ms", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("job_groups", "ended_at_ms")
    for table, column in _ADDED:
        op.drop_column(table, column)
