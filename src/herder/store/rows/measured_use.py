"""What attempts used of what they requested, summed up by class, pool, day and hour: rows grow with classes, not with jobs. For recommendations.

An attempt shorter than a second says nothing of its use; one without a peak of memory was not measured.
"""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Connection, and_, case, func, select

from herder.ledger.quantities import DAY_MS
from herder.model.values.resources import stored_amounts
from herder.model.work.job import AttemptState
from herder.store.rows import tables as t
from herder.store.rows.ledger_tables import machine_days, work_days
from herder.store.rows.usage_rows import TEXTS_KEPT, class_of_attempt

HOUR_MS = 3_600_000
MEASURED_MS = 1_000
#: Classes in one query, and rows that are fetched at a time.
NAMES = 500
_STREAMED = {"stream_results": True, "yield_per": 10_000}


class Asked(NamedTuple):
    """What a class asks for, as far as recommendations look at it."""

    project: str
    user: str
    cpu_milli: int
    memory_mib: int
    gpu: int
    priority: int
    type: str


class Measured(NamedTuple):
    """Of the attempts of one class in one pool that ended on one day and began in one hour of a day (UTC)."""

    day_ms: int
    hour: int
    asked: Asked
    pool: str
    attempts: int
    held_ms: int
    """From their assignment to their end."""
    ran_ms: int
    """From their start."""
    cpu_ran_ms: int
    """Of those whose CPU was measured: their time, and the CPU that they used in it."""
    cpu_ms: int
    cpu_peak_milli: int
    """The highest mean of an attempt. 0: none was measured."""
    memory_peak_mib: int
    """0: none was measured."""


class Quality(NamedTuple):
    attempts: int
    succeeded: int


def measured(connection: Connection, from_ms: int, to_ms: int) -> Iterator[Measured]:
    """Attempts that ended in `[from_ms, to_ms)`. Goes through the attempts once."""
    a = t.attempts.c
    ran = a.ended_at_ms - a.started_at_ms
    long = and_(a.started_at_ms.is_not(None), ran >= MEASURED_MS)
    cpu_known = and_(long, a.cpu_ms > 0)
    day = a.ended_at_ms - a.ended_at_ms % DAY_MS
    hour = (a.assigned_at_ms % DAY_MS) // HOUR_MS
    number = class_of_attempt()

    inner = (
        select(
            day.label("day"), hour.label("hour"), number.label("class_id"), t.workers.c.pool,
            (a.ended_at_ms - a.assigned_at_ms).label("held"),
            case((a.started_at_ms.is_not(None), ran), else_=0).label("ran"),
            case((cpu_known, ran), else_=0).label("cpu_ran"), case((cpu_known, a.cpu_ms), else_=0).label("cpu"),
            case((cpu_known, a.cpu_ms * 1000 // case((cpu_known, ran), else_=1)), else_=0).label("peak"),
            a.memory_peak_mib,
        )
        .join(t.jobs, t.jobs.c.id == a.job_id)
        .join(t.workers, t.workers.c.name == a.worker)
        .where(a.state >= int(AttemptState.SUCCEEDED), a.ended_at_ms >= from_ms, a.ended_at_ms < to_ms)
        .subquery()
    )  # fmt: skip
    i = inner.c
    query = select(
        i.day, i.hour, i.class_id, i.pool, func.count(),
        func.sum(i.held), func.sum(i.ran), func.sum(i.cpu_ran), func.sum(i.cpu), func.max(i.peak), func.max(i.memory_peak_mib),
    ).group_by(i.day, i.hour, i.class_id, i.pool)  # fmt: skip
    classes: dict[int, Asked] = {}
    for rows in connection.execute(query, execution_options=_STREAMED).partitions():
        classes.update(_classes(connection, {row[2] for row in rows} - classes.keys()))
        for row in rows:
            if row[2] in classes:
                yield Measured(int(row[0]), int(row[1]), classes[row[2]], row[3], *map(int, row[4:]))


def quality(connection: Connection, project: str, user: str, pool: str, from_ms: int, to_ms: int) -> Quality:
    """How many attempts of these ended in `[from_ms, to_ms)`, and how many of them succeeded; those that have been forgotten are not among them."""
    a, c = t.attempts.c, t.job_classes.c
    succeeded = func.sum(case((a.state == int(AttemptState.SUCCEEDED), 1), else_=0))
    query = (
        select(func.count(), func.coalesce(succeeded, 0))
        .select_from(t.attempts)
        .join(t.jobs, t.jobs.c.id == a.job_id)
        .join(t.job_classes, c.id == t.jobs.c.class_id)
        .join(t.workers, t.workers.c.name == a.worker)
        .where(
            a.state >= int(AttemptState.SUCCEEDED), a.ended_at_ms >= from_ms, a.ended_at_ms < to_ms,
            c.project == project, c.user == user, t.workers.c.pool == pool,
        )
    )  # fmt: skip
    return Quality(*map(int, connection.execute(query).one()))


def attempts_of(connection: Connection, project: str, user: str, pool: str, from_ms: int, to_ms: int) -> int:
    """By the ledger's days, which are never forgotten."""
    w, m = work_days.c, machine_days.c
    same = and_(m.day_ms == w.day_ms, m.booked == w.booked, m.worker == w.worker)
    query = (
        select(func.coalesce(func.sum(w.attempts), 0))
        .select_from(work_days.join(machine_days, same))
        .where(w.project == project, w.user == user, m.pool == pool, w.day_ms >= from_ms, w.day_ms < to_ms)
    )
    return int(connection.execute(query).scalar_one())


def _classes(connection: Connection, numbers: Iterable[int]) -> Iterator[tuple[int, Asked]]:
    c, names = t.job_classes.c, sorted(numbers)
    for begin in range(0, len(names), NAMES):
        query = select(c.id, c.project, c.user, c.spec).where(c.id.in_(names[begin : begin + NAMES]))
        for row in connection.execute(query):
            yield row.id, Asked(row.project, row.user, *_asked(row.spec))


@lru_cache(maxsize=TEXTS_KEPT)
def _asked(spec: str) -> tuple[int, int, int, int, str]:
    plain = json.loads(spec)
    amounts = stored_amounts(plain["request"])
    return (
        amounts["cpu_milli"],
        amounts["memory_mib"],
        amounts["gpu"],
        plain.get("priority", 0),
        plain.get("type", ""),
    )
