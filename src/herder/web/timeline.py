"""When each job of a small batch waited and ran, as bars on one line of time. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from herder.web.formatting import milliseconds
from herder.wire.api.work import JobView


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """On a line that is 100 long."""

    job: JobView
    waits_x: float
    waits: float
    runs_x: float
    runs: float
    waited_ms: int
    ran_ms: int | None
    """None: it has not started."""


def bars(jobs: Sequence[JobView], now_ms: int) -> list[Bar]:
    """Those that have become ready, in the order in which they started. A job that was tried several times runs from its last start."""
    known = [each for each in jobs if each.ready_at is not None]
    if not known:
        return []
    times = {each.id: _times(each, now_ms) for each in known}
    first = min(ready for ready, _, _ in times.values())
    whole = max(1, max(end for _, _, end in times.values()) - first)

    def part(length_ms: int) -> float:
        return round(100 * max(0, length_ms) / whole, 2)

    found = []
    for job in sorted(known, key=lambda each: (times[each.id][1], each.id)):
        ready, start, end = times[job.id]
        ran = job.started_at is not None
        found.append(
            Bar(
                job=job,
                waits_x=part(ready - first),
                waits=part(start - ready),
                runs_x=part(start - first),
                runs=part(end - start),
                waited_ms=max(0, start - ready),
                ran_ms=max(0, end - start) if ran else None,
            )
        )
    return found


def _times(job: JobView, now_ms: int) -> tuple[int, int, int]:
    """(ready, start, end) in ms since the epoch: what has not come yet is now."""
    ready = milliseconds(job.ready_at or job.created_at)
    end = now_ms if job.ended_at is None else milliseconds(job.ended_at)
    start = end if job.started_at is None else milliseconds(job.started_at)
    return ready, start, max(start, end)
