"""What changes are in rows: the statements of one transaction of the writer, in their order.

Called by the writer, and by the store of the simulated world. It neither begins nor commits, and it never reads.
"""

from itertools import chain
from operator import itemgetter

import msgspec
from sqlalchemy import Connection

from herder.model.stored.changes import Changes
from herder.model.stored.records import AttemptRecord, JobNew, JobStatus
from herder.store.writing.statements import statements_for

#: Rows in one statement, and in the first of a commit, which shows how large they are.
ROWS_PER_STATEMENT = 20_000
ROWS_FIRST = 1_000
#: Bytes in one statement, if it has more than one row: encoder, SQLAlchemy, SQLite's copy and its parser each have the text once.
STATEMENT_BYTES = 8 * 2**20
#: Of text in a block of VALUES: the driver keeps the statement, and with it what was bound to it last.
BLOCK_CHARACTERS = 2**20
#: Jobs that are changed by one statement, which costs as much as so many rows of another. PostgreSQL's is a round trip.
ALIKE_LEAST, ALIKE_LEAST_POSTGRES = 12, 64

#: PostgreSQL cannot know how few rows a JSON parameter has, and joins it with a scan of the whole table (10 times slower with
#: a hundred thousand jobs). Every statement of the writer goes by key, so nothing else is allowed to it. A server that is paused
#: in a transaction must not keep its successor waiting.
BY_KEY_ONLY = (
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; "
    "SET LOCAL idle_in_transaction_session_timeout = 30000"
)


_encode = msgspec.json.Encoder().encode
_ID = itemgetter(JobStatus._fields.index("id"))


class ChangeRows:
    def __init__(self, dialect: str) -> None:
        self._postgres = dialect == "postgresql"
        self._alike_least = ALIKE_LEAST_POSTGRES if self._postgres else ALIKE_LEAST
        self._statements = statements_for(dialect)
        self.written = 0
        """Rows so far."""

    def write(self, connection: Connection, changes: Changes) -> None:
        """Inside a transaction of the caller's. Rows are written by key: the same changes again change nothing."""
        if self._postgres:
            connection.exec_driver_sql(BY_KEY_ONLY)
        self._rows(connection, JobNew, changes.jobs_new)
        self._rows(
            connection, JobStatus, self._alike(connection, sorted(changes.job_status.values(), key=_ID))
        )
        self._rows(connection, AttemptRecord, list(changes.attempts.values()))
        for kind, table in changes.rows.items():
            self._rows(connection, kind, list(table.values()))

    def _rows(self, connection: Connection, kind: type, rows: list) -> None:  # type: ignore[type-arg]
        start, count = self._blocks(connection, kind, rows), min(ROWS_FIRST, ROWS_PER_STATEMENT)
        while start < len(rows):
            some = rows[start : start + count]
            text = _encode(some).decode()
            count = min(ROWS_PER_STATEMENT, max(1, len(some) * STATEMENT_BYTES // (2 * len(text))))
            if len(text) > STATEMENT_BYTES and len(some) > 1:
                continue
            if "\\u0000" in text:
                text = _encode([_without_nul(row) for row in some]).decode()
            connection.exec_driver_sql(self._statements.by_record[kind], (text,))
            start += len(some)
        self.written += len(rows)

    def _alike(self, connection: Connection, rows: list[JobStatus]) -> list[JobStatus]:
        """Write long runs of jobs that follow one another and change alike; the others. `rows`: by id, for the jobs of several users that
        end in turn are runs only then."""
        others: list[JobStatus] = []
        start = 0
        while len(rows) - start >= self._alike_least:
            first, change = rows[start].id, rows[start][1:]
            stop = start + 1
            while stop < len(rows) and rows[stop].id == first + stop - start and rows[stop][1:] == change:
                stop += 1
            if stop - start < self._alike_least:
                others += rows[start:stop]
            else:
                values = (*_without_nul(change), first, rows[stop - 1].id)
                connection.exec_driver_sql(self._statements.alike, values)
                self.written += stop - start
            start = stop
        return others + rows[start:]

    def _blocks(self, connection: Connection, kind: type, rows: list) -> int:  # type: ignore[type-arg]
        """Write those in front that fill blocks, unless their texts are large; how many these were."""
        done, blocks = 0, self._statements.blocks.get(kind)
        if blocks is None:
            return done
        for size, statement in blocks.by_size.items():
            while len(rows) - done >= size:
                some = rows[done : done + size]
                columns = (map(itemgetter(index), some) for index in blocks.texts)
                texts = list(filter(None, chain.from_iterable(columns)))
                if sum(map(len, texts)) > BLOCK_CHARACTERS:
                    return done
                if "\x00" in "".join(texts):
                    some = [_without_nul(row) for row in some]
                connection.exec_driver_sql(statement, tuple(chain.from_iterable(some)))
                done += size
        return done


def _without_nul(row: tuple[object, ...]) -> list[object]:
    """No database holds a NUL in text, and none may stop us. SUB takes its place, of one byte too: offsets still hold."""
    return [value.replace("\x00", "\x1a") if isinstance(value, str) else value for value in row]
