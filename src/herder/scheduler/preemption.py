"""Preemption in a running server: once a second, finds jobs that may preempt and the attempts that they preempt.

Called by the lifecycle loop and by simulations. It finds the jobs that may preempt and fit nowhere, now or soon, shows
`decide.placement.preemption` the workers, asks the victims to stop through the same exchange as any cancellation, and keeps the place.
Nothing happens unless a priority class preempts or reclaiming is on. What has been asked to stop counts as free from then on,
so that no second attempt is stopped for the same need, also not after a restart, when the kept places are forgotten.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from heapq import nlargest
from itertools import islice

from herder.decide.eligibility.matching import kind_of_worker, may_use_kind
from herder.decide.placement.preemption import (
    Candidate,
    CandidateWorker,
    Choice,
    PreemptingJob,
    loss,
    may_be_victim,
    option,
    with_victims_gone,
)
from herder.decide.placement.reservations import Reservation
from herder.decide.quotas.allowed_starts import Allowance, QuotaInput, allow
from herder.decide.quotas.reasons import lent_out
from herder.engine.attempts.attempt import preempt
from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState, LiveAttempt, WorkerLife
from herder.model.ids import ClassId, UserName, WorkerName
from herder.model.planning.observed import QueuedClass
from herder.model.stored.changes import Changes
from herder.model.values.phrases import agree, counted, listed
from herder.model.work.sharing import NOTHING, Amounts, Reclaim, amounts_of
from herder.scheduler.quota_usage import within_caps
from herder.scheduler.reservations import Reservations, open_worker
from herder.scheduler.start_times import BOOT_MS

#: So often is it looked at: often enough beside the seconds that a job waits first.
LOOK_EVERY_MS = 1_000
#: Workers looked at in one look, beside those where attempts are stopping; in a larger fleet they take turns.
WORKERS_MAX = 128
#: Jobs, and classes of them, that get a place by preemption in one look; each asks a few attempts to stop, and the next look
#: is soon.
JOBS_MAX = 16


@dataclass(frozen=True, slots=True)
class _Demand:
    head: QueuedClass
    count: int
    preempting_job: PreemptingJob


@dataclass(slots=True)
class Preemptor:
    refused: dict[ClassId, str] = field(default_factory=dict)
    """Of the last look: why a job that may preempt took nobody's place."""
    _look_at_ms: int = 0
    _turn: int = 0

    def clock_set(self) -> None:
        self._look_at_ms = 0

    def look(self, state: EngineState, changes: Changes, reservations: Reservations, now_ms: int) -> None:
        """Ask attempts to stop for jobs that may have their place."""
        rules = state.sharing.preemption
        if not state.sharing.preempting and rules.reclaim is Reclaim.NEVER:
            self.refused.clear()
            return
        if now_ms < self._look_at_ms:
            return
        self._look_at_ms = now_ms + LOOK_EVERY_MS
        self.refused.clear()
        demands = _wishes(state, now_ms)
        if not demands:
            return
        workers = _usable(state, reservations)
        some, self._turn = _some(workers, self._turn)
        candidate_workers = {worker.spec.name: _candidate_worker(state, worker, now_ms) for worker in some}
        for candidate_worker in _coming(state, int(rules.soon_s * 1000), now_ms):
            candidate_workers[candidate_worker.worker.name] = candidate_worker
        left = JOBS_MAX
        for demand in demands[:JOBS_MAX]:
            left -= self._serve(
                state, changes, reservations, demand, candidate_workers, min(demand.count, left), now_ms
            )
            if left <= 0:
                return

    def _serve(
        self,
        state: EngineState,
        changes: Changes,
        reservations: Reservations,
        demand: _Demand,
        candidate_workers: dict[WorkerName, CandidateWorker],
        count: int,
        now_ms: int,
    ) -> int:
        """Answers how many got a place that others leave for them. Each worker is looked at once, and again when changed."""
        rules, served = state.sharing.preemption, 0
        options: dict[WorkerName, Choice] = {}
        for name, candidate_worker in candidate_workers.items():
            found = option(demand.preempting_job, candidate_worker, state.pools, rules)
            if found is not None:
                options[name] = found
        for place in range(count):
            choice = min(options.values(), key=loss, default=None)
            if choice is None:
                self.refused[demand.head.class_id] = _why_not(
                    state, demand.preempting_job, candidate_workers.values()
                )
                break
            if choice.victims:
                served += 1
                _carry_out(state, changes, reservations, demand, choice, place, now_ms)
            name = choice.candidate_worker.worker.name
            candidate_workers[name] = with_victims_gone(choice, demand.head.job_class.request)
            again = option(demand.preempting_job, candidate_workers[name], state.pools, rules)
            if again is None:
                del options[name]
            else:
                options[name] = again
        return served


