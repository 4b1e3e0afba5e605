"""Chooses the attempts that a waiting job preempts: those whose stop costs least, all on one worker, so that the job fits there.

Called by `scheduler/preemption.py` for a job that fits nowhere now. Who may be taken at all is `may_be_victim`; among those the
lowest priority goes first, then the least work lost, then the fewest attempts. It looks at classes of resources that are
short only, and gives back whom it turns out not to need. What has been asked to stop already counts as free.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from herder.decide.eligibility.matching import kind_of_worker, may_use_kind
from herder.decide.placement.free_capacity import OpenWorker
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import JobId, PoolName
from herder.model.values.resources import Resources
from herder.model.values.vectors import pairs
from herder.model.work.job import JobClass
from herder.model.work.sharing import NOTHING, Amounts, Preemption, Reclaim, amounts_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A live attempt. `ran_ms`: since it started, which is the work that its stop loses. `minimum_ms`: it is left alone before."""

    job: JobId
    project: str
    priority: int
    request: Resources
    ran_ms: int
    minimum_ms: int
    preempted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateWorker:
    """A worker with the attempts on it. `worker.free`: also what those leave that have been asked to stop."""

    worker: OpenWorker
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """No victims: the job fits on the worker as it is, or as soon as those have gone that were asked to."""

    candidate_worker: CandidateWorker
    victims: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreemptingJob:
    """The job that wants a place. `missing`: what it lacks of a quota that others have borrowed; then their attempts are
    taken, as far as they have borrowed (`borrowed`, by project) and the rule for reclaiming allows."""

    job_class: JobClass
    missing: Amounts = NOTHING
    borrowed: Mapping[str, Amounts] | None = None


def may_be_victim(preempting_job: PreemptingJob, candidate: Candidate, rules: Preemption) -> bool:
    """Whether the claimant may have its place, were it the only one needed."""
    if candidate.ran_ms < candidate.minimum_ms or candidate.preempted >= rules.protected_after:
        return False
    lower = candidate.priority < preempting_job.job_class.priority
    if preempting_job.borrowed is None:
        return lower
    if rules.reclaim is Reclaim.NEVER or (rules.reclaim is Reclaim.LOWER_PRIORITY and not lower):
        return False
    return any(preempting_job.borrowed.get(candidate.project, NOTHING))


def choose(
    preempting_job: PreemptingJob,
    candidate_workers: Iterable[CandidateWorker],
    pools: Mapping[PoolName, PoolSpec],
    rules: Preemption,
) -> Choice | None:
    """None when nobody may be taken from whom it would help."""
    found = (option(preempting_job, candidate_worker, pools, rules) for candidate_worker in candidate_workers)
    return min((choice for choice in found if choice is not None), key=loss, default=None)


def option(
    preempting_job: PreemptingJob,
    candidate_worker: CandidateWorker,
    pools: Mapping[PoolName, PoolSpec],
    rules: Preemption,
) -> Choice | None:
    """What the job could have on this worker."""
    worker = candidate_worker.worker
    pool = pools.get(worker.pool)
    if pool is None:
        return None
    if not may_use_kind(preempting_job.job_class, kind_of_worker(pool, worker.labels, worker.taints)):
        return None
    victims = _victims(preempting_job, candidate_worker, rules)
    return None if victims is None else Choice(candidate_worker=candidate_worker, victims=victims)


def loss(choice: Choice) -> tuple[int, int, int, int, str]:
    """The less the better: the highest priority among the victims, the work lost, how many; then the oldest worker."""
    victims, worker = choice.victims, choice.candidate_worker.worker
    highest = max((each.priority for each in victims), default=-(2**40))
    lost = sum(each.ran_ms for each in victims)
    return highest, lost, len(victims), worker.requested_at_ms, worker.name


def with_victims_gone(choice: Choice, request: Resources) -> CandidateWorker:
    """The worker when the victims have gone and the job is there."""
    candidate_worker, worker, gone = (
        choice.candidate_worker,
        choice.candidate_worker.worker,
        {each.job for each in choice.victims},
    )
    free = worker.free.minus(request)
    for victim in choice.victims:
        free = free.plus(victim.request)
    return CandidateWorker(
        worker=replace(worker, free=free, free_slots=worker.free_slots + len(gone) - 1),
        candidates=tuple(each for each in candidate_worker.candidates if each.job not in gone),
    )


def _victims(
    preempting_job: PreemptingJob, candidate_worker: CandidateWorker, rules: Preemption
) -> tuple[Candidate, ...] | None:
    need = _Need(preempting_job, candidate_worker.worker)
    able = [each for each in candidate_worker.candidates if may_be_victim(preempting_job, each, rules)]
    able.sort(key=lambda each: (each.priority, each.ran_ms, each.job))
    chosen: list[Candidate] = []
    for candidate in able:
        if need.met(chosen):
            break
        if need.helped_by(chosen, candidate):
            chosen.append(candidate)
    if not need.met(chosen):
        return None
    for candidate in sorted(chosen, key=lambda each: (each.priority, each.ran_ms, each.job), reverse=True):
        without = [each for each in chosen if each is not candidate]
        if need.met(without):
            chosen = without
    return tuple(chosen)


class _Need:
    """What must come free on one worker, and of the quota."""

    def __init__(self, preempting_job: PreemptingJob, worker: OpenWorker) -> None:
        self._claimant = preempting_job
        self._request = preempting_job.job_class.request
        self._worker = worker

    def met(self, victims: Sequence[Candidate]) -> bool:
        return not any(self._lacking(victims)) and not any(self._missing(victims))

    def helped_by(self, victims: Sequence[Candidate], other: Candidate) -> bool:
        *short, slots = self._lacking(victims)
        quota = self._missing(victims)
        gives = any(lack and give for lack, give in pairs(short, other.request)) or slots > 0
        amounts = amounts_of(other.request)
        pays = any(lack and give for lack, give in pairs(quota, amounts))
        return (gives or pays) and self._within_borrowed([*victims, other])

    def _lacking(self, victims: Sequence[Candidate]) -> tuple[int, ...]:
        """Of each resource, and of slots."""
        free = self._worker.free
        for each in victims:
            free = free.plus(each.request)
        return (*self._request.beyond(free), max(0, 1 - self._worker.free_slots - len(victims)))

    def _missing(self, victims: Sequence[Candidate]) -> Amounts:
        missing = self._claimant.missing
        for each in victims if any(missing) else ():
            missing = missing.minus(amounts_of(each.request))
        return missing.not_below_zero()

    def _within_borrowed(self, victims: Sequence[Candidate]) -> bool:
        """Before the last one is taken its project still has something that it borrowed."""
        if self._claimant.borrowed is None:
            return True
        *before, last = victims
        left = self._claimant.borrowed.get(last.project, NOTHING)
        for each in before:
            if each.project == last.project:
                left = left.minus(amounts_of(each.request))
        return max(left) > 0
