"""the version of each worker's agent, and which expiry of a worker was announced and has come"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "workers", sa.Column("agent_version", sa.Text(), nullable=False, server_default=sa.text("''"))
    )
    for name in ("warned_expiry_ms", "expired_ms"):
        op.add_column("workers", sa.Column(name, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    for name in ("expired_ms", "warned_expiry_ms", "agent_version"):
        op.drop_column("workers", name)
