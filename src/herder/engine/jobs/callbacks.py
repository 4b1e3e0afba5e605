"""The message about the end of a batch: an outbox row that is committed with the end, so that no crash loses it.

Called by `batch_end.py`. `control/loops/callbacks.py` sends it. The body has the form of Standard Webhooks: type, timestamp, data.
"""

import json
from urllib.parse import urlsplit

from herder.engine.memory.state import BatchLife
from herder.model.stored.changes import Changes
from herder.model.stored.service_records import CallbackRecord
from herder.model.values.times import iso, iso_or_none
from herder.model.work.job import JobState

TYPE = "batch.ended"


def call_back(changes: Changes, batch: BatchLife, now_ms: int) -> None:
    """`batch` has a callback and has just ended. One that is retried and ends again is told of anew, under another id."""
    changes.put(
        CallbackRecord(
            id=f"batch-{batch.id}-{now_ms}",
            object=f"batch/{batch.id}",
            batch_id=batch.id,
            user=batch.user,
            project=batch.project,
            url=batch.callback,
            host=(urlsplit(batch.callback).hostname or "").lower(),
            body=_body(batch, now_ms),
            state="due",
            tries=0,
            since_ms=now_ms,
            next_at_ms=now_ms,
            created_at_ms=now_ms,
            ended_at_ms=None,
            status=None,
            error="",
        )
    )


def _body(batch: BatchLife, now_ms: int) -> str:
    data = {
        "batch": batch.id,
        "name": batch.name,
        "user": batch.user,
        "project": batch.project,
        "state": "cancelled" if batch.cancelled else batch.state,
        "jobs": batch.jobs,
        "counts": {JobState(number).label: count for number, count in sorted(batch.counts.items()) if count},
        "attributes": json.loads(batch.attributes or "{}"),
        "created_at": iso(batch.created_at_ms),
        "committed_at": iso_or_none(batch.committed_at_ms),
        "ended_at": iso(now_ms),
    }
    body = {"type": TYPE, "timestamp": iso(now_ms), "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
