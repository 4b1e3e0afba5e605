"""The planner: an observation and the time become a plan. Read `decide` top-down; each step is one file.

Called by the scaling loop, by dry runs, by `herder plan` and by simulations, all with the same answer. It is pure: the
same input gives the same plan, byte for byte, whatever the order of its parts. A plan that has been applied needs no
other plan. It must never act on a section of the observation that was never seen, nor take unknown for zero.
"""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import partial

from herder.decide.plan import report, upkeep_steps
from herder.decide.plan.budget_step import paid_for, queue_paid_for
from herder.decide.plan.consolidation_step import consolidated
from herder.decide.plan.creations import creations
from herder.decide.scaling import limits
from herder.decide.scaling.cheaper import Settled
from herder.decide.scaling.combine import Combined, combine
from herder.decide.scaling.failed_triggers import Failures
from herder.decide.scaling.limits import GrowthLimit
from herder.decide.scaling.offers import spot_only, zones
from herder.decide.scaling.offers.backoff import cheapest_first
from herder.decide.scaling.proposals import TriggerResult, WorkerRequest, workers_by_offer
from herder.decide.scaling.scale_down import expired_and_surplus, spot_preemption
from herder.decide.scaling.scale_down import idle as scale_down
from herder.decide.scaling.scale_down.idle import IdleResult
from herder.decide.scaling.scale_down.replacement import Replacements
from herder.decide.scaling.scale_down.spot_preemption import Need
from herder.decide.scaling.signals import pressure
from herder.decide.scaling.signals import warm_workers as stocks
from herder.decide.scaling.signals.utilisation import load_of
from herder.decide.scaling.signals.warm_workers import Stock
from herder.decide.scaling.snapshot import PoolView, Snapshot, snapshot_of
from herder.decide.scaling.triggers import (
    any_concerned,
    ask_all,
    minimum,
    pending_pods,
    queue_threshold,
    queued_jobs,
    warm_workers,
)
from herder.decide.scaling.triggers.queued_jobs import QueueResult
from herder.model.fleet.offer import OfferName
from herder.model.ids import PlanNumber, PoolName, WorkerName
from herder.model.planning.observed import Observed
from herder.model.planning.plan import Action, CreateWorker, DrainWorker, Plan, Reason


