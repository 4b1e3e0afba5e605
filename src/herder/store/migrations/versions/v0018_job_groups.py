"""job groups of batches, and attributes of jobs"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def _int(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=null, autoincrement=False)


def upgrade() -> None:
    op.create_table(
        "job_groups",
        _int("batch_id"),
        _int("id"),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        _int("cancel_after_failures", null=True),
        _int("cancelled"),
        sa.Column("counts", sa.Text(), nullable=False),
        _int("jobs"),
        sa.PrimaryKeyConstraint("batch_id", "id"),
    )
    op.create_index("job_groups_by_path", "job_groups", ["batch_id", "path"], unique=True)
    op.create_table(
        "job_ranges",
        _int("first_job"),
        _int("jobs"),
        _int("batch_id", null=True),
        _int("group_id", null=True),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("first_job"),
    )
    op.create_index("job_ranges_by_batch", "job_ranges", ["batch_id", "first_job"])


def downgrade() -> None:
    op.drop_table("job_ranges")
    op.drop_table("job_groups")
