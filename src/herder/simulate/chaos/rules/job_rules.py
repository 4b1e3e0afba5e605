"""Rules of jobs and attempts, after each commit: at most one live attempt, and final states stay."""

from collections.abc import Iterator

from herder.model.stored.changes import Changes
from herder.model.work.job import AttemptState, JobState


class JobRules:
    """A summary of everything about jobs that became durable."""

    def __init__(self) -> None:
        self.ended: dict[int, int] = {}
        """The final state of each job that has ended."""
        self._live: dict[int, tuple[int, int]] = {}
        """(attempt, state) by job, of attempts that have not ended."""
        self.newest: dict[int, int] = {}
        """The newest attempt of jobs that have not ended."""
        self.on: dict[str, set[int]] = {}
        """Live jobs by worker."""

    def look(self, changes: Changes) -> Iterator[tuple[str, str]]:
        for (job, number), row in sorted(changes.attempts.items()):
            yield from self._attempt(job, number, row.state, row.worker)
        for job, status in changes.job_status.items():
            before = self.ended.get(job)
            if before is not None and status.state != before:
                yield (
                    "an end is final",
                    f"Job {job} was {JobState(before).label} and is now {JobState(status.state).label}.",
                )
            if JobState(status.state).ended:
                self.ended[job] = status.state
                self.newest.pop(job, None)
                if job in self._live:
                    yield (
                        "a job that ended has no live attempt",
                        f"Job {job} has ended, and its attempt {self._live[job][0]} has not.",
                    )

    def _attempt(self, job: int, number: int, state: int, worker: str) -> Iterator[tuple[str, str]]:
        live = self._live.get(job)
        if state < AttemptState.SUCCEEDED:
            if live is not None and live[0] != number:
                yield (
                    "one live attempt",
                    f"Attempts {live[0]} and {number} of job {job} are live at the same time.",
                )
            elif live is None and number <= self.newest.get(job, 0):
                yield "an end is final", f"Attempt {number} of job {job} had ended and is live again."
            if job in self.ended:
                yield (
                    "a job that ended has no live attempt",
                    f"Job {job} had ended, and its attempt {number} is live.",
                )
            self._live[job] = (number, state)
            self.on.setdefault(worker, set()).add(job)
        elif live is not None and live[0] == number:
            del self._live[job]
            self.on.get(worker, set()).discard(job)
        if job not in self.ended:
            self.newest[job] = max(number, self.newest.get(job, 0))
