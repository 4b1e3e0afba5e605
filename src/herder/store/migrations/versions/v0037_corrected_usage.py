"""who pays for reported use, and corrections of it"""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "usage_events", sa.Column("leased", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )
    op.add_column(
        "usage_events", sa.Column("corrects", sa.Text(), nullable=False, server_default=sa.text("''"))
    )
    where = sa.text("corrects != ''")
    op.create_index(
        "usage_events_by_correction",
        "usage_events",
        ["source", "corrects"],
        sqlite_where=where,
        postgresql_where=where,
    )


def downgrade() -> None:
    op.drop_index("usage_events_by_correction", "usage_events")
    op.drop_column("usage_events", "corrects")
    op.drop_column("usage_events", "leased")
