"""The common form of all traces: jobs in order of arrival, as columns; and a series, where the trace is one.

Made by the readers, read by the world, the bounds and the policies. A job's index in the columns is its name to all of
them; times are seconds since the first arrival.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from herder.model.values.resources import Resources


@dataclass(slots=True, kw_only=True)
class Trace:
    """`shapes` are the distinct requests (the fourth field in thousandths of a GPU), `shape_of` each job's. `limit_s`: the
    longest a user allowed it, where known. `parents`: indexes of jobs that must end first; empty when no job has any."""

    format: str
    arrival_s: list[float] = field(default_factory=list)
    run_s: list[float] = field(default_factory=list)
    shapes: list[Resources] = field(default_factory=list)
    shape_of: list[int] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    limit_s: list[float | None] = field(default_factory=list)
    parents: list[tuple[int, ...]] = field(default_factory=list)
    levels: list[tuple[float, int]] = field(default_factory=list)
    """(seconds, how many): the series, where the trace is one of spot machines or of demand."""
    origin_s: float = 0.0
    """The time of the first arrival as the trace has it."""
    skipped: list[str] = field(default_factory=list)
    """Bad rows that were left out, each with place and reason."""

    def __len__(self) -> int:
        return len(self.arrival_s)

    def children(self) -> dict[int, list[int]]:
        result: dict[int, list[int]] = {}
        for job, parents in enumerate(self.parents):
            for parent in parents:
                result.setdefault(parent, []).append(job)
        return result

    def job_class(self, job: int) -> tuple[str, str, int]:
        """By which jobs are expected to be alike: user, name and shape."""
        return self.users[job], self.names[job], self.shape_of[job]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceJob:
    """One job as a reader finds it. `id` is only for its children; `kind` is what equal jobs have in common (a program, a queue)."""

    arrival_s: float
    run_s: float
    request: Resources
    user: str = ""
    kind: str = ""
    limit_s: float | None = None
    id: str = ""
    parents: tuple[str, ...] = ()


def trace_of(
    format_name: str,
    jobs: Sequence[TraceJob],
    *,
    levels: Sequence[tuple[float, int]] = (),
    skipped: Sequence[str] = (),
) -> Trace:
    """Columns from jobs in any order. Jobs that arrive together keep their order."""
    ordered = sorted(jobs, key=lambda job: job.arrival_s)
    origin_s = ordered[0].arrival_s if ordered else 0.0
    trace = Trace(format=format_name, origin_s=origin_s, levels=list(levels), skipped=list(skipped))
    shapes: dict[Resources, int] = {}
    for job in ordered:
        shape = shapes.setdefault(job.request, len(shapes))
        trace.arrival_s.append(job.arrival_s - origin_s)
        trace.run_s.append(job.run_s)
        trace.shape_of.append(shape)
        trace.users.append(job.user)
        trace.names.append(job.kind)
        trace.limit_s.append(job.limit_s)
    trace.shapes = list(shapes)
    if any(job.parents for job in ordered):
        places = {job.id: index for index, job in enumerate(ordered)}
        trace.parents = [tuple(places[parent] for parent in job.parents) for job in ordered]
    return trace
