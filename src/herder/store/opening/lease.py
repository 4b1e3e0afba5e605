"""The lease of a PostgreSQL store: which server leads, and until when by the database's clock.

Called by the thread of `server/leadership/candidate.py`, on its own connection. `next_step` is pure and decides what to do; `renew` and
`take_over` do it in one transaction each. The lease decides which server may begin to lead. The epoch (`leadership.py`), which each new
lease raises, keeps other servers from committing. SQLite has no lease: its file is locked.
"""

from dataclasses import dataclass
from enum import Enum

from sqlalchemy import Connection, Engine, TextClause, text

from herder.ports.leadership import ServerNote
from herder.store.opening.database import StoreError

#: From a renewal to the end of the lease, by the database's clock.
LEASE_MS = 5_000
#: The leader stops acting this long before, by its own clock, counted from before it asked for the renewal.
MARGIN_MS = 1_000
#: How long a take-over waits for a transaction of the predecessor before it tries again.
WAIT_MS = 2_000
#: Rows of servers that were not heard of for longer are deleted.
FORGET_MS = 86_400_000
#: Of these, at most so many are read.
SERVERS_MAX = 16
#: How a server's sessions are found in the database: this and its instance.
APPLICATION = "herder-"

_NOW = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS bigint)"


def _sql(statement: str) -> TextClause:
    """NOW_MS: the database's clock."""
    return text(statement.replace("NOW_MS", _NOW))


_ROW = _sql("SELECT epoch, server, instance, expires_at_ms, NOW_MS FROM lease WHERE id = 1")
_LOCK = _sql("SELECT epoch, server, instance, expires_at_ms, NOW_MS FROM lease WHERE id = 1 FOR UPDATE")
_FIRST = _sql(
    "INSERT INTO lease (id, epoch, server, instance, expires_at_ms) VALUES (1, 0, '', '', 0) "
    "ON CONFLICT (id) DO NOTHING"
)
_RENEW = _sql(
    "UPDATE lease SET expires_at_ms = NOW_MS + :lease WHERE id = 1 AND epoch = :epoch AND instance = :instance"
)
_RELEASE = _sql("UPDATE lease SET expires_at_ms = 0 WHERE id = 1 AND epoch = :epoch AND instance = :instance")
_END_SESSIONS = _sql(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = :name AND datname = current_database() AND pid <> pg_backend_pid()"
)
_EPOCH = _sql(
    "INSERT INTO leader (id, epoch, holder, since_ms) VALUES (1, 1, :holder, NOW_MS) "
    "ON CONFLICT (id) DO UPDATE SET epoch = leader.epoch + 1, holder = :holder, since_ms = NOW_MS RETURNING epoch"
)
_LEAD = _sql(
    "UPDATE lease SET epoch = :epoch, server = :server, instance = :instance, expires_at_ms = NOW_MS + :lease WHERE id = 1"
)
_SEEN = _sql(
    "INSERT INTO servers (id, url, holder, version, started_at_ms, seen_at_ms) "
    "VALUES (:id, :url, :holder, :version, NOW_MS, NOW_MS) "
    "ON CONFLICT (id) DO UPDATE SET url = :url, holder = :holder, version = :version, "
    "started_at_ms = CASE WHEN :fresh THEN NOW_MS ELSE servers.started_at_ms END, seen_at_ms = NOW_MS"
)
_FORGET = _sql("DELETE FROM servers WHERE seen_at_ms < NOW_MS - :age")
_LEAVE = _sql("DELETE FROM servers WHERE id = :id")
_SERVERS = _sql(
    "SELECT id, url, holder, version, started_at_ms, NOW_MS - seen_at_ms FROM servers "
    "ORDER BY seen_at_ms DESC LIMIT :most"
)


