"""Usage intervals from rows: for the sums of `invariants`, for `retention`, and for views of ended attempts and workers.

The same intervals that the engine made at each end, so that what was booked can be computed anew to the pico-dollar. Only the built-in
resources are read: no other has a price.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from herder.ledger.costs import cost
from herder.model.ids import BatchId, JobId, PoolName, UserName, WorkerName
from herder.model.values.resources import Resources, stored_amounts
from herder.model.work.job import AttemptState, JobClass
from herder.model.work.usage import AttemptUsage, Machine, MachineUsage
from herder.store.rows import tables as t

#: Texts of which the sizes are remembered: a few kilobytes each.
TEXTS_KEPT = 2048


def machine_of_row(name: str, pool: str, spec: str) -> Machine:
    """`spec`: as the worker's row has it."""
    size, gpu_parts, price = _size(spec)
    return Machine(WorkerName(name), PoolName(pool), size, gpu_parts, price)


def worker_row_cost(row: Any, until_ms: int) -> int:
    """Pico-USD of a row of `workers`. A claim that never became a machine costs nothing."""
    if row.provisioned_at_ms is None:
        return 0
    machine = machine_of_row(row.name, row.pool, row.spec)
    return cost(MachineUsage(machine, row.provisioned_at_ms, until_ms))


def ended_worker_cost(row: Any) -> int:
    return worker_row_cost(row, row.ended_at_ms)


def attempt_row_cost(row: Any, job_class: JobClass, batch: int | None, now_ms: int) -> int:
    """Pico-USD of a row of `attempts` with `pool` and `spec` of its worker; of one that has not ended, so far."""
    if row.spec is None:
        return 0
    return cost(
        AttemptUsage(
            machine_of_row(row.worker, row.pool, row.spec),
            job_class.user,
            job_class.project,
            None if batch is None else BatchId(batch),
            JobId(row.job_id),
            row.attempt,
            job_class.request,
            row.assigned_at_ms,
            now_ms if row.ended_at_ms is None else row.ended_at_ms,
        )
    )


def class_of_attempt() -> ColumnElement[int]:
    """In a query of `attempts` and `jobs`: the number of the class that the attempt had. The job may have another one since."""
    e, a = t.earlier_classes.c, t.attempts.c
    earlier = select(e.class_id).where(e.job_id == a.job_id, e.attempt >= a.attempt)
    first = earlier.order_by(e.attempt).limit(1).correlate(t.attempts).scalar_subquery()
    return func.coalesce(first, t.jobs.c.class_id)


def ended_attempts(connection: Connection, *where: ColumnElement[bool]) -> Iterator[AttemptUsage]:
    """Of the attempts that have ended. `where`: of `attempts`, `jobs`, `job_classes` or `workers`."""
    a, c, j, w = t.attempts.c, t.job_classes.c, t.jobs.c, t.workers.c
    query = (
        select(w.name, w.pool, w.spec, c.user, c.project, j.batch_id, a.job_id, a.attempt, c.spec.label("class_spec"),
               a.assigned_at_ms, a.ended_at_ms)
        .join(t.jobs, j.id == a.job_id)
        .join(t.job_classes, c.id == class_of_attempt())
        .join(t.workers, w.name == a.worker)
        .where(a.state >= int(AttemptState.SUCCEEDED), *where)
    )  # fmt: skip
    for row in connection.execute(query):
        yield AttemptUsage(
            machine_of_row(row.name, row.pool, row.spec),
            UserName(row.user),
            row.project,
            None if row.batch_id is None else BatchId(row.batch_id),
            JobId(row.job_id),
            row.attempt,
            _request(row.class_spec),
            row.assigned_at_ms,
            row.ended_at_ms,
        )


@lru_cache(maxsize=TEXTS_KEPT)
def _size(spec: str) -> tuple[Resources, int, int]:
    plain = json.loads(spec)
    return _built_in(plain["allocatable"]), plain.get("gpu_parts", 1), plain["price"]


@lru_cache(maxsize=TEXTS_KEPT)
def _request(spec: str) -> Resources:
    return _built_in(json.loads(spec)["request"])


def _built_in(stored: Any) -> Resources:
    amounts = stored_amounts(stored)
    return Resources(amounts["cpu_milli"], amounts["memory_mib"], amounts["disk_mib"], amounts["gpu"])
