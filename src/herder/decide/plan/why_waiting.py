"""Why a job or a pod waits, by the planner's own rules. Called by `herder why`, and for the same question by API and dashboard.

It runs the same steps as the planner on the same observation, so that it can never tell another story than the plan.
It changes nothing and predicts no times it does not know.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from herder.decide.eligibility.admission import Refusal, refusal
from herder.decide.plan import report
from herder.decide.plan.planner import PlanSteps, plan_steps
from herder.decide.scaling.limits import binding_for, may_make
from herder.decide.scaling.triggers import queued_jobs
from herder.decide.scaling.triggers.queued_jobs import DemandOutcome
from herder.model.fleet.worker import WorkerState
from herder.model.ids import ClassId, UserName
from herder.model.planning.observed import Observed
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import agree, counted, listed, sentences
from herder.model.work.demand import Asks, DemandGroup, DemandSource, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Of a user: `share` is the largest part of the fleet that its live attempts hold, in any resource."""

    weight: int
    share: float

    @property
    def level(self) -> float:
        return self.share / max(1, self.weight)


def why_not_feasible(job_class: Asks, observed: Observed) -> Refusal | None:
    """Why such a job could never run, or None."""
    return refusal(job_class, {pool.name: pool for pool in observed.pools})


def why_waiting(
    class_id: ClassId,
    job_class: Asks,
    observed: Observed,
    now_ms: int,
    *,
    holding: Mapping[UserName, Standing] | None = None,
    steps: PlanSteps | None = None,
) -> tuple[Reason, ...]:
    """Never empty; the first reason is the one that binds, the others say what stands around it. `holding`: what users
    hold now; who is not named holds nothing. `steps`: the planner's on this observation, where the caller has them."""
    unseen = report.unseen_sections(observed)
    steps = None if unseen else steps or plan_steps(observed, now_ms)
    waiting = steps.snapshot.queue if steps else ()
    planned_as = steps.snapshot.lead.get(class_id, class_id) if steps else class_id
    queued = next((queued for queued in waiting if queued.class_id == planned_as), None)
    held_back = steps.snapshot.held_back if steps else ()
    quota = tuple(each.reason for each in held_back if each.queued.class_id == class_id)
    if quota and queued is None:
        return quota
    if steps is not None and queued is None and steps.snapshot.note is not None:
        return (steps.snapshot.note,)
    if steps is None or queued is None:
        return (_not_in_queue(class_id, job_class, observed, unseen),)
    outcome = steps.queue.outcome[planned_as]
    if not steps.queue.known:
        return (*quota, *_failed(steps))
    return (
        *quota,
        *_nowhere(steps, queued, outcome),
        *_place(steps, queued, outcome),
        *(() if _are_pods(queued) else (*_ahead(steps, queued), *_shared(steps, queued, holding))),
        *_pools(steps, queued),
        *((steps.snapshot.note,) if steps.snapshot.note is not None else ()),
    )


def _not_in_queue(class_id: ClassId, job_class: Asks, observed: Observed, unseen: tuple[str, ...]) -> Reason:
    refused = why_not_feasible(job_class, observed)
    if refused is not None:
        evidence = refused.evidence or (("class_id", class_id),)
        return Reason(kind=ReasonKind.NOTHING_FITS, text=str(refused), evidence=evidence)
    if unseen:
        return report.waiting_reason(unseen)
    text = "No job of this class was queued when the queue was last read; it has started or ended since."
    if job_class.work is Work.PODS:
        text = "No such pod was waiting when the cluster was last read; it was placed or deleted since."
    return Reason(kind=ReasonKind.NO_DEMAND, text=text, evidence=(("queued", 0),))


def _failed(steps: PlanSteps) -> tuple[Reason, ...]:
    """Why it is not known where queued jobs will go: the same sentence for each pool, so the first will do."""
    notes = (note for each in steps.notes.values() for note in each)
    return tuple(
        note
        for note in notes
        if note.kind is ReasonKind.TRIGGER_FAILED and ("trigger", queued_jobs.NAME) in note.evidence
    )[:1]


