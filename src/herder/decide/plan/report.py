"""The report of a plan: for each pool the observation and the conclusion, for jobs without a place the limit that binds.

Called by the planner when all is decided. It decides nothing; every pool gets at least one reason, with numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from herder.decide.eligibility.admission import refusal
from herder.decide.plan.kept import why_kept
from herder.decide.scaling.combine import Combined
from herder.decide.scaling.failed_triggers import Failures
from herder.decide.scaling.limits import GrowthLimit, binding_for
from herder.decide.scaling.proposals import WorkerRequest
from herder.decide.scaling.scale_down.expired_and_surplus import expired_count
from herder.decide.scaling.scale_down.idle import IdleResult
from herder.decide.scaling.snapshot import PoolView, Snapshot, noun_of
from herder.decide.scaling.triggers.queued_jobs import DemandOutcome, QueueResult
from herder.model.ids import PlanNumber, PoolName
from herder.model.planning.observed import Observed
from herder.model.planning.plan import (
    Action,
    CreateWorker,
    DrainWorker,
    Plan,
    PoolReport,
    Reason,
    ReasonKind,
    UnplacedDemand,
)
from herder.model.values.phrases import agree, counted, listed, sentences
from herder.model.work.demand import DemandGroup, apart_of

#: Demand without a place that a plan lists, class by class.
UNPLACED_MAX = 1_000


def unseen_sections(observed: Observed) -> tuple[str, ...]:
    sections = (("workers", observed.workers_as_of_ms), ("queued jobs", observed.demand_as_of_ms))
    return tuple(name for name, as_of_ms in sections if as_of_ms is None)


def waiting_plan(snapshot: Snapshot, number: PlanNumber, now_ms: int, unseen: Sequence[str]) -> Plan:
    """No action: what was never seen is unknown, not zero."""
    reason = waiting_reason(unseen)
    jobs = _jobs_by_pool(snapshot)
    return Plan(
        number=number,
        made_at_ms=now_ms,
        actions=(),
        pools=tuple(
            PoolReport(
                pool=view.spec.name,
                actual=view.actual,
                in_flight=view.in_flight,
                desired=view.actual + view.in_flight,
                queued_jobs=jobs[view.spec.name],
                reasons=(reason,),
            )
            for view in snapshot.pools
        ),
    )


def waiting_reason(unseen: Sequence[str]) -> Reason:
    return Reason(
        kind=ReasonKind.WAITING_ON_OBSERVATION,
        text=(
            f"The {listed(unseen)} have not been observed since the server started. "
            "No worker is created or removed until they have."
        ),
        evidence=tuple((f"{section} as of", "never") for section in unseen),
    )


def pool_reports(
    snapshot: Snapshot,
    growth_limits: Mapping[PoolName, GrowthLimit],
    demand_limits: Mapping[PoolName, GrowthLimit],
    queue: QueueResult,
    combined: Combined,
    idle: Mapping[PoolName, IdleResult],
    notes: Mapping[PoolName, tuple[Reason, ...]],
    actions: Sequence[Action],
    now_ms: int,
) -> tuple[PoolReport, ...]:
    jobs, held = _jobs_by_pool(snapshot), _held_by_pool(snapshot, demand_limits, queue)
    failures = Failures()

    def report_of(view: PoolView) -> PoolReport:
        name = view.spec.name
        creates = [each for each in actions if isinstance(each, CreateWorker) and each.spec.pool == name]
        drains = [each for each in actions if isinstance(each, DrainWorker) and each.pool == name]
        short = queue.beyond_limits.get(name, 0) + combined.short(name)
        reasons = [
            *_made(creates),
            *_held_back(view, held[name]),
            *_cut(view, growth_limits[name], combined.cut.get(name, ())),
            *combined.unpaid_notes.get(name, ()),
            *_gone(drains),
            *idle[name].held_back,
            *_unsaid(notes.get(name, ()), idle[name].held_back),
            *_frozen_expired(view, now_ms),
        ]
        return PoolReport(
            pool=name,
            actual=view.actual,
            in_flight=view.in_flight,
            desired=len(view.staying) + len(creates) + short - len(drains),
            queued_jobs=jobs[name],
            reasons=(
                *(reasons or (_nothing_to_do(snapshot, view, queue, jobs[name], now_ms),)),
                *((snapshot.note,) if snapshot.note is not None and jobs[name] else ()),
                *snapshot.not_considered(view.spec.cluster),
            ),
        )

    def without_reasons(view: PoolView) -> PoolReport:
        return PoolReport(
            pool=view.spec.name,
            actual=view.actual,
            in_flight=view.in_flight,
            desired=len(view.staying),
            queued_jobs=jobs[view.spec.name],
            reasons=failures.of(view.spec.name),
        )

    return tuple(
        failures.attempt(
            (view.spec.name,), "report", partial(report_of, view), partial(without_reasons, view)
        )
        for view in snapshot.pools
    )


def unplaced(
    snapshot: Snapshot, growth_limits: Mapping[PoolName, GrowthLimit], queue: QueueResult
) -> tuple[UnplacedDemand, ...]:
    result = []
    for queued in snapshot.queue:
        outcome = queue.outcome[queued.class_id]
        if outcome.nowhere:
            reason = binding_reason(snapshot, growth_limits, queued, outcome)
            result.append(UnplacedDemand(class_id=queued.class_id, count=outcome.nowhere, reason=reason))
    result += [
        UnplacedDemand(class_id=each.queued.class_id, count=each.count, reason=each.reason)
        for each in snapshot.held_back
    ]
    return tuple(result[:UNPLACED_MAX])


def binding_reason(
    snapshot: Snapshot,
    growth_limits: Mapping[PoolName, GrowthLimit],
    queued: DemandGroup,
    outcome: DemandOutcome,
) -> Reason:
    """Why jobs of this class have no place: the limit of the pool that would take them, or that nothing fits them."""
    if outcome.held_by is not None:
        return _binding(snapshot, growth_limits[outcome.held_by], snapshot.pool(outcome.held_by), queued)
    request = queued.asks.request
    refused = refusal(queued.asks, {view.spec.name: view.spec for view in snapshot.pools})
    text = str(refused) if refused else f"No template that the job may use is large enough for {request}."
    if refused is None and apart_of(queued.asks) is not None:
        text = (
            "The pods keep apart from other pods (anti-affinity, topology spread or host ports), and no worker or zone that may be used "
            "is left for them. Add a zone to a template, or relax the rule."
        )
    evidence = refused.evidence if refused else tuple(request.amounts().items())
    return Reason(kind=ReasonKind.NOTHING_FITS, text=text, evidence=evidence)


def _jobs_by_pool(snapshot: Snapshot) -> dict[PoolName, int]:
    """How many queued jobs each pool could take, size aside. A job that may use several pools counts in each."""
    jobs = {view.spec.name: 0 for view in snapshot.pools}
    for queued in snapshot.queue:
        for view in snapshot.may_use(queued):
            jobs[view.spec.name] += queued.count
    return jobs


def _binding(snapshot: Snapshot, growth_limit: GrowthLimit, view: PoolView, queued: DemandGroup) -> Reason:
    """The limit of the pool, or that of the templates that would fit."""
    return binding_for(growth_limit, snapshot.templates_for(queued, view))


def _held_by_pool(
    snapshot: Snapshot, growth_limits: Mapping[PoolName, GrowthLimit], queue: QueueResult
) -> dict[PoolName, dict[Reason, int]]:
    """How many jobs without a place each pool could take if its limits let it, by the limit that binds."""
    held: dict[PoolName, dict[Reason, int]] = {view.spec.name: {} for view in snapshot.pools}
    for queued in snapshot.queue:
        nowhere = queue.outcome[queued.class_id].nowhere
        if nowhere:
            for view in snapshot.fits_in(queued):
                reason = _binding(snapshot, growth_limits[view.spec.name], view, queued)
                mine = held[view.spec.name]
                mine[reason] = mine.get(reason, 0) + nowhere
    return held


def _made(creates: Iterable[CreateWorker]) -> list[Reason]:
    """The distinct reasons, in order."""
    return list(dict.fromkeys(create.reason for create in creates))


def _held_back(view: PoolView, held: Mapping[Reason, int]) -> list[Reason]:
    noun = noun_of(view.spec)
    return [
        Reason(
            kind=binding.kind,
            text=sentences(
                binding.text,
                f"{counted(jobs, noun)} that it can run {agree(jobs, 'has', 'have')} no place",
            ),
            evidence=(*binding.evidence, ("jobs_without_place", jobs)),
        )
        for binding, jobs in held.items()
    ]


def _cut(view: PoolView, growth_limit: GrowthLimit, cut: Sequence[tuple[WorkerRequest, int]]) -> list[Reason]:
    """What the pool itself wants and a limit keeps from it."""
    found: list[Reason] = []
    for ask, missing in cut if view.spec.templates else ():
        binding = growth_limit.binding_minimum if ask.minimum else growth_limit.binding
        what = "its minimum" if ask.minimum else _WANTED.get(ask.reason.kind, "what it wants")
        text = sentences(binding.text, f"It is short of {counted(missing, 'worker')} for {what}")
        evidence = (*binding.evidence, ("missing", missing))
        found.append(Reason(kind=binding.kind, text=text, evidence=evidence))
    return found


_WANTED = {
    ReasonKind.HEADROOM: "its headroom",
    ReasonKind.TARGET_UTILISATION: "its target_utilisation",
    ReasonKind.CPU_PRESSURE: "its cpu_pressure",
    ReasonKind.MEMORY_PRESSURE: "its memory_pressure",
    ReasonKind.CUSTOM_METRIC: "its metrics",
    ReasonKind.STOCK: "its warm workers (wait_cost)",
}


def _gone(drains: Iterable[DrainWorker]) -> list[Reason]:
    by_kind: dict[ReasonKind, list[DrainWorker]] = {}
    for drain in drains:
        by_kind.setdefault(drain.reason.kind, []).append(drain)
    found = []
    for kind, group in by_kind.items():
        if len(group) == 1:
            found.append(group[0].reason)
        else:
            text = f"{len(group)} workers are removed; the first is {group[0].worker}. {group[0].reason.text}"
            found.append(Reason(kind=kind, text=text, evidence=(("workers", len(group)),)))
    return found


def _unsaid(notes: Sequence[Reason], said: Sequence[Reason]) -> list[Reason]:
    """That something is not known is said once, and so is what failed."""
    waiting = ReasonKind.WAITING_ON_OBSERVATION
    unknown = any(reason.kind is waiting for reason in said)
    return [note for note in notes if note not in said and not (unknown and note.kind is waiting)]


def _frozen_expired(view: PoolView, now_ms: int) -> list[Reason]:
    expired = expired_count(view, now_ms) if view.spec.frozen else 0
    if not expired:
        return []
    past = agree(expired, "is past its ttl and stays", "are past their ttl and stay")
    why = f"cluster {view.spec.cluster} is not seen" if view.spec.unseen else "the pool is frozen"
    text = f"{counted(expired, 'worker')} of pool {view.spec.name} {past}, because {why}."
    return [Reason(kind=ReasonKind.FROZEN, text=text, evidence=(("expired", expired),))]


def _nothing_to_do(snapshot: Snapshot, view: PoolView, queue: QueueResult, jobs: int, now_ms: int) -> Reason:
    """That the demand is met, or what keeps it from being met, and which rules keep the workers that exist."""
    seen = (("workers", view.actual), ("in_flight", view.in_flight), ("queued_jobs", jobs))
    met = _demand_met(snapshot, view, queue, jobs)
    kept = why_kept(view, now_ms)
    evidence = (*seen, *met.evidence, *(pair for rule in kept for pair in rule.evidence))
    return Reason(kind=met.kind, text=sentences(met.text, *(rule.text for rule in kept)), evidence=evidence)


def _demand_met(snapshot: Snapshot, view: PoolView, queue: QueueResult, jobs: int) -> Reason:
    name = view.spec.name
    if view.spec.unseen:
        text = sentences(f"Pool {name} creates and removes no workers", view.spec.unseen)
        return Reason(kind=ReasonKind.WAITING_ON_OBSERVATION, text=text, evidence=(("frozen", 1),))
    if view.spec.frozen:
        text = f"Pool {name} is frozen, and there is nothing to do."
        return Reason(kind=ReasonKind.FROZEN, text=text, evidence=(("frozen", 1),))
    noun = noun_of(view.spec)
    if not jobs and snapshot.held_back:
        waiting = sum(each.count for each in snapshot.held_back)
        text = (
            f"{counted(waiting, 'queued job')} {agree(waiting, 'waits', 'wait')} for {_what(snapshot)}, so no worker is created for "
            f"{agree(waiting, 'it', 'them')}. No other job is queued for pool {name}."
        )
        kind = snapshot.held_back[0].reason.kind
        return Reason(kind=kind, text=text, evidence=(("held_back", waiting),))
    if not jobs:
        have = f"{counted(view.actual, 'worker')} {agree(view.actual, 'exists', 'exist')}"
        text = f"No {noun} may use pool {name}; {have} and {view.in_flight} {agree(view.in_flight, 'is', 'are')} starting."
        return Reason(kind=ReasonKind.NO_DEMAND, text=text)
    classes = (queued for queued in snapshot.queue if view in tuple(snapshot.may_use(queued)))
    nowhere = sum(queue.outcome[queued.class_id].nowhere for queued in classes)
    if nowhere:
        large = agree(nowhere, "is too large for its templates", "are too large for its templates")
        text = f"{nowhere:,} of {jobs:,} {noun}s that may use pool {name} {large}."
        return Reason(kind=ReasonKind.NOTHING_FITS, text=text, evidence=(("too_large", nowhere),))
    have = f"The {noun} that may use" if jobs == 1 else f"All {jobs:,} {noun}s that may use"
    text = (
        f"{have} pool {name} {agree(jobs, 'has', 'have')} a place on existing, starting or planned workers."
    )
    return Reason(kind=ReasonKind.ENOUGH_CAPACITY, text=text)


def _what(snapshot: Snapshot) -> str:
    """What holds jobs back: quotas, budgets, alerts, or several of them."""
    kinds = {each.reason.kind for each in snapshot.held_back}
    named = {ReasonKind.QUOTA: "quota", ReasonKind.BUDGET: "a budget", ReasonKind.ALERT: "an alert"}
    return listed([name for kind, name in named.items() if kind in kinds], "or")
