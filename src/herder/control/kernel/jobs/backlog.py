"""The queued work of each user, compared with the limits for one user. Called by `control/jobs/submitting/submission.py` for every call.

A call only adds to a count. What has ended meanwhile is looked up when a limit seems reached, and at most once a second, from the
queues and batches: so that submission costs nothing more, and a limit is found a second late at most. Bytes of what has ended are
taken to be those of the average job.
"""

from collections import Counter
from dataclasses import dataclass, field

from herder.control.kernel.bounds.errors import Overloaded
from herder.control.kernel.jobs.waiting_limits import WaitingLimits
from herder.engine.memory.state import EngineState
from herder.model.ids import UserName
from herder.model.work.job import JobState

#: Between two looks through all queues.
LOOK_MS = 1_000
#: A batch that has not ended takes about the memory of so many queued jobs, and counts like them.
BATCH_COUNTS_AS = 100


@dataclass(slots=True)
class Waiting:
    jobs: int = 0
    bytes: int = 0


@dataclass(slots=True, kw_only=True)
class Backlog:
    jobs_max: int
    bytes_max: int
    by_user: dict[str, Waiting] = field(default_factory=dict)
    """Only of those with something waiting."""
    named: WaitingLimits = field(default_factory=WaitingLimits)
    _looked_at_ms: int = -LOOK_MS

    @classmethod
    def starting(cls, state: EngineState, *, jobs_max: int, bytes_max: int) -> "Backlog":
        """With what waited when the store was opened."""
        waited = {user: Waiting(jobs=jobs, bytes=size) for user, (jobs, size) in state.waited.items()}
        return cls(jobs_max=jobs_max, bytes_max=bytes_max, by_user=waited)

    def add(self, state: EngineState, user: UserName, jobs: int, size: int, monotonic_ms: int) -> None:
        """Count a call's jobs. Raises Overloaded, with nothing counted."""
        waits = self.check(state, user, jobs, size, monotonic_ms)
        waits.jobs += jobs
        waits.bytes += size
        self.by_user[user] = waits

    def check(self, state: EngineState, user: UserName, jobs: int, size: int, monotonic_ms: int) -> Waiting:
        """What waits of this user. Raises Overloaded when so much more would be too much."""
        waits = self.by_user.get(user)
        if waits is None:
            waits = Waiting()
        if self._over(waits, jobs, size) and monotonic_ms - self._looked_at_ms >= LOOK_MS:
            self._looked_at_ms = monotonic_ms
            self._look(state)
            waits = self.by_user.get(user) or Waiting()
        over = self._over(waits, jobs, size)
        if over:
            raise Overloaded(
                f"User {user} would have {over}.",
                hint="Wait until some of the jobs have started, or cancel some, then try again.",
            )
        return waits

    def _over(self, waits: Waiting, jobs: int, size: int) -> str:
        if waits.jobs + jobs > self.jobs_max:
            return f"{waits.jobs + jobs:,} waiting jobs; the maximum for a user is {self.jobs_max:,} (queued_jobs_per_user)"
        if waits.bytes + size > self.bytes_max:
            return f"waiting jobs with {waits.bytes + size:,} bytes of commands and inputs; the maximum for a user is {self.bytes_max:,} (queued_bytes_per_user)"
        return ""

    def _look(self, state: EngineState) -> None:
        real: Counter[str] = Counter()
        for class_id, queue in state.queues.items():
            real[state.classes[class_id].user] += queue.count
        for batch in state.batches.values():
            counts = batch.counts
            held = sum(counts.get(each, 0) for each in (JobState.PENDING, JobState.BLOCKED, JobState.HELD))
            kept = batch.keeping.waiting if batch.keeping is not None else 0
            real[batch.user] += BATCH_COUNTS_AS + held + kept
        for user, waits in list(self.by_user.items()):
            left = min(waits.jobs, real[user])
            waits.bytes = waits.bytes * left // max(1, waits.jobs)
            waits.jobs = left
            if not left:
                del self.by_user[user]
