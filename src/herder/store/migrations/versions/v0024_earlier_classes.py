"""jobs that are tried again in another class"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "earlier_classes",
        sa.Column("job_id", sa.BigInteger(), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("attempt", sa.BigInteger(), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("class_id", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("earlier_classes")
