"""Job groups of a batch as views. Each has the counts of the groups below it; a page lists them in the order in which they were made, so that
a group comes after the one above it."""

import json
from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Row, select

from herder.control.jobs.changes.groups import no_group
from herder.control.kernel.core import Core
from herder.control.reads.visibility import PAGE_MAX
from herder.control.reads.work.jobs import batch_view
from herder.model.permissions import Principal
from herder.model.values.money import usd_text
from herder.model.work.job import JobState
from herder.store.rows import tables as t
from herder.wire.api.resources import Page
from herder.wire.api.work import BatchView, GroupView

GroupState = Literal["open", "running", "succeeded", "failed", "cancelled"]
_NOT_ENDED = tuple(each.label for each in JobState if not each.ended)


async def group_page(core: Core, who: Principal, batch: int, *, after: int | None, limit: int) -> Page:
    """Raises NotKnown."""
    limit = max(1, min(limit, PAGE_MAX))
    of = await batch_view(core, who, batch)
    g = t.job_groups.c
    query = select(t.job_groups).where(g.batch_id == batch).order_by(g.id).limit(limit + 1)
    if after is not None:
        query = query.where(g.id > after)
    rows = await core.read(lambda connection: connection.execute(query).all())
    items = [_view(of, row) for row in rows[:limit]]
    return Page(items=items, next=str(rows[limit - 1].id) if len(rows) > limit else None)


async def group_view(core: Core, who: Principal, batch: int, path: str) -> GroupView:
    """Raises NotKnown."""
    of = await batch_view(core, who, batch)
    g = t.job_groups.c
    query = select(t.job_groups).where(g.batch_id == batch, g.path == path)
    row = await core.read(lambda connection: connection.execute(query).first())
    if row is None:
        raise no_group(batch, path)
    return _view(of, row)


def _view(batch: BatchView, row: Row[Any]) -> GroupView:
    counts = json.loads(row.counts)
    return GroupView(
        batch=row.batch_id,
        path=row.path,
        state="cancelled" if row.cancelled else _state(batch, counts),
        jobs=row.jobs,
        counts=counts,
        cost_usd=usd_text(int(row.cost_pico)) if row.cost_pico else None,
        attributes=json.loads(row.attributes),
        cancel_after_failures=row.cancel_after_failures,
    )


def _state(batch: BatchView, counts: Mapping[str, int]) -> GroupState:
    """As that of a batch. It runs as long as jobs can be added to it."""
    left = any(counts.get(each) for each in _NOT_ENDED)
    if batch.state == "cancelled" and (left or counts.get("cancelled")):
        return "cancelled"
    if batch.state == "open":
        return "open"
    if left or batch.accepts_jobs:
        return "running"
    return "failed" if counts.get("failed") or counts.get("skipped") else "succeeded"
