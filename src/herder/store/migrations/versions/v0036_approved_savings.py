"""what was approved of a recommendation"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "recommendations", sa.Column("approved_pico", sa.Text(), nullable=False, server_default=sa.text("''"))
    )
    op.execute("UPDATE recommendations SET approved_pico = saving_pico WHERE approved_ms IS NOT NULL")


def downgrade() -> None:
    op.drop_column("recommendations", "approved_pico")
