"""the drain of a worker: until when its attempts may run, and whether it stays when it is empty"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

#: The default of `drain_grace`, for drains that were under way: until when they may last was not stored.
GRACE_MS = 300_000


def upgrade() -> None:
    op.add_column("workers", sa.Column("drain", sa.Text(), nullable=False, server_default=sa.text("''")))
    connection = op.get_bind()
    workers = sa.table(
        "workers",
        *(sa.column(name) for name in ("name", "state", "draining_at_ms", "requested_at_ms", "drain")),
    )
    draining = sa.select(workers.c.name, workers.c.draining_at_ms, workers.c.requested_at_ms)
    for name, at_ms, requested_at_ms in connection.execute(
        draining.where(workers.c.state == "draining")
    ).all():
        since_ms = at_ms or requested_at_ms
        drain = json.dumps({"since_ms": since_ms, "deadline_ms": since_ms + GRACE_MS})
        connection.execute(sa.update(workers).where(workers.c.name == name).values(drain=drain))


def downgrade() -> None:
    op.drop_column("workers", "drain")
