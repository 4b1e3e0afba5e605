"""workers without a generation, which nothing read; events of excluded and of quarantined workers have names of their own"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


_EVENTS = sa.table("events", sa.column("kind", sa.Text()))
#: What events were called before, in this order.
_RENAMED = (("worker.quarantined", "worker.excluded"), ("worker.kept", "worker.quarantined"))


def upgrade() -> None:
    op.drop_column("workers", "generation")
    for old, new in _RENAMED:
        _rename(old, new)


def downgrade() -> None:
    for old, new in reversed(_RENAMED):
        _rename(new, old)
    op.add_column(
        "workers",
        sa.Column(
            "generation", sa.BigInteger(), autoincrement=False, nullable=False, server_default=sa.text("1")
        ),
    )


def _rename(old: str, new: str) -> None:
    op.execute(_EVENTS.update().where(_EVENTS.c.kind == old).values(kind=new))
