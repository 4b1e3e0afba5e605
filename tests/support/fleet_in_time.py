"""The engine and the placer over a fixed fleet in virtual time, without a store: jobs arrive, run as long as they do, end.

For tests of fairness, starvation and ETAs. Everything that decides is the server's own code; here is only the clock.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from types import SimpleNamespace

from herder.decide.placement.ageing import Ageing
from herder.engine.attempts.attempt import ended
from herder.engine.jobs.job import make_ready
from herder.engine.memory.state import EngineState, WorkerLife
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerSpec, WorkerState
from herder.model.ids import ClassId, JobId, PoolName, UserName, WorkerName
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources
from herder.model.work.job import AttemptState, JobClass, JobState
from herder.scheduler.placement import Placer

POOL = PoolName("std")
#: Wall clocks do not begin at nought.
START_MS = 1_700_000_000_000


def cores(count: int) -> Resources:
    return Resources(count * 1000, count * 1024, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedJob:
    at_ms: int
    run_ms: int
    job_class: JobClass


def timed(at_s: float, run_s: float, user: str = "ann", size: int = 1, **more: object) -> TimedJob:
    job_class = JobClass(user=UserName(user), request=cores(size), **more)  # type: ignore[arg-type]
    return TimedJob(at_ms=round(at_s * 1000), run_ms=round(run_s * 1000), job_class=job_class)


def ready_worker(
    number: int,
    size: Resources,
    *,
    slots: int = 2000,
    pool: PoolName = POOL,
    labels: tuple[tuple[str, str], ...] = (),
) -> WorkerLife:
    spec = WorkerSpec(
        name=WorkerName(f"w{number:04}"), pool=pool, template="t", driver="pretend", allocatable=size, slots=slots,
        price_pico_per_hour=PicoUsd(0), labels=labels,
    )  # fmt: skip
    return WorkerLife(
        spec=spec, state=WorkerState.READY, requested_at_ms=START_MS + number,
        reason_made=Reason(kind=ReasonKind.REQUESTED, text="test"), free=size, free_slots=slots,
    )  # fmt: skip


def fleet(sizes: Sequence[int], *, slots: int = 2000) -> EngineState:
    state = EngineState(pools={POOL: PoolSpec(name=POOL)})
    for number, size in enumerate(sizes):
        worker = ready_worker(number, cores(size), slots=slots)
        state.workers[worker.spec.name] = worker
        state.open_workers.add(worker.spec.name)
    return state


@dataclass(slots=True, kw_only=True)
class FleetInTime:
    """Runs jobs to their ends. `started_ms` and `waited_ms` by place in `jobs`."""

    state: EngineState
    jobs: Sequence[TimedJob]
    ageing: Ageing = field(default_factory=Ageing)
    placer: Placer = field(init=False)
    started_ms: dict[int, int] = field(default_factory=dict)
    now_ms: int = START_MS
    on_instant: Callable[["FleetInTime"], None] | None = None

    def __post_init__(self) -> None:
        self.placer = Placer(ageing=self.ageing)

    def run(self, until_ms: int | None = None) -> "FleetInTime":
        state, changes = self.state, Changes()
        order = sorted(range(len(self.jobs)), key=lambda job: (self.jobs[job].at_ms, job))
        arrived, ends = 0, list[tuple[int, int]]()
        while arrived < len(order) or ends:
            due = [ends[0][0]] if ends else []
            if arrived < len(order):
                due.append(START_MS + self.jobs[order[arrived]].at_ms)
            self.now_ms = min(due)
            if until_ms is not None and self.now_ms > START_MS + until_ms:
                break
            changes = Changes()
            while ends and ends[0][0] <= self.now_ms:
                self._end(changes, heappop(ends)[1])
            while arrived < len(order) and START_MS + self.jobs[order[arrived]].at_ms <= self.now_ms:
                self._arrive(order[arrived])
                arrived += 1
            self.placer.run(state, changes, self.now_ms)
            while self.placer.more:
                self.placer.run(state, changes, self.now_ms)
            self.placer.samples.look(state, self.placer.run_times, self.now_ms)
            for job, _ in changes.attempts:
                if JobId(job) in state.live and job - 1 not in self.started_ms:
                    self.started_ms[job - 1] = self.now_ms - START_MS
                    heappush(ends, (self.now_ms + self.jobs[job - 1].run_ms, job))
            state.dirty_workers.clear()
            if self.on_instant is not None:
                self.on_instant(self)
        return self

    def waited_ms(self, job: int) -> int:
        return self.started_ms[job] - self.jobs[job].at_ms

    def _arrive(self, place: int) -> None:
        state, job_class = self.state, self.jobs[place].job_class
        class_id = state.class_ids.get(job_class)
        if class_id is None:
            class_id = state.class_ids[job_class] = ClassId(len(state.class_ids) + 1)
            state.classes[class_id] = job_class
        state.counts[JobState.READY] += 1
        make_ready(state, None, class_id, range(place + 1, place + 2), self.now_ms)

    def _end(self, changes: Changes, job: int) -> None:
        attempt = self.state.live[JobId(job)]
        ending = SimpleNamespace(
            job=job, attempt=attempt.number, state="succeeded", started_at_ms=attempt.assigned_at_ms,
            ended_at_ms=self.now_ms, exit_code=0,
            cause="", message="", cpu_ms=0, memory_peak_mib=0, bytes_in=0, bytes_out=0, bytes_cached=0, bytes_in_cache=0,
        )  # fmt: skip
        worker = self.state.workers[attempt.worker]
        assert ended(self.state, changes, worker, ending, None, self.now_ms)
        assert attempt.state is not AttemptState.LOST