def decide(observed: Observed, now_ms: int, steps: "PlanSteps | None" = None) -> Plan:
    """What should be made and drained now, and why; also why not. `steps` on this observation, where the caller has them."""
    unseen = report.unseen_sections(observed)
    if unseen:
        return report.waiting_plan(snapshot_of(observed, now_ms), observed.plan_number, now_ms, unseen)
    steps = steps or plan_steps(observed, now_ms)
    actions: tuple[Action, ...] = (
        *steps.creations(observed.plan_number, now_ms),
        *steps.drains,
    )
    return Plan(
        number=observed.plan_number,
        made_at_ms=now_ms,
        actions=actions,
        pools=report.pool_reports(
            steps.snapshot,
            steps.growth_limits,
            steps.demand_limits,
            steps.queue,
            steps.combined,
            steps.idle,
            steps.notes,
            actions,
            now_ms,
        ),
        unplaced=report.unplaced(steps.snapshot, steps.demand_limits, steps.queue),
        cost_pico_per_hour=steps.queue.cost_pico_per_hour,
        bound_pico_per_hour=steps.queue.bound_pico_per_hour,
        needs=steps.needs,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSteps:
    """What each step concluded: the plan is written from it, and `explain` answers from it."""

    snapshot: Snapshot
    growth_limits: Mapping[PoolName, GrowthLimit]
    demand_limits: Mapping[PoolName, GrowthLimit]
    """Of them what is left for the demand: a pool may wait before it grows for pods."""
    must_leave: tuple[DrainWorker, ...]
    queue: QueueResult
    combined: Combined
    idle: Mapping[PoolName, IdleResult]
    notes: Mapping[PoolName, tuple[Reason, ...]] = field(default_factory=dict)
    """What triggers have to say that want nothing now."""
    needs: tuple[tuple[PoolName, str, int], ...] = ()
    replaced: Mapping[PoolName, Replacements] = field(default_factory=dict)

    @property
    def drains(self) -> tuple[DrainWorker, ...]:
        return (*self.must_leave, *(drain for answer in self.idle.values() for drain in answer.drains))

    def creations(self, plan: PlanNumber, now_ms: int) -> tuple[CreateWorker, ...]:
        return creations(self.snapshot, self.combined.proposals, plan, now_ms)


def plan_steps(observed: Observed, now_ms: int) -> PlanSteps:
    """The steps of a plan, in order. Every section must have been seen."""
    failures = Failures()
    snapshot = snapshot_of(observed, now_ms, failures)

    # 1. Who leaves whatever the demand: what leaves is no capacity any more.
    must_leave = tuple(drain for view in snapshot.pools for drain in _removals(view, failures, now_ms))
    leaving = frozenset(drain.worker for drain in must_leave)
    short, preempted = _preempted(snapshot, leaving, failures, now_ms)
    must_leave = (*must_leave, *preempted.drains)
    leaving = leaving | {drain.worker for drain in preempted.drains}

    # 2. How many workers each pool may make now, and which old ones are replaced.
    growth_limits = _growth_limits(snapshot, short, leaving, failures, now_ms)
    upkeep = upkeep_steps.upkeep(observed, snapshot, growth_limits, leaving, failures, now_ms)
    must_leave, leaving = (*must_leave, *upkeep.drains), upkeep.leaving

    # 3. What the triggers ask for: the queue first, and what the pools themselves want on top of it.
    demand_limits = _demand_limits(snapshot, growth_limits, failures, now_ms)
    pack = partial(_queue, snapshot, leaving, failures)
    settled = queue_paid_for(snapshot, demand_limits, pack, failures)
    queue = settled.queue
    wants = {
        view.spec.name: _wants(view, growth_limits, leaving, queue, failures, now_ms)
        for view in snapshot.pools
    }
    asks = tuple(ask for answer in wants.values() for ask in answer.asks)
    combined = _combined(snapshot, growth_limits, queue, asks, failures)
    combined = upkeep_steps.with_successors(snapshot, growth_limits, combined, upkeep.replaced)
    needed = _needed(snapshot, leaving, queue, failures)
    wanted = _stocks(snapshot, needed, failures, now_ms)
    combined = _with_stock(snapshot, growth_limits, leaving, queue, combined, wanted, failures)
    combined = _spread(snapshot, growth_limits, combined, failures)

    # 4. Which workers are not needed; where that is unknown, none is removed.
    idle = {
        view.spec.name: _idle(view, leaving, queue, wanted[view.spec.name], failures, now_ms)
        for view in snapshot.pools
    }

    # 5. In quiet pools: which work could be moved together. No more than budgets pay for, all in all.
    moved = consolidated(snapshot, growth_limits, leaving, queue, combined, idle, failures, now_ms)
    combined = paid_for(snapshot, moved, failures)
    return PlanSteps(
        snapshot=snapshot,
        growth_limits=growth_limits,
        demand_limits=demand_limits,
        must_leave=tuple(drain for drain in must_leave if drain.pool not in failures.unplanned),
        queue=queue,
        combined=combined,
        idle=idle,
        notes=_notes(snapshot, settled, wants, failures, preempted.of, upkeep.of),
        replaced=upkeep.replaced,
        needs=tuple(
            (pool, template, count) for pool, each in needed.items() for template, count in each.items()
        ),
    )


def _notes(
    snapshot: Snapshot,
    settled: Settled,
    wants: Mapping[PoolName, TriggerResult],
    failures: Failures,
    *steps: Callable[[PoolName], Iterable[Reason]],
) -> dict[PoolName, tuple[Reason, ...]]:
    """What triggers and steps have to say of each pool, each once."""
    found = {}
    for view in snapshot.pools:
        name = view.spec.name
        said = (note for each in steps for note in each(name))
        of_money = (*settled.notes.get(name, ()), *spot_only.notes(view))
        found[name] = tuple(dict.fromkeys((*said, *wants[name].notes, *of_money, *failures.of(name))))
    return found


def _preempted(
    snapshot: Snapshot, leaving: Set[WorkerName], failures: Failures, now_ms: int
) -> tuple[tuple[Need, ...], spot_preemption.SpotResult]:
    """Which pools wait for capacity, and which spot workers give theirs."""
    concerned = [view.spec.name for view in snapshot.pools if view.spec.scale_up.preempts_spot]

    def ask() -> tuple[tuple[Need, ...], spot_preemption.SpotResult]:
        short = spot_preemption.needs(snapshot, leaving, now_ms)
        return short, spot_preemption.ask(snapshot, short, leaving, now_ms)

    if not concerned:
        return (), spot_preemption.SpotResult()
    return failures.attempt(concerned, "preempts_spot", ask, lambda: ((), spot_preemption.SpotResult()))


def _queue(
    snapshot: Snapshot,
    leaving: Set[WorkerName],
    failures: Failures,
    growth_limits: Mapping[PoolName, GrowthLimit],
) -> QueueResult:
    ask = partial(queued_jobs.ask, snapshot, growth_limits, leaving)
    pools = tuple(view.spec.name for view in snapshot.pools)
    return failures.attempt(pools, queued_jobs.NAME, ask, partial(queued_jobs.unknown, snapshot))


def _demand_limits(
    snapshot: Snapshot, growth_limits: Mapping[PoolName, GrowthLimit], failures: Failures, now_ms: int
) -> Mapping[PoolName, GrowthLimit]:
    few = [view.spec.name for view in snapshot.pools if queue_threshold.concerns(view.spec)]
    wait = partial(queue_threshold.limits_for_demand, snapshot, growth_limits)
    growth_limits = failures.attempt(few, "queue_threshold", wait, partial(dict, growth_limits))
    concerned = [view.spec.name for view in snapshot.pools if pending_pods.concerns(view.spec)]
    if not concerned:
        return growth_limits
    ask = partial(pending_pods.limits_for_demand, snapshot, growth_limits, now_ms)
    return failures.attempt(concerned, "pending_pods", ask, lambda: dict(growth_limits))


def _idle(
    view: PoolView,
    leaving: Set[WorkerName],
    queue: QueueResult,
    wanted: Mapping[str, Stock],
    failures: Failures,
    now_ms: int,
) -> IdleResult:
    name = view.spec.name
    if failures.of(name):
        return IdleResult()
    ask = partial(scale_down.idle, view, leaving, queue.used, now_ms, queue.taken[name], wanted)
    return failures.attempt((name,), "scale_down", ask, IdleResult)


def _growth_limits(
    snapshot: Snapshot, short: tuple[Need, ...], leaving: Set[WorkerName], failures: Failures, now_ms: int
) -> dict[PoolName, GrowthLimit]:
    """By pool; no spot is made where a pool waits for capacity. A pool whose limits are not known makes nothing."""

    def limit_of(view: PoolView) -> GrowthLimit:
        found = spot_only.limited(view, limits.growth_limit(view, now_ms, leaving))
        if not short:
            return found
        return limits.without(
            found, tuple(spot_preemption.yields_to(short, view, offer) for offer in view.templates)
        )

    return {
        view.spec.name: failures.attempt(
            (view.spec.name,), "limits", partial(limit_of, view), partial(_no_growth, view, failures)
        )
        if view.spec.name not in failures.unplanned
        else _no_growth(view, failures)
        for view in snapshot.pools
    }


def _no_growth(view: PoolView, failures: Failures) -> GrowthLimit:
    return limits.none(view, failures.of(view.spec.name)[-1])


def _removals(view: PoolView, failures: Failures, now_ms: int) -> tuple[DrainWorker, ...]:
    ask = partial(expired_and_surplus.must_leave, view, now_ms)
    return failures.attempt((view.spec.name,), "removals", ask, tuple[DrainWorker, ...])


def _combined(
    snapshot: Snapshot,
    growth_limits: Mapping[PoolName, GrowthLimit],
    queue: QueueResult,
    asks: tuple[WorkerRequest, ...],
    failures: Failures,
) -> Combined:
    """Without it, what the queue needs is made and nothing beyond it."""
    ask = partial(combine, queue.proposals, asks, snapshot.pools, growth_limits)
    pools = dict.fromkeys(each.pool for each in asks)
    return failures.attempt(pools, "combine", ask, partial(Combined, proposals=queue.proposals, cut={}))


def _spread(
    snapshot: Snapshot,
    growth_limits: Mapping[PoolName, GrowthLimit],
    combined: Combined,
    failures: Failures,
) -> Combined:
    """Without it, workers are made where they are cheapest."""
    ask = partial(zones.spread, combined.proposals, snapshot, growth_limits)
    pools = dict.fromkeys(each.pool for each in combined.proposals)
    return replace(combined, proposals=failures.attempt(pools, "zones", ask, lambda: combined.proposals))


def _needed(
    snapshot: Snapshot, leaving: Set[WorkerName], queue: QueueResult, failures: Failures
) -> dict[PoolName, dict[str, int]]:
    """Workers by template that have something to do, in pools that learn from it how suddenly that rises."""
    found: dict[PoolName, dict[str, int]] = {}
    for view in snapshot.pools:
        if view.spec.scale_up.wait_cost is not None and queue.known:
            needs = partial(warm_workers.needs_of, view, leaving, queue.used, queue.proposals)
            found[view.spec.name] = failures.attempt((view.spec.name,), "stock", needs, dict[str, int])
    return found


def _stocks(
    snapshot: Snapshot, needed: Mapping[PoolName, Mapping[str, int]], failures: Failures, now_ms: int
) -> dict[PoolName, dict[str, Stock]]:
    found: dict[PoolName, dict[str, Stock]] = {}
    for view in snapshot.pools:
        name = view.spec.name
        stocks_of = partial(stocks.stocks_of, view, needed.get(name, {}), now_ms)
        found[name] = failures.attempt((name,), "stock", stocks_of, dict[str, Stock])
    return found


def _with_stock(
    snapshot: Snapshot,
    growth_limits: Mapping[PoolName, GrowthLimit],
    leaving: Set[WorkerName],
    queue: QueueResult,
    combined: Combined,
    wanted: Mapping[PoolName, Mapping[str, Stock]],
    failures: Failures,
) -> Combined:
    """What was settled, and the idle workers that are worth their price beyond it."""
    others = combined.proposals[len(queue.proposals) :]
    for view in snapshot.pools:
        name = view.spec.name
        if wanted[name] and not view.spec.frozen:
            empties = warm_workers.empties_of(view, leaving, queue.used)
            ask = partial(
                warm_workers.ask, view, growth_limits[name], wanted[name], empties, queue.proposals, others
            )
            answer = failures.attempt((name,), "stock", ask, warm_workers.WarmWorkersResult)
            cut = {**combined.cut, name: (*combined.cut.get(name, ()), *answer.cut)}
            combined = Combined(
                proposals=(*combined.proposals, *answer.proposals), cut=cut if answer.cut else combined.cut
            )
    return combined


def _wants(
    view: PoolView,
    growth_limits: Mapping[PoolName, GrowthLimit],
    leaving: Set[WorkerName],
    queue: QueueResult,
    failures: Failures,
    now_ms: int,
) -> TriggerResult:
    """What a pool wants beyond the workers that the queue needs."""
    name = view.spec.name
    if name in failures.unplanned:
        return TriggerResult()
    mine = workers_by_offer(queue.proposals, name)
    least = partial(minimum.ask, view, leaving, sum(mine.values()), now_ms)
    below = failures.attempt((name,), "minimum", least, lambda: None)
    asks = () if below is None else (below,)
    if view.spec.frozen or not view.templates or not any_concerned(view.spec):
        return TriggerResult(asks=asks)
    answer = failures.attempt(
        (name,),
        "load",
        partial(_asked, view, growth_limits[name], leaving, queue, mine, now_ms),
        TriggerResult,
    )
    failures.add(name, answer.notes)
    ahead = (PoolName(each) for each in view.spec.scale_up.grows_after if each != name)
    first = next(
        (each for each in ahead if each in growth_limits and limits.can_grow(growth_limits[each])), None
    )
    answer = pressure.behind(view, answer, first)
    return TriggerResult(asks=(*asks, *answer.asks), notes=answer.notes)


def _asked(
    view: PoolView,
    growth_limit: GrowthLimit,
    leaving: Set[WorkerName],
    queue: QueueResult,
    mine: dict[OfferName, int],
    now_ms: int,
) -> TriggerResult:
    """What the triggers of a pool say of it. `mine`: workers that the queue makes of each of its offers."""
    load = load_of(view, leaving, queue.used, queue.taken[view.spec.name], in_flight=True)
    for offer, count in mine.items():
        load = load.with_more(view.offers[offer].allocatable, count)
    offers = cheapest_first(view, growth_limit.offers, mine) or sorted(
        growth_limit.offers, key=lambda offer: offer.price
    )
    return ask_all(view, load, view.offers[offers[0].offer].allocatable, now_ms)
