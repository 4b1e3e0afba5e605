"""Rules of jobs and attempts, after each commit: at most one live attempt, and final states stay."""

from collections.abc import Iterator, Mapping

from herder.model.stored.changes import Changes
from herder.model.stored.records import BatchRecord, EventRecord
from herder.model.work.job import AttemptState, JobState
from herder.simulate.chaos.rules.group_rules import GroupRules

#: What a retry of a batch brings back.
_RETRIED = (JobState.FAILED, JobState.SKIPPED)


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
        self.begun: set[int] = set()
        """Jobs whose attempt was given to a worker in the last commit; `freed`: those that lost theirs in it."""
        self.freed: set[int] = set()
        self.batch_of: dict[int, int] = {}
        self._batches: dict[int, BatchRecord] = {}
        self._groups = GroupRules()

    @property
    def running(self) -> Mapping[int, tuple[int, int]]:
        """By job: attempts that have not ended."""
        return self._live

    def look(self, changes: Changes) -> Iterator[tuple[str, str]]:
        self._note(changes)
        self._groups.note(changes)
        alive = set(self._live)
        for (job, number), row in sorted(changes.attempts.items()):
            yield from self._attempt(job, number, row.state, row.worker)
        self.begun, self.freed = set(self._live) - alive, alive - set(self._live)
        yield from self._kept_back(self.begun)
        yield from self._groups.begun(self.begun)
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

    def _note(self, changes: Changes) -> None:
        """Batches and their jobs; what somebody retries has not ended any more."""
        self.batch_of.update(
            (each.id, each.batch_id) for each in changes.jobs_new if each.batch_id is not None
        )
        for record in changes.rows.get(BatchRecord, {}).values():
            assert isinstance(record, BatchRecord)
            self._batches[record.id] = record
        retried = {
            int(event.object.partition("/")[2])
            for event in changes.rows.get(EventRecord, {}).values()
            if isinstance(event, EventRecord) and event.kind == "batch.retried"
        }
        for job in changes.job_status if retried else ():
            if self.batch_of.get(job) in retried and self.ended.get(job) in _RETRIED:
                del self.ended[job]

    def _kept_back(self, begun: set[int]) -> Iterator[tuple[str, str]]:
        """Of attempts that were just given to a worker: placement comes last in a commit."""
        for number in sorted({self.batch_of[job] for job in begun if job in self.batch_of}):
            record = self._batches[number]
            if record.hold:
                yield "held jobs do not start", f"Jobs of batch {number} were started while it was held."
            most = record.parallel_max
            live = sum(self.batch_of.get(job) == number for job in self._live) if most is not None else 0
            if most is not None and record.state == "running" and live > most:
                yield (
                    "as many jobs of a batch run as may",
                    f"{live} jobs of batch {number} run at once; its parallel_max is {most}.",
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
