"""The messages about the ends of batches and of job groups: outbox rows that are committed with the end, so that no crash loses them.

Called by `batch_end.py` and `group_end.py`. `control/loops/callbacks.py` sends them. The body has the form of Standard Webhooks: type,
timestamp, data.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from herder.engine.memory.groups import Group
from herder.engine.memory.state import BatchLife
from herder.model.stored.changes import Changes
from herder.model.stored.service_records import CallbackRecord
from herder.model.values.times import iso, iso_or_none
from herder.model.work.job import JobState

TYPE, GROUP_TYPE = "batch.ended", "group.ended"


def call_back(changes: Changes, batch: BatchLife, now_ms: int) -> None:
    """`batch` has a callback and has just ended. One that is retried and ends again is told of anew, under another id."""
    data = {
        "batch": batch.id,
        "name": batch.name,
        "user": batch.user,
        "project": batch.project,
        "state": "cancelled" if batch.cancelled else batch.state,
        "jobs": batch.jobs,
        "counts": _named(batch.counts),
        "attributes": json.loads(batch.attributes or "{}"),
        "created_at": iso(batch.created_at_ms),
        "committed_at": iso_or_none(batch.committed_at_ms),
        "ended_at": iso(now_ms),
    }
    message = f"batch-{batch.id}-{now_ms}"
    _put(changes, batch, message, "", batch.callback, _body(TYPE, data, now_ms), now_ms)


def call_back_group(changes: Changes, batch: BatchLife, group: Group, now_ms: int) -> None:
    """As `call_back`, of a group."""
    data = {
        "batch": batch.id,
        "group": group.path,
        "name": batch.name,
        "user": batch.user,
        "project": batch.project,
        "state": _state(batch, group),
        "jobs": group.jobs,
        "counts": _named(group.counts),
        "attributes": json.loads(group.attributes),
        "ended_at": iso(now_ms),
    }
    message = f"batch-{batch.id}-group-{group.number}-{now_ms}"
    _put(changes, batch, message, group.path, group.callback, _body(GROUP_TYPE, data, now_ms), now_ms)


def _state(batch: BatchLife, group: Group) -> str:
    """Of a group that has ended, as `control/reads/work/groups.py` shows it."""
    if group.cancelled or (batch.cancelled and group.counts.get(JobState.CANCELLED)):
        return "cancelled"
    failed = group.counts.get(JobState.FAILED) or group.counts.get(JobState.SKIPPED)
    return "failed" if failed else "succeeded"


def _named(counts: Mapping[int, int]) -> dict[str, int]:
    return {JobState(number).label: count for number, count in sorted(counts.items()) if count}


def _body(kind: str, data: Mapping[str, Any], now_ms: int) -> str:
    body = {"type": kind, "timestamp": iso(now_ms), "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _put(
    changes: Changes, batch: BatchLife, message: str, group: str, url: str, body: str, now_ms: int
) -> None:
    changes.put(
        CallbackRecord(
            id=message,
            object=f"batch/{batch.id}",
            batch_id=batch.id,
            user=batch.user,
            project=batch.project,
            url=url,
            host=(urlsplit(url).hostname or "").lower(),
            body=body,
            state="due",
            tries=0,
            since_ms=now_ms,
            next_at_ms=now_ms,
            created_at_ms=now_ms,
            ended_at_ms=None,
            status=None,
            error="",
            group_path=group,
        )
    )
