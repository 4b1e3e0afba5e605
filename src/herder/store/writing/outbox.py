"""The outbox of callbacks: what is due, and what became of it. Called by the callbacks loop and by `herder callback`.

A row that was deleted with its batch meanwhile stays deleted: nothing here inserts.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, update

from herder.store.rows.callback_table import callbacks

_C = callbacks.c
DUE, DELIVERED, FAILED = "due", "delivered", "failed"


def due(
    connection: Connection,
    now_ms: int,
    most: int,
    *,
    without: Collection[str],
    busy_hosts: Collection[str],
    busy_users: Collection[str],
) -> Sequence[Row[Any]]:
    """What is to be sent now, the oldest first. `without`: ids that are being sent."""
    query = (
        select(callbacks)
        .where(
            _C.next_at_ms.is_not(None),
            _C.next_at_ms <= now_ms,
            _C.id.not_in(without),
            _C.host.not_in(busy_hosts),
            _C.user.not_in(busy_users),
        )
        .order_by(_C.next_at_ms)
        .limit(most)
    )
    return connection.execute(query).all()


def next_at_ms(connection: Connection, without: Collection[str]) -> int | None:
    """When the next one is to be sent; None: there is none."""
    query = (
        select(_C.next_at_ms)
        .where(_C.next_at_ms.is_not(None), _C.id.not_in(without))
        .order_by(_C.next_at_ms)
        .limit(1)
    )
    return connection.execute(query).scalar()


def is_there(connection: Connection, message: str) -> bool:
    """False: it was deleted meanwhile."""
    return connection.execute(select(_C.id).where(_C.id == message)).first() is not None


def note(connection: Connection, message: str, values: dict[str, Any]) -> None:
    """What became of a try."""
    connection.execute(update(callbacks).where(_C.id == message).values(**values))


def of_batch(connection: Connection, batch: int, group: str = "") -> Row[Any] | None:
    """The newest message about a batch, or about one of its groups."""
    query = select(callbacks).where(_C.batch_id == batch, _C.group_path == group)
    return connection.execute(query.order_by(_C.created_at_ms.desc()).limit(1)).first()


def subject(row: Row[Any]) -> str:
    """What a message is about, in a sentence."""
    return f"group {row.group_path} of batch {row.batch_id}" if row.group_path else f"batch {row.batch_id}"