def _nowhere(steps: PlanSteps, queued: DemandGroup, outcome: DemandOutcome) -> list[Reason]:
    """What binds, and after it what binds each other pool that could take the job: raising any one limit would do."""
    if not outcome.nowhere:
        return []
    binding = report.binding_reason(steps.snapshot, steps.demand_limits, queued, outcome)
    others = _other_limits(steps, queued, outcome, binding)
    have = agree(outcome.nowhere, "has", "have")
    text = sentences(f"{_of(outcome.nowhere, queued)} {have} no place", binding.text, *others)
    evidence = (*binding.evidence, ("jobs", outcome.nowhere), ("binding_pools", len(others) + 1))
    return [Reason(kind=binding.kind, text=text, evidence=evidence)]


def _of(count: int, queued: DemandGroup) -> str:
    return f"{count:,} of {queued.count:,} such {'pods' if _are_pods(queued) else 'jobs'}"


def _are_pods(queued: DemandGroup) -> bool:
    return queued.source is DemandSource.PENDING_PODS


def _other_limits(
    steps: PlanSteps, queued: DemandGroup, outcome: DemandOutcome, binding: Reason
) -> list[str]:
    """Of each other pool that could take the job. Why a driver is frozen is said once, whatever pools use it."""
    told = {view.spec.stopped_by for view in steps.snapshot.pools if view.spec.name == outcome.held_by}
    others = []
    for view in steps.snapshot.fits_in(queued):
        text = steps.demand_limits[view.spec.name].binding.text
        if text == binding.text:
            continue
        if view.spec.driver_frozen:
            if view.spec.stopped_by in told:
                text = f"Pool {view.spec.name} has the same driver."
            told.add(view.spec.stopped_by)
        others.append(text)
    return others


def _place(steps: PlanSteps, queued: DemandGroup, outcome: DemandOutcome) -> list[Reason]:
    """Where those go that have a place."""
    found = []
    if outcome.new:
        wait = agree(outcome.new, "waits", "wait")
        text = f"{_of(outcome.new, queued)} {wait} for workers that the next plan creates."
        found.append(Reason(kind=ReasonKind.QUEUED_JOBS, text=text, evidence=(("jobs", outcome.new),)))
    if outcome.in_flight:
        coming = [
            worker for view in steps.snapshot.pools for worker in view.workers if worker.state.in_flight
        ]
        oldest = min(worker.requested_at_ms for worker in coming)
        wait = agree(outcome.in_flight, "waits", "wait")
        text = f"{_of(outcome.in_flight, queued)} {wait} for {counted(len(coming), 'starting worker')}."
        evidence = (
            ("jobs", outcome.in_flight),
            ("in_flight", len(coming)),
            ("oldest_requested_at_ms", oldest),
        )
        found.append(Reason(kind=ReasonKind.IN_FLIGHT, text=text, evidence=evidence))
    if outcome.ready:
        text = f"{_of(outcome.ready, queued)} {_fit(outcome.ready, queued)}."
        found.append(Reason(kind=ReasonKind.ENOUGH_CAPACITY, text=text, evidence=(("jobs", outcome.ready),)))
    return found


def _fit(ready: int, queued: DemandGroup) -> str:
    if _are_pods(queued):
        return f"{agree(ready, 'fits on a ready worker', 'fit on ready workers')}, where the scheduler of the cluster places them"
    fit = agree(ready, "fits on a ready worker and starts", "fit on ready workers and start")
    return f"{fit} in the order of the queue"


