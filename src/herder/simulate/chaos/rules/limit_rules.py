"""Rules of what limits jobs over the whole server and in time: types, deadlines and queue time-outs. By rows, after each commit."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from herder.model.stored.changes import Changes
from herder.model.stored.records import JobClassRecord
from herder.model.work.job import Cause, JobState
from herder.model.work.job_type import SLOT, JobType
from herder.simulate.chaos.rules.job_rules import JobRules
from herder.simulate.chaos.world import World
from herder.store.rows.tables import jobs

OF_TYPES = "types keep their limits"
AFTER_DEADLINE, AT_DEADLINE = "no job starts after its deadline", "jobs end at their deadline"
AFTER_WAIT = "no job starts after its queue timeout"
#: What the loops, the store and the network may add to a queue time-out.
LATER_S = 60.0
#: And to the end of an attempt at a deadline: its worker may have to be noticed as dead first.
ENDS_WITHIN_S = 900.0
Found = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    type: str
    deadline_ms: int | None
    queue_timeout_s: float | None


@dataclass(slots=True, kw_only=True)
class _Job:
    limits: _Limits
    waits_since_s: float | None = None
    """In the server's running time; None: that is not judged, since it is of a batch, was held, or a clock was set."""
    overdue_s: float = 0.0


class LimitRules:
    def __init__(self, world: World, rows: JobRules, types: Mapping[str, JobType], slots: int) -> None:
        self._world, self._rows, self._types, self._slots = world, rows, types, slots
        self._classes: dict[int, _Limits] = {}
        self._jobs: dict[int, _Job] = {}
        """Those that have a limit and have not ended."""
        self._running: dict[str, set[int]] = {}
        self._clock_sets = 0

    def look(self, changes: Changes) -> Iterator[Found]:
        """After `JobRules.look`."""
        self._note(changes)
        for job in self._rows.freed:
            if job in self._jobs:
                self._running.get(self._jobs[job].limits.type, set()).discard(job)
        for job in sorted(each for each in self._rows.begun if each in self._jobs):
            yield from self._begun(job, changes)
        for number, status in changes.job_status.items():
            found, state = self._jobs.get(number), JobState(status.state)
            if found is not None and state is JobState.HELD:
                found.waits_since_s = None
            if found is not None and state.ended:
                self._jobs.pop(number)
                if status.cause == Cause.QUEUE_TIMEOUT and status.attempts:
                    yield AFTER_WAIT, f"Job {number} waited too long, and had {status.attempts} attempts."

    def minute(self, seconds: float) -> Iterator[Found]:
        """Each minute, of which a server ran the given part."""
        world, now_ms = self._world, self._world.clock.now_ms()
        server = world.server
        if server is None or not world.loop.running(server.host):
            return
        for number, job in list(self._jobs.items()):
            deadline_ms = job.limits.deadline_ms
            if deadline_ms is None or now_ms < deadline_ms:
                continue
            job.overdue_s += seconds
            if job.overdue_s <= ENDS_WITHIN_S:
                continue
            if self._ended(number):
                del self._jobs[number]
            else:
                yield AT_DEADLINE, f"Job {number} has not ended {job.overdue_s:.0f} s after its deadline."

    # --- inside

    def _ended(self, number: int) -> bool:
        """The waiting jobs of a batch that is cancelled end by one statement, and not one by one in a commit."""
        with self._world.engine.connect() as connection:
            return JobState(
                connection.execute(select(jobs.c.state).where(jobs.c.id == number)).scalar_one()
            ).ended

    def _note(self, changes: Changes) -> None:
        for record in changes.rows.get(JobClassRecord, {}).values():
            assert isinstance(record, JobClassRecord)
            limits = _limits_of(json.loads(record.spec))
            if limits is not None:
                self._classes[record.id] = limits
        if self._world.stats["clock set"] != self._clock_sets:
            self._clock_sets = self._world.stats["clock set"]
            for each in self._jobs.values():
                each.waits_since_s = None
        for job in changes.jobs_new:
            limits = self._classes.get(job.class_id)
            if limits is not None:
                waits = job.batch_id is None and job.state == JobState.READY
                since_s = self._world.wire.server_time() if waits else None
                self._jobs[job.id] = _Job(limits=limits, waits_since_s=since_s)

    def _begun(self, number: int, changes: Changes) -> Iterator[Found]:
        job = self._jobs[number]
        limits, now_s = job.limits, self._world.wire.server_time()
        attempt = self._rows.newest[number]
        assigned_ms = changes.attempts[number, attempt].assigned_at_ms
        if limits.deadline_ms is not None and assigned_ms >= limits.deadline_ms:
            late_s = (assigned_ms - limits.deadline_ms) / 1000
            yield (
                AFTER_DEADLINE,
                f"Attempt {attempt} of job {number} was given to a worker {late_s:g} s late.",
            )
        if limits.queue_timeout_s is not None and job.waits_since_s is not None:
            waited_s = now_s - job.waits_since_s
            if waited_s > limits.queue_timeout_s + LATER_S:
                yield (
                    AFTER_WAIT,
                    f"Job {number} started after {waited_s:.0f} s; its queue timeout is {limits.queue_timeout_s:g} s.",
                )
        job.waits_since_s = None  # what is tried again may wait for any time
        if limits.type:
            yield from self._of_type(limits.type, number)

    def _of_type(self, name: str, number: int) -> Iterator[Found]:
        running = self._running.setdefault(name, set())
        running.add(number)
        most = self._types[name].max_concurrent
        if most is not None and len(running) > most:
            yield OF_TYPES, f"{len(running)} jobs of type {name} run at once; its max_concurrent is {most}."
        slots = sum(self._types[each].weight_milli * len(running) for each, running in self._running.items())
        if slots > self._slots * SLOT:
            yield (
                OF_TYPES,
                f"Jobs with types take {slots / SLOT:g} slots of {self._slots} since job {number} runs.",
            )


def _limits_of(spec: Mapping[str, Any]) -> _Limits | None:
    found = _Limits(
        type=spec.get("type", ""),
        deadline_ms=spec.get("deadline_ms"),
        queue_timeout_s=spec.get("queue_timeout_s"),
    )
    return found if found.type or found.deadline_ms or found.queue_timeout_s else None
