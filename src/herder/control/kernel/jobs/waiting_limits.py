"""How many jobs of a project, or of a user, may wait (`queued_jobs` in herder.yaml). Called through `Backlog` for every call that submits jobs.

Kept as `backlog` keeps its counts: a call adds to them, and what has started or ended meanwhile is looked up when a limit seems reached, at
most once a second. Only projects and users that have such a limit are counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from herder.control.kernel.bounds.errors import Overloaded
from herder.engine.memory.state import EngineState
from herder.model.work.job import JobState
from herder.model.work.sharing import Sharing

LOOK_MS = 1_000
#: Of a batch, those that are in no queue.
_ELSEWHERE = (JobState.PENDING, JobState.BLOCKED, JobState.HELD)


@dataclass(slots=True)
class _Count:
    jobs: int
    looked_at_ms: int


@dataclass(slots=True)
class WaitingLimits:
    """By kind, project or user, and name."""

    counts: dict[tuple[str, str], _Count] = field(default_factory=dict)

    def check(self, state: EngineState, user: str, project: str, jobs: int, monotonic_ms: int) -> None:
        """Raises Overloaded when so many more would be too many."""
        limits = list(_limits(state.sharing, user, project))
        if self.counts:
            # Jobs that come while there is no limit are not counted, so a count from before is of no use.
            limited = {(kind, name) for kind, name, _ in limits}
            for key in {("project", project), ("user", user)} - limited:
                self.counts.pop(key, None)
        for kind, name, most in limits:
            count = self.counts.get((kind, name))
            if count is None or (count.jobs + jobs > most and monotonic_ms - count.looked_at_ms >= LOOK_MS):
                count = self.counts[kind, name] = _Count(_waiting(state, kind, name), monotonic_ms)
            if count.jobs + jobs > most:
                raise Overloaded(
                    f"{kind.capitalize()} {name} would have {count.jobs + jobs:,} waiting jobs; the maximum is {most:,} (queued_jobs).",
                    hint="Wait until some of the jobs have started, or cancel some, then try again.",
                )

    def add(self, state: EngineState, user: str, project: str, jobs: int) -> None:
        """After `check`, which has counted what waited before."""
        for kind, name, _ in _limits(state.sharing, user, project):
            self.counts[kind, name].jobs += jobs


def _limits(sharing: Sharing, user: str, project: str) -> Iterator[tuple[str, str, int]]:
    for quota in sharing.projects:
        if quota.name == project and quota.queued_jobs is not None:
            yield "project", project, quota.queued_jobs
    for own in sharing.users:
        if own.user == user and own.queued_jobs is not None:
            yield "user", user, own.queued_jobs


def _waiting(state: EngineState, kind: str, name: str) -> int:
    found = 0
    for class_id, queue in state.queues.items():
        job_class = state.classes[class_id]
        if (job_class.project if kind == "project" else job_class.user) == name:
            found += queue.count
    for batch in state.batches.values():
        if (batch.project if kind == "project" else batch.user) == name:
            found += sum(batch.counts.get(each, 0) for each in _ELSEWHERE)
            found += batch.keeping.waiting if batch.keeping is not None else 0
    return found
