"""A batch as its row says. Called at a start, and for a batch that had ended and is retried."""

import json
from typing import Any

from sqlalchemy import Connection, select

from herder.engine.memory.groups import Group, Groups
from herder.engine.memory.keeping import Keeping
from herder.engine.memory.state import BatchLife
from herder.model.ids import BatchId, UserName
from herder.model.work.job import JobState
from herder.store.rows import tables as t

_NUMBERS = {each.label: int(each) for each in JobState}


def groups_of_batch(connection: Connection, batch: int) -> Groups | None:
    """None: it has none."""
    rows = connection.execute(
        select(t.job_groups).where(t.job_groups.c.batch_id == batch).order_by(t.job_groups.c.id)
    ).all()
    if not rows:
        return None
    groups, by_number = Groups(), {}
    for row in rows:
        head, slash, _ = row.path.rpartition("/")
        group = by_number[row.id] = Group(
            number=row.id,
            path=row.path,
            above=groups.by_path[head] if slash else None,
            attributes=row.attributes,
            cancel_after_failures=row.cancel_after_failures,
            cancelled=bool(row.cancelled),
            jobs=row.jobs,
            counts=counts_of(row.counts),
            cost_pico=int(row.cost_pico) if row.cost_pico else None,
        )
        groups.put(group)
    r = t.job_ranges.c
    ranges = select(r.first_job, r.jobs, r.group_id).where(r.batch_id == batch, r.group_id.is_not(None))
    for first, jobs, number in connection.execute(ranges.order_by(r.first_job)):
        groups.place(first, jobs, by_number[number])
    return groups


def counts_of(text: str) -> dict[int, int]:
    return {_NUMBERS[name]: count for name, count in json.loads(text).items()}


def life_of_row(row: Any, groups: Groups | None) -> BatchLife:
    """A batch as its row says; its jobs are read by the caller."""
    cancelled = row.state == "cancelled"
    kept = bool(row.hold) or row.parallel_max is not None
    return BatchLife(
        id=BatchId(row.id),
        user=UserName(row.user),
        project=row.project,
        name=row.name,
        state="running" if cancelled else row.state,
        attributes=row.attributes,
        created_at_ms=row.created_at_ms,
        cancel_after_failures=row.cancel_after_failures,
        committed_at_ms=row.committed_at_ms,
        ended_at_ms=row.ended_at_ms,
        cancelled=cancelled,
        jobs=row.jobs,
        counts=counts_of(row.counts),
        accepts=bool(row.accepts) and row.ended_at_ms is None,
        keeping=Keeping(hold=bool(row.hold), parallel_max=row.parallel_max) if kept else None,
        groups=groups,
        callback=row.callback,
        request=row.request,
        fingerprint=row.fingerprint,
    )
