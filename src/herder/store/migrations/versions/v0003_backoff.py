"""when a job may be tried again after a fault of a worker"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("not_before_ms", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "not_before_ms")
