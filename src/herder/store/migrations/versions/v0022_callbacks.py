"""callbacks at the end of batches"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0020"
branch_labels = None
depends_on = None


def _words(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), primary_key=key, nullable=False)


def _number(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=null)


def upgrade() -> None:
    op.add_column("batches", sa.Column("callback", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.create_table(
        "callbacks",
        _words("id", key=True),
        _words("object"),
        _number("batch_id"),
        _words("user"),
        _words("project"),
        _words("url"),
        _words("host"),
        _words("body"),
        _words("state"),
        _number("tries"),
        _number("since_ms"),
        _number("next_at_ms", null=True),
        _number("created_at_ms"),
        _number("ended_at_ms", null=True),
        _number("status", null=True),
        _words("error"),
    )
    due = sa.text("next_at_ms IS NOT NULL")
    op.create_index("callbacks_by_batch", "callbacks", ["batch_id", "created_at_ms"])
    op.create_index("callbacks_due", "callbacks", ["next_at_ms"], sqlite_where=due, postgresql_where=due)


def downgrade() -> None:
    op.drop_table("callbacks")
    op.drop_column("batches", "callback")