def _ahead(steps: PlanSteps, queued: DemandGroup) -> list[Reason]:
    """More urgent jobs of anybody that compete for the same places, and older ones of the same user."""
    mine = queued.asks
    urgent = older = 0
    for other in _rivals(steps, queued):
        if other.asks.priority > mine.priority:
            urgent += other.count
        elif other.asks.priority == mine.priority and other.asks.user == mine.user:
            theirs = (other.oldest_ready_at_ms, other.class_id)
            older += other.count if theirs < (queued.oldest_ready_at_ms, queued.class_id) else 0
    if not urgent and not older:
        return []
    ahead = [counted(urgent, "queued job") + " of a higher priority"] if urgent else []
    ahead += [counted(older, "older job") + " of the same user"] if older else []
    text = f"{listed(ahead)} {agree(urgent + older, 'is', 'are')} ahead in the queue."
    evidence = (("more_urgent", urgent), ("older_of_user", older))
    return [Reason(kind=ReasonKind.AHEAD_IN_QUEUE, text=text, evidence=evidence)]


def _shared(
    steps: PlanSteps, queued: DemandGroup, holding: Mapping[UserName, Standing] | None
) -> list[Reason]:
    mine = queued.asks
    rivals = [
        other
        for other in _rivals(steps, queued)
        if other.asks.priority == mine.priority and other.asks.user != mine.user
    ]
    if not rivals:
        return []
    users, jobs = len({other.asks.user for other in rivals}), sum(other.count for other in rivals)
    have = agree(users, "has", "have")
    text = (
        f"Free capacity is shared by weight with {counted(users, 'other user')}, who {have} "
        f"{counted(jobs, 'queued job')} of the same priority."
    )
    evidence: tuple[tuple[str, int | float | str], ...] = (("users", users), ("jobs", jobs))
    if holding:
        told, more = _standing(mine.user, {other.asks.user for other in rivals}, holding)
        text, evidence = sentences(text, told), (*evidence, *more)
    return [Reason(kind=ReasonKind.FAIR_SHARE, text=text, evidence=evidence)]


def _standing(
    user: UserName, others: Set[UserName], holding: Mapping[UserName, Standing]
) -> tuple[str, tuple[tuple[str, int | float | str], ...]]:
    """Whose turn it is by what everybody holds already."""
    nobody = Standing(weight=1, share=0.0)
    mine = holding.get(user, nobody)
    before = sum(holding.get(other, nobody).level < mine.level for other in others)
    text = (
        f"{user} uses {mine.share:.0%} of the fleet with weight {mine.weight}; {before or 'none'} of them "
        + agree(max(1, before), "uses less for its weight", "use less for their weight")
        + (f" and {agree(before, 'is', 'are')} served first." if before else ".")
    )
    return text, (("held_share", round(mine.share, 4)), ("weight", mine.weight), ("users_before", before))


def _rivals(steps: PlanSteps, queued: DemandGroup) -> list[DemandGroup]:
    """Other classes that may use some of the same places."""
    kinds = steps.snapshot.kinds
    mine = kinds.allowed(queued.asks)
    return [
        other
        for other in steps.snapshot.queue
        if other.class_id != queued.class_id and not mine.isdisjoint(kinds.allowed(other.asks))
    ]


def _pools(steps: PlanSteps, queued: DemandGroup) -> list[Reason]:
    """Each pool that could take it: what it has, and the limit that bounds it next."""
    found = []
    for view in steps.snapshot.fits_in(queued):
        name = view.spec.name
        growth_limit, templates = steps.demand_limits[name], steps.snapshot.templates_for(queued, view)
        most, binding = may_make(growth_limit, templates), binding_for(growth_limit, templates)
        ready = sum(worker.state is WorkerState.READY and not worker.cordoned for worker in view.workers)
        limit = f"Driver {view.spec.stopped_by} is frozen." if view.spec.driver_frozen else binding.text
        text = sentences(
            f"Pool {name} can run it: {counted(ready, 'worker')} {agree(ready, 'is', 'are')} ready, {view.in_flight} "
            f"{agree(view.in_flight, 'is', 'are')} starting, and {most} more may be created now",
            limit,
        )
        flips = [pair for pair in binding.evidence if pair[0] == "flips"]
        evidence = (("ready", ready), ("in_flight", view.in_flight), ("may_make", most), *flips)
        found.append(Reason(kind=binding.kind, text=text, evidence=evidence))
    return found