class Step(Enum):
    """What a server does next about the lease."""

    RENEW = "renew"
    STAND_BY = "stand by"
    TAKE_OVER = "take over"
    STEP_DOWN = "step down"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRow:
    epoch: int
    server: str
    instance: str
    expires_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Of one server. `server` names its data folder, which it has locked; `instance` is this run of the process."""

    server: str
    instance: str
    url: str
    holder: str
    version: str


def next_step(now_ms: int, row: LeaseRow | None, me: Me, epoch: int) -> Step:
    """`now_ms`: the database's clock. `epoch`: the one under which this server leads; 0: it does not.

    A leader goes on as long as the row is its own, also when the lease has ended: nobody else has led meanwhile. A server whose
    own earlier run holds the lease need not wait for its end: the lock on the data folder says that the earlier run has ended.
    """
    if epoch:
        mine = row is not None and (row.epoch, row.instance) == (epoch, me.instance)
        return Step.RENEW if mine else Step.STEP_DOWN
    if row is None or now_ms >= row.expires_at_ms or row.server == me.server:
        return Step.TAKE_OVER
    return Step.STAND_BY


def read_lease(connection: Connection) -> tuple[int, LeaseRow | None]:
    """(the database's clock, the row)."""
    return _found(connection, lock=False)


def check_no_leader(engine: Engine) -> None:
    """Raises StoreError while a server leads."""
    with engine.connect() as connection:
        now_ms, row = read_lease(connection)
    if row is not None and now_ms < row.expires_at_ms:
        raise StoreError(
            "A server leads this store.",
            "Stop all servers of the store, wait 5 s, and run the command again.",
        )


def renew(connection: Connection, me: Me, epoch: int) -> bool:
    """False: the lease is another server's."""
    values = {"lease": LEASE_MS, "epoch": epoch, "instance": me.instance}
    return connection.execute(_RENEW, values).rowcount == 1


def take_over(connection: Connection, me: Me) -> int:
    """Lead under a new epoch, which is the answer; 0: another server was faster. When the transaction ends, no commit of the
    predecessor can follow. Its sessions are ended first: stopped in the middle of a transaction, it would hold the row of the epoch."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {WAIT_MS}")
    connection.execute(_FIRST)
    now_ms, row = _found(connection, lock=True)
    if next_step(now_ms, row, me, 0) is not Step.TAKE_OVER:
        return 0
    if row is not None and row.instance not in ("", me.instance):
        connection.execute(_END_SESSIONS, {"name": APPLICATION + row.instance})
    epoch = int(connection.execute(_EPOCH, {"holder": me.holder}).scalar_one())
    values = {"epoch": epoch, "server": me.server, "instance": me.instance, "lease": LEASE_MS}
    connection.execute(_LEAD, values)
    connection.execute(_FORGET, {"age": FORGET_MS})
    return epoch


def release(connection: Connection, me: Me, epoch: int) -> None:
    """At an orderly stop: another server may lead at once."""
    connection.execute(_RELEASE, {"epoch": epoch, "instance": me.instance})
    connection.execute(_LEAVE, {"id": me.server})


def heard(connection: Connection, me: Me, *, fresh: bool) -> None:
    """Record that this server runs. `fresh`: for the first time since its start."""
    values = {"id": me.server, "url": me.url, "holder": me.holder, "version": me.version, "fresh": fresh}
    connection.execute(_SEEN, values)


def read_servers(connection: Connection, leader: str) -> tuple[ServerNote, ...]:
    """The leader first, then the others by id; at most `SERVERS_MAX`, those heard from last."""
    notes = [
        ServerNote(
            id=row[0],
            url=row[1],
            holder=row[2],
            version=row[3],
            started_at_ms=row[4],
            seen_ms=max(0, row[5]),
            leads=row[0] == leader,
        )
        for row in connection.execute(_SERVERS, {"most": SERVERS_MAX})
    ]
    return tuple(sorted(notes, key=lambda note: (not note.leads, note.id)))


def _found(connection: Connection, *, lock: bool) -> tuple[int, LeaseRow | None]:
    row = connection.execute(_LOCK if lock else _ROW).first()
    if row is None:
        return 0, None
    found = LeaseRow(epoch=row[0], server=row[1], instance=row[2], expires_at_ms=row[3])
    return int(row[4]), found
