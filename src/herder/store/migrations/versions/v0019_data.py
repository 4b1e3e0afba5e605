"""bytes of inputs and outputs by URL that an attempt has copied"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("bytes_in", "bytes_out"):
        op.add_column(
            "attempts", sa.Column(name, sa.BigInteger(), nullable=False, server_default=sa.text("0"))
        )


def downgrade() -> None:
    op.drop_column("attempts", "bytes_out")
    op.drop_column("attempts", "bytes_in")
