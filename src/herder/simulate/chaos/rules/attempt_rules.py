"""Rules of attempts between rows and agents: nothing is begun that is not durable, an end in a row is the end that the agent saw, and
no attempt is given up that its agent has. Judged by what the agents of this world did, which never drop what they were given."""

from collections.abc import Iterator

from herder.model.stored.changes import Changes
from herder.model.work.job import AttemptState, Cause, JobState
from herder.simulate.chaos.rules.job_rules import JobRules
from herder.simulate.chaos.world import World

_OF_THE_JOB = (Cause.EXIT_CODE.value, Cause.TIMEOUT.value, Cause.OUT_OF_MEMORY.value)


class AttemptRules:
    def __init__(self, world: World, jobs: JobRules) -> None:
        self._world, self._jobs = world, jobs
        self._too_little_mib: dict[int, int] = {}
        """With what jobs that have not ended ran out of memory at last, as their agents saw it; all that may do that ask for more. Pods are
        ended by the cluster whatever their jobs ask for, and count as lost."""

    def begins(self, job: int, attempt: int) -> Iterator[tuple[str, str]]:
        """An agent begins it now."""
        if job not in self._jobs.ended and attempt > self._jobs.newest.get(job, 0):
            yield (
                "no attempt begins before its row is durable",
                f"Attempt {attempt} of job {job} was begun without a row that assigns it.",
            )

        had, has = self._too_little_mib.get(job, 0), self._world.machines.memory_mib[job, attempt]
        if has <= had and job not in self._jobs.ended:
            yield (
                "after out of memory there is more",
                f"Job {job} ran out of memory with {had} MiB, and its attempt {attempt} has {has} MiB.",
            )

    def look(self, changes: Changes) -> Iterator[tuple[str, str]]:
        for (job, number), row in sorted(changes.attempts.items()):
            if row.cause == Cause.OUT_OF_MEMORY.value and row.state == AttemptState.FAILED:
                self._too_little_mib[job] = self._world.machines.memory_mib[job, number]
            ends = self._world.machines.ends.get((job, number), set())
            if row.state == AttemptState.SUCCEEDED and "succeeded" not in ends:
                yield (
                    "a success was done",
                    f"Attempt {number} of job {job} succeeded and was never carried out.",
                )
            elif row.state == AttemptState.FAILED and row.cause in _OF_THE_JOB and "failed" not in ends:
                yield (
                    "a failure was seen",
                    f"Attempt {number} of job {job} failed by itself ({row.cause}), but its agent did not see that.",
                )
            elif row.state == AttemptState.LOST and row.cause == Cause.INFRASTRUCTURE.value:
                yield (
                    "no attempt is given up that its agent has",
                    f"Attempt {number} of job {job} on worker {row.worker} counts as lost, and its agent dropped nothing: {row.message}",
                )
        # A person may retry a job that has ended, with the memory that it had.
        for job, status in changes.job_status.items():
            if JobState(status.state).ended:
                self._too_little_mib.pop(job, None)
