"""the log of use, use by day, closed months"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_TEXT, _INT = sa.Text, sa.BigInteger
_TABLES: dict[str, tuple[tuple[str, type[sa.Text] | type[sa.BigInteger], bool], ...]] = {
    "use_log": (("number", _INT, True), ("arrived_ms", _INT, False), ("body", _TEXT, False)),
    "machine_days": (
        ("day_ms", _INT, True),
        ("booked", _TEXT, True),
        ("worker", _TEXT, True),
        *((name, _TEXT, False) for name in ("pool", "template", "provider", "zone", "market")),
        *((name, _INT, False) for name in ("price_pico_per_hour", "ms", "starting_ms")),
        ("capacity", _TEXT, False),
    ),
    "work_days": (
        ("day_ms", _INT, True),
        *((name, _TEXT, True) for name in ("booked", "worker", "user", "project")),
        *((name, _INT, False) for name in ("attempts", "ms")),
        *((name, _TEXT, False) for name in ("cpu_milli_ms", "memory_mib_ms", "gpu_ms", "weight")),
    ),
    "months": (
        ("month", _TEXT, True),
        *((name, _INT, False) for name in ("number", "known_ms")),
        ("closed_by", _TEXT, False),
        ("lines", _INT, False),
        *((name, _TEXT, False) for name in ("digest", "payers")),
    ),
    "month_lines": (("month", _TEXT, True), ("place", _INT, True), ("body", _TEXT, False)),
}


def upgrade() -> None:
    for table, columns in _TABLES.items():
        op.create_table(
            table,
            *(
                sa.Column(name, kind(), primary_key=key, nullable=False, autoincrement=False)
                for name, kind, key in columns
            ),
        )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