def _wishes(state: EngineState, now_ms: int) -> list[_Demand]:
    """The classes that may preempt and have waited first, the most urgent and then the oldest first."""
    rules, preempting = state.sharing.preemption, state.sharing.preempting
    since_ms = now_ms - int(rules.wait_first_s * 1000)
    waiting = [
        state.queued(class_id)
        for class_id, queue in sorted(state.queues.items())
        if queue.count and queue.oldest_ready_at_ms <= since_ms
    ]
    waiting = within_caps(state, waiting)
    reclaims = rules.reclaim is not Reclaim.NEVER
    if not any(reclaims or each.job_class.priority in preempting for each in waiting):
        return []
    leaving: dict[tuple[UserName, str], Amounts] = {}
    types = Counter(state.running_types)
    for attempt in state.live.values():
        if _leaves(attempt):
            job_class = state.classes[attempt.class_id]
            whose = (job_class.user, job_class.project)
            leaving[whose] = leaving.get(whose, NOTHING).plus(amounts_of(job_class.request))
            if job_class.type:
                types[job_class.type] -= 1
    held = {whose: has.minus(leaving.get(whose, NOTHING)) for whose, has in state.held.items()}
    quota_input = QuotaInput(sharing=state.sharing, held=held, running_types=types, weights=state.weights)
    allowance = allow(waiting, quota_input)
    found = [
        _Demand(entry.queued, entry.granted, PreemptingJob(job_class=entry.queued.job_class))
        for entry in allowance.entries
        if entry.granted and entry.queued.job_class.priority in preempting
    ]
    found += _reclaims(allowance) if reclaims else []
    found.sort(
        key=lambda demand: (
            -demand.head.job_class.priority,
            demand.head.oldest_ready_at_ms,
            demand.head.class_id,
        )
    )
    return found


def _reclaims(allowance: Allowance[QueuedClass]) -> list[_Demand]:
    """One job of each class whose project has lent what it now lacks."""
    projects = allowance.remaining.projects
    found = []
    for entry in allowance.held_back:
        missing = lent_out(entry, allowance.remaining)
        if missing is not None:
            cohort = projects[entry.project].quota.cohort
            borrowed = {
                name: each.borrowed.where(missing)
                for name, each in projects.items()
                if each.quota.cohort == cohort and name != entry.project
            }
            preempting_job = PreemptingJob(
                job_class=entry.queued.job_class, missing=missing, borrowed=borrowed
            )
            found.append(_Demand(entry.queued, 1, preempting_job))
    return found


def _leaves(attempt: LiveAttempt) -> bool:
    return attempt.cancelling or bool(attempt.preempted_for)


def _usable(state: EngineState, reservations: Reservations) -> list[WorkerLife]:
    """Workers that take work, but for those where a place is kept for a job that has waited long."""
    return [
        worker
        for name, worker in sorted(state.workers.items())
        if worker.serves
        and not worker.probing
        and ((reservation := reservations.by_worker.get(name)) is None or reservation.preempts)
    ]


def _some(workers: list[WorkerLife], turn: int) -> tuple[list[WorkerLife], int]:
    """The next so many, and those that have room or will: where that is, nobody need be taken."""
    if len(workers) <= WORKERS_MAX:
        return workers, 0
    start = turn % len(workers)
    chosen = {worker.spec.name for worker in (workers[start:] + workers[:start])[:WORKERS_MAX]}
    roomy = nlargest(WORKERS_MAX, workers, key=lambda worker: (worker.free, worker.spec.name))
    chosen.update(worker.spec.name for worker in roomy if worker.free.cpu_milli)
    stopping = (worker for worker in workers if any(map(_leaves, worker.live.values())))
    chosen.update(worker.spec.name for worker in islice(stopping, WORKERS_MAX))
    return [worker for worker in workers if worker.spec.name in chosen], start + WORKERS_MAX


def _candidate_worker(state: EngineState, worker: WorkerLife, now_ms: int) -> CandidateWorker:
    rules, pool = state.sharing.preemption, state.pools.get(worker.spec.pool)
    own = None if pool is None else pool.jobs.minimum_run_s
    minimum_ms = int((rules.minimum_run_s if own is None else own) * 1000)
    room = open_worker(worker)
    free, slots = room.free, room.free_slots
    candidates = []
    for attempt in worker.live.values():
        job_class = state.classes[attempt.class_id]
        if _leaves(attempt):
            free, slots = free.plus(job_class.request), slots + 1
            continue
        candidate = Candidate(
            job=attempt.job,
            project=job_class.project,
            priority=job_class.priority,
            request=job_class.request,
            ran_ms=_ran_ms(attempt, now_ms),
            minimum_ms=minimum_ms,
            preempted=attempt.preempted,
        )
        candidates.append(candidate)
    return CandidateWorker(worker=replace(room, free=free, free_slots=slots), candidates=tuple(candidates))


def _ran_ms(attempt: LiveAttempt, now_ms: int) -> int:
    """Never more than since it was assigned: the start is told by the worker's clock."""
    if attempt.started_at_ms is None:
        return 0
    return max(0, now_ms - max(attempt.started_at_ms, attempt.assigned_at_ms))


