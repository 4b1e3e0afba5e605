"""What is deleted, and when: one table of limits, and the deletions in pieces.

Called by the housekeeping loop, each piece as a transaction of the writer. Nothing that has not ended is ever deleted, nor anything
that a row which stays refers to. Counters that people see are kept in `totals` and do not change; what is deleted is subtracted from
nothing, but noted there (`forgotten…`), so that `invariants` can still recompute every total.
"""

import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from sqlalchemy import Column, Connection, Table, delete, func, insert, select, tuple_, update

from herder.ledger.costs import cost
from herder.ledger.totals import Account
from herder.model.stored.retention import Retention
from herder.model.work.job import JobState
from herder.store.rows import tables as t
from herder.store.rows.budget_tables import budget_leases
from herder.store.rows.incarnation import REACHED
from herder.store.rows.report_rows import forget_reports
from herder.store.rows.secrets_table import secrets
from herder.store.rows.usage_rows import ended_attempts, ended_worker_cost
from herder.store.writing.cancelled_batches import sweep_batch

#: Rows looked at in one transaction, where the caller does not say: housekeeping fits them to the time that they take.
PIECE = 2_000
#: Jobs of a deleted batch that go in one transaction.
DELETED_PIECE = 500
#: State of a batch that nobody sees any more, while its rows are deleted.
DELETED = "deleted"

#: Names in `totals`: what was deleted.
FORGOTTEN_JOBS = "forgotten.jobs"
FORGOTTEN_BEFORE = "forgotten.before"
FORGOTTEN_COST = "forgotten.cost"
FORGOTTEN_USAGE = "forgotten.usage"

#: The cost of a lease that has expired can be reported for 7 days (`ledger/budgets/leases.py`).
LEASES_MS = 8 * 86_400_000
#: With fewer rows of classes none is deleted: a class that comes again takes the row that is there, as long as it is in memory.
CLASSES_KEPT = 200_000

_NUMBERED = (t.jobs.c.id, t.batches.c.id, t.job_classes.c.id, t.events.c.sequence, t.plans.c.number)


class Step(Protocol):
    """Looks at up to `piece` rows after `after`; answers where the next piece begins, None when there is nothing more to do."""

    def __call__(self, connection: Connection, after: int, piece: int | None = None) -> int | None: ...


def steps(keep: Retention, now_ms: int) -> tuple[Step, ...]:
    """In the order in which they are to be done."""
    return (
        note_numbers,
        # Before the jobs, so that none takes a large log along in its own transaction.
        partial(forget_logs, before_ms=now_ms - min(keep.logs_ms, keep.jobs_ms)),
        partial(forget_jobs, before_ms=now_ms - keep.jobs_ms),
        partial(forget_batches, before_ms=now_ms - keep.jobs_ms),
        partial(forget_workers, before_ms=now_ms - keep.workers_ms),
        partial(forget_plans, before_ms=now_ms - keep.plans_ms),
        partial(forget_events, before_ms=now_ms - keep.events_ms),
        partial(forget_secrets, before_ms=now_ms - keep.events_ms),
        partial(forget_leases, before_ms=now_ms - max(keep.events_ms, LEASES_MS)),
        partial(forget_reports, before_ms=now_ms),
    )


def note_numbers(connection: Connection, after: int, piece: int | None = None) -> int | None:
    """Numbers are never given twice, not even after the rows that had the highest ones."""
    for column in _NUMBERED:
        _raise_to(
            connection, f"{REACHED}/{column}", connection.execute(select(func.max(column))).scalar() or 0
        )
    return None


def forget_secrets(
    connection: Connection, after: int, before_ms: int, piece: int | None = None
) -> int | None:
    """Rows of deleted secrets, which have no value any more. One that was created again under the name stays."""
    c = secrets.c
    connection.execute(delete(secrets).where(c.sealed == "", c.deleted_at_ms < before_ms))
    return None


def forget_leases(connection: Connection, after: int, before_ms: int, piece: int | None = None) -> int | None:
    """Rows of ended leases on budgets; what they cost stays in the periods of their budgets."""
    lease, size = budget_leases.c, piece or PIECE
    old = select(lease.id).where(lease.ended_at_ms < before_ms).order_by(lease.ended_at_ms).limit(size)
    deleted = connection.execute(delete(budget_leases).where(lease.id.in_(old))).rowcount
    return 0 if deleted == size else None


def unused_classes(connection: Connection) -> list[int]:
    """Numbers of classes that no job's row refers to, oldest first; empty while there are few classes. Goes through all jobs."""
    c = t.job_classes.c
    first, last = connection.execute(select(func.min(c.id), func.max(c.id))).one()
    if first is None or last - first < CLASSES_KEPT:
        return []
    used = select(t.jobs.c.class_id).union(select(t.earlier_classes.c.class_id))
    return list(connection.execute(select(c.id).where(c.id.not_in(used)).order_by(c.id)).scalars())


