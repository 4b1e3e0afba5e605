"""Expected starts of waiting jobs: passes the engine's state to `decide.forecast.start_time`.

Called by `control/reads/explanations/explain.py`, and by simulations. It adds up live attempts by class and age and knows what is on its way; it
changes nothing, and says nothing when nothing is known.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median_low

from herder.decide.eligibility.matching import Kind, asked_of_places, kind_of_worker, may_use_kind
from herder.decide.forecast.calibration import EtaRecord
from herder.decide.forecast.run_times import RunTime, RunTimes, kinds_of
from herder.decide.forecast.start_time import Coming, Ending, Eta, ForecastInput, Held, Outlook
from herder.engine.memory.state import EngineState, WorkerLife
from herder.model.fleet.worker import WorkerSpec, WorkerState
from herder.model.ids import ClassId, PoolName
from herder.model.planning.plan import Action, CreateWorker
from herder.model.values.resources import ZERO, Resources
from herder.model.work.job import JobClass

#: A boot takes so long as far as is known, before any worker of the pool has shown it.
BOOT_MS = 60_000
#: With more classes than this waiting, no start is foretold: it would take the event loop tens of milliseconds.
CLASSES_MAX = 1_000
#: From so many boots on, how much they differ is known; they differ by at least this part.
BOOTS_ENOUGH = 5
BOOT_GIVE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Boot:
    """`give_ms`: most take no longer, and no shorter, by more than this."""

    usual_ms: int
    give_ms: int


@dataclass(slots=True)
class Starts:
    """Answers for one moment. What classes with the same places have in common is made once."""

    state: EngineState
    run_times: RunTimes
    now_ms: int
    planned: Iterable[Action] = ()
    """What the planner would do now."""
    record: EtaRecord | None = None
    _outlooks: dict[object, Outlook] = field(default_factory=dict)
    _kinds: dict[object, Kind | None] = field(default_factory=dict)
    _boots: dict[PoolName, _Boot] = field(default_factory=dict)

    def of(self, class_id: ClassId, before: int) -> Eta | None:
        """Of the job that has `before` others of its class in front of it; None when nothing can be said."""
        expected = self.model(class_id, before)
        return expected if expected is None or self.record is None else self.record.correct(expected)

    def model(self, class_id: ClassId, before: int) -> Eta | None:
        """Without what was learned from past answers."""
        queue = self.state.queues.get(class_id)
        if queue is None or not queue.count or len(self.state.queues) > CLASSES_MAX:
            return None
        target = self.state.queued(class_id)
        return self._outlook(target.job_class).start(target, min(before, queue.count - 1))

    def _outlook(self, job_class: JobClass) -> Outlook:
        places = asked_of_places(job_class)
        outlook = self._outlooks.get(places)
        if outlook is None:
            outlook = self._outlooks[places] = Outlook(forecast_input=self._look(job_class))
        return outlook

    def _look(self, job_class: JobClass) -> ForecastInput:
        state = self.state
        total = largest = ZERO
        free: dict[Resources, int] = {}
        live: dict[tuple[ClassId, int], int] = {}
        coming: list[Coming] = []
        for worker in state.workers.values():
            spec = worker.spec
            if not self._may(job_class, spec):
                continue
            largest = largest.most(spec.allocatable)
            if worker.state.in_flight:
                coming.append(self._coming(worker))
            if worker.state is not WorkerState.READY or worker.cordoned:
                continue
            total = total.plus(spec.allocatable)
            if worker.free_slots > 0:
                free[worker.free] = free.get(worker.free, 0) + 1
            for attempt in worker.live.values():
                ran_ms = _rounded(self.now_ms - attempt.assigned_at_ms)
                live[attempt.class_id, ran_ms] = live.get((attempt.class_id, ran_ms), 0) + 1
        coming += [
            Coming(amount=action.spec.allocatable, in_ms=boot.usual_ms, give_ms=boot.give_ms)
            for action in self.planned
            if isinstance(action, CreateWorker) and self._may(job_class, action.spec)
            for boot in (self._boot(action.spec.pool),)
        ]
        rivals = [
            self.state.queued(class_id)
            for class_id, queue in state.queues.items()
            if queue.count and self._meet(job_class, state.classes[class_id])
        ]
        return ForecastInput(
            total=total,
            free=tuple(free.items()),
            endings=_endings(state, live, self._guess),
            coming=coming,
            rivals=rivals,
            users={
                user: Held(weight=state.weights.get(user, 1), used=state.in_use.get(user, ZERO))
                for user in {rival.job_class.user for rival in rivals}
            },
            guess=self._guess,
            largest=largest,
        )

    def _guess(self, job_class: JobClass) -> RunTime:
        return self.run_times.guess(kinds_of(job_class))

    def _kind(self, spec: WorkerSpec) -> Kind | None:
        looks = (spec.pool, spec.labels, spec.taints)
        if looks not in self._kinds:
            pool = self.state.pools.get(spec.pool)
            self._kinds[looks] = None if pool is None else kind_of_worker(pool, spec.labels, spec.taints)
        return self._kinds[looks]

    def _may(self, job_class: JobClass, spec: WorkerSpec) -> bool:
        kind = self._kind(spec)
        return kind is not None and may_use_kind(job_class, kind)

    def _meet(self, one: JobClass, other: JobClass) -> bool:
        """Whether there is a place that both may use."""
        if asked_of_places(one) == asked_of_places(other):
            return True
        kinds = [kind for kind in self._kinds.values() if kind is not None]
        return any(may_use_kind(one, kind) and may_use_kind(other, kind) for kind in kinds)

    def _coming(self, worker: WorkerLife) -> Coming:
        """A boot that takes longer than usual is expected to go on for a while."""
        boot, waited_ms = self._boot(worker.spec.pool), self.now_ms - worker.requested_at_ms
        in_ms = max(boot.usual_ms - waited_ms, boot.give_ms)
        return Coming(amount=worker.spec.allocatable, in_ms=in_ms, give_ms=min(in_ms, boot.give_ms))

    def _boot(self, pool: PoolName) -> _Boot:
        """As its workers took that are there."""
        if pool not in self._boots:
            seen = sorted(
                worker.ready_at_ms - worker.requested_at_ms
                for worker in self.state.workers.values()
                if worker.spec.pool == pool and worker.ready_at_ms is not None
            )
            self._boots[pool] = _boot_of(seen)
        return self._boots[pool]


def _boot_of(seen: Sequence[int]) -> _Boot:
    """`seen`: sorted."""
    usual_ms = max(1, median_low(seen)) if seen else BOOT_MS
    if len(seen) < BOOTS_ENOUGH:
        return _Boot(usual_ms=usual_ms, give_ms=usual_ms // 2)
    wide_ms = max(usual_ms - seen[len(seen) // 10], seen[-1 - len(seen) // 10] - usual_ms)
    return _Boot(usual_ms=usual_ms, give_ms=max(1, usual_ms // BOOT_GIVE, wide_ms))


def _rounded(elapsed_ms: int) -> int:
    """To an eighth: attempts of one class that started at about the same time count as one."""
    if elapsed_ms < 16:
        return max(0, elapsed_ms)
    shift = elapsed_ms.bit_length() - 4
    return elapsed_ms >> shift << shift


def _endings(
    state: EngineState, live: dict[tuple[ClassId, int], int], guess: Callable[[JobClass], RunTime]
) -> list[Ending]:
    found: dict[tuple[Resources, RunTime, int], int] = {}
    for (class_id, ran_ms), count in live.items():
        job_class = state.classes[class_id]
        key = (job_class.request, guess(job_class), ran_ms)
        found[key] = found.get(key, 0) + count
    return [
        Ending(amount=amount, run_time=run, elapsed_ms=ran_ms, count=count)
        for (amount, run, ran_ms), count in found.items()
    ]
