"""The outbox of callbacks: a row is written in the commit in which its batch, or its job group, ends, and says what became of it.

Columns stand in the order of `CallbackRecord`, as in `tables.py`, which lists it.
"""

from sqlalchemy import Index, Table

from herder.store.rows.columns import later, metadata, number, words

callbacks = Table(
    "callbacks",
    metadata,
    words("id", key=True),
    words("object"),
    number("batch_id"),
    words("user"),
    words("project"),
    words("url"),
    words("host"),
    words("body"),
    words("state"),
    number("tries"),
    number("since_ms"),
    number("next_at_ms", null=True),
    number("created_at_ms"),
    number("ended_at_ms", null=True),
    number("status", null=True),
    words("error"),
    later("group_path"),
)
Index("callbacks_by_batch", callbacks.c.batch_id, callbacks.c.created_at_ms)
# Those that are to be sent, in the order of their times.
_DUE = callbacks.c.next_at_ms.is_not(None)
Index("callbacks_due", callbacks.c.next_at_ms, sqlite_where=_DUE, postgresql_where=_DUE)
