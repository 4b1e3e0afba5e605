"""A batch as its row says. Called at a start, and for a batch that had ended and is retried."""

import json
from typing import Any

from herder.engine.memory.keeping import Keeping
from herder.engine.memory.state import BatchLife
from herder.model.ids import BatchId, UserName
from herder.model.work.job import JobState

_NUMBERS = {each.label: int(each) for each in JobState}


def life_of_row(row: Any) -> BatchLife:
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
        counts={_NUMBERS[name]: count for name, count in json.loads(row.counts).items()},
        accepts=bool(row.accepts) and row.ended_at_ms is None,
        keeping=Keeping(hold=bool(row.hold), parallel_max=row.parallel_max) if kept else None,
        callback=row.callback,
        request=row.request,
        fingerprint=row.fingerprint,
    )