def forget_classes(connection: Connection, ids: Sequence[int]) -> None:
    connection.execute(delete(t.job_classes).where(t.job_classes.c.id.in_(ids)))


def forget_logs(connection: Connection, after: int, before_ms: int, piece: int | None = None) -> int | None:
    """Jobs in the order of their numbers, as far as they were created before; those without a log are passed over. The log of one job may
    take several pieces."""
    j, log = t.jobs.c, t.log_chunks.c
    key, size = (log.job_id, log.attempt, log.offset), piece or PIECE
    some = select(*key).where(log.job_id > after).order_by(*key).limit(size)
    rows = connection.execute(some).all()
    if not rows:
        return None
    ids = sorted({row.job_id for row in rows})
    old = j.id.in_(ids) & (j.ended_at_ms < before_ms)
    ended = list(connection.execute(select(j.id).where(old)).scalars())
    lost = set(ids) - set(connection.execute(select(j.id).where(j.id.in_(ids))).scalars())
    gone, last = {*ended, *lost}, rows[-1]
    whole = sorted(gone - {last.job_id})
    if whole:
        connection.execute(delete(t.log_chunks).where(log.job_id.in_(whole)))
    if last.job_id in gone:
        upto = tuple_(log.attempt, log.offset) <= tuple_(last.attempt, last.offset)
        connection.execute(delete(t.log_chunks).where((log.job_id == last.job_id) & upto))
        if len(rows) == size:
            return int(last.job_id) - 1
    newest = connection.execute(select(func.max(j.created_at_ms)).where(j.id.in_(ids))).scalar()
    return None if newest is not None and newest >= before_ms else ids[-1]


def forget_jobs(connection: Connection, after: int, before_ms: int, piece: int | None = None) -> int | None:
    """Jobs of batches go when their batch has ended long ago. With each its attempts, its log and its parents."""
    j, b = t.jobs.c, t.batches.c
    some = (
        select(j.id, j.state, j.batch_id, j.ended_at_ms, j.created_at_ms, b.ended_at_ms.label("batch_ended_at_ms"))
        .outerjoin(t.batches, b.id == j.batch_id)
        .where(j.id > after)
        .order_by(j.id)
        .limit(piece or PIECE)
    )  # fmt: skip
    rows = connection.execute(some).all()
    old = [row for row in rows if _over(row, before_ms)]
    if old:
        _forget_jobs(connection, old, before_ms)
    if not rows or rows[-1].created_at_ms >= before_ms:
        return None
    return int(rows[-1].id)


def _over(row: Any, before_ms: int) -> bool:
    if row.state < JobState.SUCCEEDED or row.ended_at_ms is None or row.ended_at_ms >= before_ms:
        return False
    return row.batch_id is None or (row.batch_ended_at_ms is not None and row.batch_ended_at_ms < before_ms)


def _forget_jobs(connection: Connection, old: Sequence[Any], before_ms: int) -> None:
    ids = [row.id for row in old]
    _raise_to(connection, FORGOTTEN_BEFORE, before_ms)
    for state, count in Counter(JobState(row.state).label for row in old).items():
        _add(connection, f"{FORGOTTEN_JOBS}/{state}", [count])
    a = t.attempts.c
    counts: Counter[Account] = Counter()
    costs: Counter[Account] = Counter()
    for usage in ended_attempts(connection, a.job_id.in_(ids)):
        key = usage.user, usage.project, usage.machine.pool
        counts[key] += 1
        costs[key] += cost(usage)
    for key, count in counts.items():
        _add(connection, f"{FORGOTTEN_USAGE}/{json.dumps(key)}", [count, costs[key]])
    earlier = t.earlier_classes.c.job_id
    for column in (t.log_chunks.c.job_id, a.job_id, earlier, t.job_parents.c.child_id, t.jobs.c.id):
        connection.execute(delete(column.table).where(column.in_(ids)))
    single = [row.id for row in old if row.batch_id is None]  # those of a batch go with it
    connection.execute(delete(t.job_ranges).where(t.job_ranges.c.first_job.in_(single)))


def forget_batches(
    connection: Connection, after: int, before_ms: int, piece: int | None = None
) -> int | None:
    """When none of its jobs is left."""
    b = t.batches.c
    some = (
        select(b.id, b.ended_at_ms, b.created_at_ms).where(b.id > after).order_by(b.id).limit(piece or PIECE)
    )
    rows = connection.execute(some).all()
    old = [row.id for row in rows if row.ended_at_ms is not None and row.ended_at_ms < before_ms]
    if old:
        with_jobs = select(t.jobs.c.batch_id).where(t.jobs.c.batch_id.in_(old)).distinct()
        gone = sorted(set(old) - set(connection.execute(with_jobs).scalars()))
        _forget_batches(connection, gone)
    if not rows or rows[-1].created_at_ms >= before_ms:
        return None
    return int(rows[-1].id)


