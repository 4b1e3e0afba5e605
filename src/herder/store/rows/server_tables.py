"""Which servers there are, and which of them leads. Called through `tables.py`."""

from sqlalchemy import Table

from herder.store.rows.columns import metadata, number, words

# One row, on PostgreSQL: which server leads, and until when by the database's clock (`store/opening/lease.py`).
lease = Table(
    "lease",
    metadata,
    number("id", key=True),
    number("epoch"),
    words("server"),
    words("instance"),
    number("expires_at_ms"),
)

# The servers of an installation on PostgreSQL, each with the time at which it was last heard of.
servers = Table(
    "servers",
    metadata,
    words("id", key=True),
    words("url"),
    words("holder"),
    words("version"),
    number("started_at_ms"),
    number("seen_at_ms"),
)
