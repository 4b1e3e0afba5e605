"""batches that are held, of which only so many jobs may run at once, or that accept jobs while they run"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("batches", sa.Column("hold", sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    op.add_column("batches", sa.Column("parallel_max", sa.BigInteger(), nullable=True))
    op.add_column(
        "batches", sa.Column("accepts", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )


def downgrade() -> None:
    op.drop_column("batches", "accepts")
    op.drop_column("batches", "parallel_max")
    op.drop_column("batches", "hold")