def forget_batch(connection: Connection, batch: int, piece: int = DELETED_PIECE) -> bool:
    """Of a batch that somebody deleted: up to so many of its jobs; answers whether there may be more."""
    row = connection.execute(select(t.batches.c.ended_at_ms).where(t.batches.c.id == batch)).first()
    if row is None:
        return False
    if sweep_batch(connection, batch, row.ended_at_ms, ()):
        return True
    some = select(t.jobs.c.id, t.jobs.c.state, t.jobs.c.batch_id).where(t.jobs.c.batch_id == batch)
    jobs = connection.execute(some.limit(piece)).all()
    if jobs:
        _forget_jobs(connection, jobs, 0)
    if len(jobs) == piece:
        return True
    _forget_batches(connection, [batch])
    return False


def _forget_batches(connection: Connection, gone: Sequence[int]) -> None:
    for column in (
        t.bunches.c.batch_id,
        t.callbacks.c.batch_id,
        t.job_ranges.c.batch_id,
        t.job_groups.c.batch_id,
        t.batches.c.id,
    ):
        connection.execute(delete(column.table).where(column.in_(gone)))


def deleted_batches(connection: Connection) -> list[int]:
    """Those that somebody deleted, of which there are rows left."""
    return list(connection.execute(select(t.batches.c.id).where(t.batches.c.state == DELETED)).scalars())


def forget_workers(
    connection: Connection, after: int, before_ms: int, piece: int | None = None
) -> int | None:
    """An attempt names its worker: one that ended after the oldest job that is kept was created may have run it."""
    w = t.workers.c
    oldest = connection.execute(select(t.jobs.c.created_at_ms).order_by(t.jobs.c.id).limit(1)).scalar()
    before_ms = before_ms if oldest is None else min(before_ms, oldest)
    size = piece or PIECE
    some = select(t.workers).where(w.ended_at_ms < before_ms).order_by(w.ended_at_ms).limit(size)
    rows = connection.execute(some).all()
    costs: Counter[str] = Counter()
    for row in rows:
        costs[row.pool] += ended_worker_cost(row)
    for pool, pico in costs.items():
        _add(connection, f"{FORGOTTEN_COST}/{pool}", [pico])
    connection.execute(delete(t.workers).where(w.name.in_([row.name for row in rows])))
    return 0 if len(rows) == size else None


def forget_plans(connection: Connection, after: int, before_ms: int, piece: int | None = None) -> int | None:
    """Those whose observation is kept are kept too."""
    observed = connection.execute(select(func.min(t.observations.c.plan))).scalar()
    return _forget_oldest(
        connection, t.plans, t.plans.c.number, t.plans.c.made_at_ms, before_ms, observed, piece
    )


def forget_events(connection: Connection, after: int, before_ms: int, piece: int | None = None) -> int | None:
    return _forget_oldest(connection, t.events, t.events.c.sequence, t.events.c.at_ms, before_ms, None, piece)


def _forget_oldest(
    connection: Connection,
    table: Table,
    number: Column[int],
    at: Column[int],
    before_ms: int,
    below: int | None,
    piece: int | None = None,
) -> int | None:
    """Rows that were written in the order of their numbers: only the first of them need to be looked at."""
    size = piece or PIECE
    some = select(number.label("number"), at.label("at")).order_by(number).limit(size).subquery()
    old = select(some.c.number).where(some.c.at < before_ms)
    if below is not None:
        old = old.where(some.c.number < below)
    deleted = connection.execute(delete(table).where(number.in_(old))).rowcount
    return 0 if deleted == size else None


def forgotten(connection: Connection, kind: str) -> dict[str, list[int]]:
    """What was deleted so far, by what stands behind the slash."""
    rows = connection.execute(select(t.totals).where(t.totals.c.name.startswith(f"{kind}/")))
    return {row.name.partition("/")[2]: json.loads(row.value) for row in rows}


def forgotten_before_ms(connection: Connection) -> int:
    """Of batches that ended before this, some jobs may be gone already."""
    value = connection.execute(select(t.totals.c.value).where(t.totals.c.name == FORGOTTEN_BEFORE)).scalar()
    return int(value or 0)


def _add(connection: Connection, name: str, amounts: list[int]) -> None:
    value = connection.execute(select(t.totals.c.value).where(t.totals.c.name == name)).scalar()
    if value is None:
        connection.execute(insert(t.totals).values(name=name, value=json.dumps(amounts)))
        return
    sums = [x + y for x, y in zip(json.loads(value), amounts, strict=True)]
    connection.execute(update(t.totals).where(t.totals.c.name == name).values(value=json.dumps(sums)))


def _raise_to(connection: Connection, name: str, number: int) -> None:
    value = connection.execute(select(t.totals.c.value).where(t.totals.c.name == name)).scalar()
    if value is None:
        connection.execute(insert(t.totals).values(name=name, value=str(number)))
    elif int(value) < number:
        connection.execute(update(t.totals).where(t.totals.c.name == name).values(value=str(number)))
