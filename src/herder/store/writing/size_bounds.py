"""Bounds on numbers of rows and on the size of a store: what is deleted before its age, oldest first.

Called by the housekeeping loop after the ages were applied. What a bound of rows costs to check does not grow with the rows: numbers and
running totals say how many there are. The deletions are those of `retention`; nothing that has not ended is ever deleted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Column, Connection, Table, delete, func, select

from herder.model.stored.retention import Retention
from herder.model.work.job import JobState
from herder.store.rows import tables as t
from herder.store.writing.retention import (
    FORGOTTEN_JOBS,
    Step,
    forget_batches,
    forget_jobs,
    forget_logs,
    forget_workers,
    forgotten,
)

#: Of the allowed size, to which a store that has passed it is brought: else the next row would pass it again.
LOW_PART = 0.9
_ENDED = frozenset(state.label for state in JobState if state.ended)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """`passed` is asked in a read, before each piece of the steps; they are done in order as long as it says so."""

    passed: Callable[[Connection], bool]
    steps: tuple[Step, ...]


def bounds(keep: Retention, now_ms: int) -> tuple[Bound, ...]:
    jobs = (
        partial(forget_logs, before_ms=now_ms),
        partial(forget_jobs, before_ms=now_ms),
        partial(forget_batches, before_ms=now_ms),
    )
    found = [
        Bound(passed=lambda connection: ended_jobs(connection) > keep.jobs_max, steps=jobs[1:]),
        _newest(t.events, t.events.c.sequence, keep.events_max),
        _newest(t.plans, t.plans.c.number, keep.plans_max),
        Bound(
            passed=lambda connection: ended_workers(connection) > keep.workers_max,
            steps=(partial(forget_workers, before_ms=now_ms),),
        ),
    ]
    if keep.store_bytes is not None:
        found.append(_size(keep.store_bytes, jobs))
    return tuple(found)


def ended_jobs(connection: Connection) -> int:
    """Rows of jobs that have ended, from the running totals."""
    rows = connection.execute(select(t.totals).where(t.totals.c.name.startswith("jobs/")))
    ended = sum(int(row.value) for row in rows if row.name.partition("/")[2] in _ENDED)
    return ended - sum(counts[0] for counts in forgotten(connection, FORGOTTEN_JOBS).values())


def ended_workers(connection: Connection) -> int:
    query = select(func.count()).select_from(t.workers).where(t.workers.c.ended_at_ms.is_not(None))
    return int(connection.execute(query).scalar() or 0)


def used_bytes(connection: Connection) -> int | None:
    """What the rows of a SQLite store take: free pages of its file are used again. None of another database."""
    if connection.dialect.name != "sqlite":
        return None
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar() or 0)
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _size(most: int, steps: tuple[Step, ...]) -> Bound:
    began = False

    def passed(connection: Connection) -> bool:
        nonlocal began
        used = used_bytes(connection)
        began = used is not None and used > (most * LOW_PART if began else most)
        return began

    return Bound(passed=passed, steps=steps)


def _newest(table: Table, number: Column[int], most: int) -> Bound:
    """Only so many of the newest rows are kept."""

    def passed(connection: Connection) -> bool:
        return _cut(connection, number, most) is not None

    def forget(connection: Connection, after: int, piece: int | None = None) -> int | None:
        cut = _cut(connection, number, most)
        if cut is None:
            return None
        old = select(number).where(number <= cut).order_by(number).limit(piece or 1)
        connection.execute(delete(table).where(number.in_(old)))
        return 0

    return Bound(passed=passed, steps=(forget,))


def _cut(connection: Connection, number: Column[int], most: int) -> int | None:
    """The newest number that is one too many; None when there is none. Rows are only counted when their numbers allow for too many."""
    first = int(connection.execute(select(func.min(number))).scalar() or 0)
    last = int(connection.execute(select(func.max(number))).scalar() or 0)
    if last - first < most:
        return None
    query = select(number).order_by(number.desc()).offset(most).limit(1)
    cut = connection.execute(query).scalar()
    return None if cut is None else int(cut)
