"""settings of pools, and a column of workers, under the names that the field uses"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

RENAMED = {
    "accepts_auto": "default_eligible",
    "driver_settings": "driver_options",
    "offer_rest": "offer_backoff",
    "offer_rest_max": "offer_backoff_max",
    "wait_worth": "wait_cost",
}


def upgrade() -> None:
    op.execute("ALTER TABLE workers RENAME COLUMN standing TO manual")
    _rewrite(RENAMED, 2)


def downgrade() -> None:
    _rewrite({new: old for old, new in RENAMED.items()}, 1)
    op.execute("ALTER TABLE workers RENAME COLUMN manual TO standing")


def _rewrite(renamed: dict[str, str], version: int) -> None:
    """Each pool's settings again, in the same order, under the new names."""
    connection = op.get_bind()
    pools = sa.table("pools", sa.column("name"), sa.column("spec"))
    for name, text in connection.execute(sa.select(pools.c.name, pools.c.spec)).all():
        spec = {renamed.get(key, key): value for key, value in json.loads(text).items()}
        spec["version"] = version
        connection.execute(
            sa.update(pools).where(pools.c.name == name).values(spec=json.dumps(spec, separators=(",", ":")))
        )
