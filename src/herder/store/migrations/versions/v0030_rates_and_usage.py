"""rates and reported use"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def _words(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), primary_key=key, nullable=False)


def _number(name: str, *, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), primary_key=key, nullable=False, autoincrement=False)


def upgrade() -> None:
    op.create_table(
        "rates", _words("id", key=True), _words("card"), _words("resource"), _words("product"), _number("from_ms"), _number("per"),
        _words("tiers"), _words("origin"), _number("added_at_ms"), _words("added_by"),
    )  # fmt: skip
    op.create_table(
        "usage_events", _words("source", key=True), _words("id", key=True), _words("resource", key=True), _number("at_ms"),
        _number("arrived_ms"), _words("product"), _words("division"), _words("project"), _words("user"), _words("counter"),
        _words("amount"), _words("claim"), _words("reported_by"),
    )  # fmt: skip
    for name, columns, where in (
        ("usage_events_by_counter", ["source", "counter", "resource", "at_ms"], sa.text("counter != ''")),
        ("usage_events_by_claim", ["claim"], sa.text("claim != ''")),
    ):
        op.create_index(name, "usage_events", columns, sqlite_where=where, postgresql_where=where)
    op.create_table(
        "metered_days", _number("day_ms", key=True), _words("booked", key=True), _words("source", key=True),
        _words("resource", key=True), _words("product", key=True), _words("division", key=True), _words("project", key=True),
        _words("user", key=True), _words("quantity"),
    )  # fmt: skip


def downgrade() -> None:
    for table in ("metered_days", "usage_events", "rates"):
        op.drop_table(table)
