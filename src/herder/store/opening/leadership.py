"""Leadership: the epoch in the one row of `leader`, raised by each server that takes over the store.

Called at opening and by the writer, in each of its transactions. Locks keep two servers apart as long as they work; the epoch keeps
what was accepted when they do not (a paused machine, a cut connection, two paths to one file). A server whose epoch was raised by
another changes nothing any more. It must never be asked outside the transaction that it protects.
"""

import os
import socket
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, insert, select, update

from herder.model.values.times import iso
from herder.ports.store import StoreDown
from herder.store.rows.tables import leader

#: The only row.
ROW = 1
#: How long a successor waits for a transaction of its predecessor that is under way.
WAIT_MS = 60_000

#: The row stays locked until the transaction ends: a successor that raises the epoch waits for it, and then sees what it wrote.
_POSTGRES = "SELECT epoch, holder, since_ms FROM leader WHERE id = 1 FOR SHARE"
#: SQLite takes its lock with the first look, or another could write between look and change.
_SQLITE_BEGIN = "BEGIN IMMEDIATE"
_SQLITE = "SELECT epoch, holder, since_ms FROM leader WHERE id = 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """One server's right to write."""

    epoch: int
    holder: str


class Fenced(StoreDown):
    """Another server has taken the store over. Nothing of this one becomes durable any more."""


def this_process() -> str:
    """As others are told who took over."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def take_over(engine: Engine, now_ms: int) -> Leader:
    """Raise the epoch. When it returns, no other server's commit can follow: what is read now is all there is."""
    me = this_process()
    with engine.begin() as connection:
        postgres = connection.dialect.name == "postgresql"
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {WAIT_MS}" if postgres else _SQLITE_BEGIN)
        raised = update(leader).where(leader.c.id == ROW).values(
            epoch=leader.c.epoch + 1, holder=me, since_ms=now_ms
        )  # fmt: skip
        if not connection.execute(raised).rowcount:
            connection.execute(insert(leader).values(id=ROW, epoch=1, holder=me, since_ms=now_ms))
        epoch = connection.execute(select(leader.c.epoch).where(leader.c.id == ROW)).scalar_one()
    return Leader(epoch=epoch, holder=me)


def begin(connection: Connection, mine: Leader) -> None:
    """Begin a transaction of the writer. Raises Fenced."""
    if connection.dialect.name == "sqlite":
        # In SQLite's own words: SQLAlchemy would add 100 µs to each commit.
        plain = connection.connection.cursor()
        plain.execute(_SQLITE_BEGIN)
        row = plain.execute(_SQLITE).fetchone()
        plain.close()
    else:
        row = connection.exec_driver_sql(_POSTGRES).first()
    if row is not None and row[0] == mine.epoch:
        return
    if row is None:
        raise Fenced(
            "The table `leader` of the store is empty, so no server may write to it. Check whether the store was emptied or replaced."
        )
    raise Fenced(
        f"The store was taken over by {row[1]} at {iso(row[2])} (epoch {row[0]}, this server's is {mine.epoch})."
    )
