"""How long a submitted workflow took, against its critical path: what `herder batch submit --from-wfformat --wait` prints at its end.

The critical path is the chain of dependent jobs that takes longest; no number of workers makes a run shorter. Pure; asks no server.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from herder.model.values.phrases import counted

if TYPE_CHECKING:
    from herder.wire.api.work import BatchView, JobView


def critical_path_s(parents: Sequence[Sequence[int]], run_s: Sequence[float]) -> float:
    """The longest chain. Parents come before their children."""
    ends_s: list[float] = []
    for mine, length_s in zip(parents, run_s, strict=True):
        ends_s.append(length_s + max((ends_s[parent] for parent in mine), default=0.0))
    return max(ends_s, default=0.0)


def makespan_text(
    parents: Sequence[Sequence[int]],
    recorded_s: Sequence[float],
    scale: float,
    batch: "BatchView",
    jobs: "Iterable[JobView]",
) -> str:
    """Lines. `jobs`: those of the batch, in any order, whose ids follow one another in the order of `parents`."""
    views = sorted(jobs, key=lambda view: view.id)
    starts_s = [_seconds(view.started_at) for view in views if view.started_at]
    if not starts_s or batch.ended_at is None:
        return "No job has run, so there is no makespan."
    since_s = _seconds(batch.committed_at or batch.created_at)
    makespan_s = _seconds(batch.ended_at) - since_s
    lines = [
        f"Makespan: {makespan_s:,.1f} s. The first job started after {max(0.0, min(starts_s) - since_s):,.1f} s.",
        f"Critical path of the recorded times × {scale:g}: {_against(critical_path_s(parents, recorded_s), makespan_s)}.",
    ]
    if len(views) == len(parents):
        own_s = critical_path_s(parents, [_ran_s(view) for view in views])
        lines.append(f"Critical path of the attempts: {_against(own_s, makespan_s)}.")
    ran = sum(view.state == "succeeded" for view in views)
    if ran < len(views):
        lines.append(
            f"Only {ran:,} of {counted(len(views), 'job')} succeeded, so the times are not of the whole workflow."
        )
    return "\n".join(lines)


def _against(path_s: float, makespan_s: float) -> str:
    times = f"; the makespan is {makespan_s / path_s:,.2f} times as long" if path_s > 0 else ""
    return f"{path_s:,.1f} s{times}"


def _ran_s(view: "JobView") -> float:
    """Of its last attempt."""
    if view.started_at is None or view.ended_at is None:
        return 0.0
    return max(0.0, _seconds(view.ended_at) - _seconds(view.started_at))


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
