"""Rules of records that come from a queue outside of Herder: each becomes one job, and the end of that job is written back."""

from collections.abc import Iterator

from sqlalchemy import Engine, select

from herder.model.stored.changes import Changes
from herder.model.work.job import Cause, JobState
from herder.simulate.chaos.actors.producers import INTAKE, Producers
from herder.simulate.chaos.ports.intake import PlayedQueue
from herder.store.rows.tables import jobs

ONE_JOB, WRITTEN_BACK = "a record becomes one job", "the end of a record is written back"
_KEY = f"{INTAKE.user}/intake/{INTAKE.name}/"
_SAID = {JobState.SUCCEEDED: "completed", JobState.FAILED: "failed"}


class IntakeRules:
    def __init__(self, queue: PlayedQueue, producers: Producers) -> None:
        self._queue, self.producers = queue, producers
        self.jobs: dict[str, int] = {}
        """By record."""

    def look(self, changes: Changes) -> Iterator[tuple[str, str]]:
        for job in changes.jobs_new:
            if job.user != INTAKE.user or job.key is None or job.batch_id is not None:
                continue
            if job.key in self.jobs:
                yield ONE_JOB, f"Record {job.key} became jobs {self.jobs[job.key]} and {job.id}."
            elif job.request != _KEY + job.key:
                yield ONE_JOB, f"Job {job.id} of record {job.key} has another request: {job.request}."
            self.jobs[job.key] = job.id

    def at_rest(self, engine: Engine) -> Iterator[tuple[str, str]]:
        """When all jobs have ended, and the queue has been told of all of them."""
        queue, good = self._queue, set(self.producers.good)
        if not self.producers.all_ended():
            left = sorted({*queue.queue, *queue.leases, *queue.followed})
            yield WRITTEN_BACK, f"Records {left[:5]} are left in the queue, its leases or what is followed."
        for record in sorted(set(self.jobs) ^ good):
            became = "no job" if record in good else f"job {self.jobs[record]}"
            yield ONE_JOB, f"Record {record} became {became}."
        for record in sorted(set(queue.dead) ^ set(self.producers.bad)):
            yield ONE_JOB, f"Record {record} was {'' if record in queue.dead else 'not '}refused."
        query = select(jobs.c.id, jobs.c.state, jobs.c.cause).where(jobs.c.id.in_(self.jobs.values()))
        with engine.connect() as connection:
            ends = {row.id: (JobState(row.state), row.cause) for row in connection.execute(query)}
        for record, job in sorted(self.jobs.items()):
            state, cause = ends.get(job, (None, ""))
            status = (
                "timeout" if cause == Cause.TIMEOUT else _SAID.get(state or JobState.CANCELLED, "cancelled")
            )
            said = queue.status.get(record)
            if said != status:
                yield WRITTEN_BACK, f"Record {record} has the status {said}; job {job} ended as {status}."
