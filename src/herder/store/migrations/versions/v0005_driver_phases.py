"""how far the provider is with each worker's machine, and the id of the operation that is under way"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("phase", "operation"):
        op.add_column("workers", sa.Column(name, sa.Text(), nullable=False, server_default=sa.text("''")))


def downgrade() -> None:
    for name in ("operation", "phase"):
        op.drop_column("workers", name)