def _coming(state: EngineState, soon_ms: int, now_ms: int) -> list[CandidateWorker]:
    """Workers that are expected to be ready soon, empty."""
    found = []
    for _, worker in sorted(state.workers.items()):
        if worker.state.in_flight:
            history = state.history.get(worker.spec.pool)
            seen_s = None if history is None else history.boot_s
            boot_ms = BOOT_MS if seen_s is None else int(seen_s * 1000)
            left_ms = max(boot_ms - (now_ms - worker.requested_at_ms), boot_ms // 4)
            if left_ms <= soon_ms:
                found.append(CandidateWorker(worker=open_worker(worker), candidates=()))
    return found


def _carry_out(
    state: EngineState,
    changes: Changes,
    reservations: Reservations,
    demand: _Demand,
    choice: Choice,
    place: int,
    now_ms: int,
) -> None:
    """Ask the victims to stop, keep the place, and tell both sides."""
    name, job_class = choice.candidate_worker.worker.name, demand.head.job_class
    job = state.queues[demand.head.class_id].at(place)
    whom = f"job {job}" if job is not None else f"a job of {job_class.user}"
    by = _named(state, job_class.priority)
    for victim in choice.victims:
        attempt = state.live[victim.job]
        if demand.preempting_job.borrowed is None:
            why = f"Preempted by {whom}, which has {by} against {_named(state, victim.priority)}."
        else:
            why = f"Preempted by {whom}, to return quota that project {job_class.project} lent to project {victim.project}."
        preempt(state, changes, attempt, why)
        text = f"Job {victim.job} was asked to stop on {name} after {victim.ran_ms // 1000:,} s. {why}"
        data: dict[str, object] = {
            "worker": name,
            "for": job,
            "ran_ms": victim.ran_ms,
            "attempt": attempt.number,
        }
        theirs = state.classes[attempt.class_id]
        record_event(
            state, changes, now_ms, "job.preempted", f"job/{victim.job}", text,
            data=data, owner=theirs.user, project=theirs.project,
        )  # fmt: skip
    victims = [victim.job for victim in choice.victims]
    stopped = agree(len(victims), "it has", "they have")
    text = f"The job takes the place of {listed([f'job {each}' for each in victims])} on {name} as soon as {stopped} stopped."
    if job is not None:
        told: dict[str, object] = {"worker": name, "victims": victims}
        record_event(
            state, changes, now_ms, "job.preempts", f"job/{job}", text,
            data=told, owner=job_class.user, project=job_class.project,
        )  # fmt: skip
    _keep(state, reservations, demand.head, choice, now_ms)


def _keep(
    state: EngineState, reservations: Reservations, head: QueuedClass, choice: Choice, now_ms: int
) -> None:
    """What the victims leave comes free piece by piece: others may only have what the job does not need of it."""
    name = choice.candidate_worker.worker.name
    if name in reservations.by_worker:
        return  # for another job that preempts, whose class goes first anyhow
    worker, request = state.workers[name], head.job_class.request
    reservations.by_worker[name] = Reservation(
        class_id=head.class_id,
        worker=name,
        request=request,
        made_at_ms=now_ms,
        starts_at_ms=now_ms,
        promised_ms=now_ms,
        spare=worker.free.beyond(request),
        spare_slots=max(0, worker.free_slots - 1),
        preempts=True,
    )


def _named(state: EngineState, priority: int) -> str:
    names = [each.name for each in state.sharing.priority_classes if each.value == priority]
    return f"priority {priority} ({names[0]})" if names else f"priority {priority}"


def _why_not(
    state: EngineState, preempting_job: PreemptingJob, candidate_workers: Iterable[CandidateWorker]
) -> str:
    """In numbers: who could have been taken, and why not."""
    rules = state.sharing.preemption
    usable = list(_on_usable(state, preempting_job, candidate_workers))
    others = [each for candidate_worker in usable for each in candidate_worker.candidates]
    lower = [each for each in others if each.priority < preempting_job.job_class.priority]
    young = sum(each.ran_ms < each.minimum_ms for each in lower)
    spared = sum(each.preempted >= rules.protected_after for each in lower)
    able = sum(may_be_victim(preempting_job, each, rules) for each in others)
    return (
        f"The job may preempt others, but not enough of them: of {counted(len(others), 'attempt')} on workers that it may use, {able} "
        f"may be preempted. {len(lower)} {agree(len(lower), 'has', 'have')} a lower priority; of these, {young} "
        f"{agree(young, 'has', 'have')} not run for the minimum time, and {spared} {agree(spared, 'was', 'were')} preempted "
        f"{counted(rules.protected_after, 'time')} already."
    )


def _on_usable(
    state: EngineState, preempting_job: PreemptingJob, candidate_workers: Iterable[CandidateWorker]
) -> Iterable[CandidateWorker]:
    for candidate_worker in candidate_workers:
        pool = state.pools.get(candidate_worker.worker.pool)
        if pool is not None and may_use_kind(
            preempting_job.job_class,
            kind_of_worker(pool, candidate_worker.worker.labels, candidate_worker.worker.taints),
        ):
            yield candidate_worker
