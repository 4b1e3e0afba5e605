"""Checks a plan against the observation before it is recorded: what must be true of every plan.

Called by the scaling loop and by simulations. It repeats no step of the planner on purpose: it knows only the rules. It
never changes a plan; a plan with a finding is not applied.
"""

from collections import Counter

from herder.decide.scaling.scale_down.windows import is_open
from herder.decide.scaling.snapshot import in_force
from herder.model.fleet.offer import OfferMemory, offers_of
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.upkeep import Disruption, budget_in_force
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PlanNumber, PoolName, worker_name
from herder.model.planning.observed import Observed, PoolHistory
from herder.model.planning.plan import CreateWorker, DrainWorker, Plan, ReasonKind
from herder.model.values.money import format_usd, most_cost_of

#: Drains that budgets bound, and what the budgets call them.
_BOUNDED = {
    ReasonKind.UNDER_USED: Disruption.UNDERUTILISED,
    ReasonKind.CONSOLIDATED: Disruption.CONSOLIDATION,
    ReasonKind.DRIFTED: Disruption.DRIFTED,
    ReasonKind.SOFT_EXPIRED: Disruption.SOFT_TTL,
    ReasonKind.EXPIRED: Disruption.EXPIRED,
}
_REPLACES = (Disruption.DRIFTED, Disruption.SOFT_TTL)
_LESS_NEEDED = (ReasonKind.IDLE, ReasonKind.UNDER_USED, ReasonKind.CONSOLIDATED)


def check_plan(observed: Observed, plan: Plan) -> tuple[str, ...]:
    """Findings in words; empty when the plan is clean."""
    windows = dict(observed.windows)
    pools = {
        pool.name: in_force(pool, windows.get(pool.name, ()), plan.made_at_ms)[0] for pool in observed.pools
    }
    creates = [action for action in plan.actions if isinstance(action, CreateWorker)]
    drains = [action for action in plan.actions if isinstance(action, DrainWorker)]
    return (
        *_unseen(observed, plan),
        *_names(observed, plan.number, creates),
        *(finding for create in creates for finding in _creation(pools, create)),
        *_limits(observed, pools, creates),
        *_money(observed, creates),
        *_drains(observed, pools, creates, drains),
        *(
            finding
            for pool in pools.values()
            for finding in _gentleness(observed, pool, drains, plan.made_at_ms)
        ),
        *(
            finding
            for memory in observed.offers
            for finding in _trial(pools, memory, creates, plan.made_at_ms)
        ),
        *_reasons(observed, plan),
    )


def _unseen(observed: Observed, plan: Plan) -> list[str]:
    found = []
    if plan.number != observed.plan_number:
        found.append(f"plan {plan.number} was made for observation {observed.plan_number}")
    if plan.actions and None in (observed.workers_as_of_ms, observed.demand_as_of_ms):
        found.append("it acts although a section was never observed")
    return found


def _names(observed: Observed, plan: PlanNumber, creates: list[CreateWorker]) -> list[str]:
    taken = {worker.name for worker in observed.workers}
    found = []
    for name, count in Counter(create.spec.name for create in creates).items():
        if count > 1:
            found.append(f"worker {name} is created {count} times")
        if name in taken:
            found.append(f"worker {name} is created and exists")
    for create in creates:
        ordinal = create.spec.name.rpartition("-")[2]
        derived = ordinal.isdecimal() and create.spec.name == worker_name(
            create.spec.pool, plan, int(ordinal)
        )
        if not derived or create.spec.plan != plan:
            found.append(f"the name of worker {create.spec.name} is not derived from plan {plan}")
    return found


def _creation(pools: dict[PoolName, PoolSpec], create: CreateWorker) -> list[str]:
    spec = create.spec
    pool = pools.get(spec.pool)
    if pool is None:
        return [f"worker {spec.name} is created in pool {spec.pool}, which does not exist"]
    found = []
    if pool.frozen:
        found.append(f"worker {spec.name} is created in pool {pool.name}, which is frozen")
    sold = [offer for template in pool.templates for offer in offers_of(template)]
    template = next((offer for offer in sold if offer.name == spec.template), None)
    if template is None:
        found.append(
            f"worker {spec.name} is created from template {spec.template}, which pool {pool.name} does not have"
        )
    elif (template.allocatable, template.slots) != (spec.allocatable, spec.slots):
        found.append(f"worker {spec.name} differs from its template {template.name}")
    elif all(
        (offer.id, offer.price_pico_per_hour) != (spec.offer, spec.price_pico_per_hour) for offer in sold
    ):
        found.append(
            f"worker {spec.name} is created from {spec.offer} at a price or in a zone that its template is not sold at"
        )
    return found


def _limits(observed: Observed, pools: dict[PoolName, PoolSpec], creates: list[CreateWorker]) -> list[str]:
    live = Counter(worker.spec.pool for worker in observed.workers if worker.state.live)
    staying = Counter(
        worker.spec.pool for worker in observed.workers if worker.state.live and not worker.state.leaving
    )
    found = []
    for name, made in sorted(Counter(create.spec.pool for create in creates).items()):
        pool = pools.get(name)
        if pool is None:
            continue
        if live[name] + made > pool.size.max_workers:
            found.append(
                f"pool {name} would have {live[name] + made} workers, and may have at most {pool.size.max_workers}"
            )
        if pool.size.max_live_workers is not None and staying[name] + made > pool.size.max_live_workers:
            found.append(
                f"pool {name} would have {staying[name] + made} workers that are not being drained, and may have at most {pool.size.max_live_workers}"
            )
        found += _quotas(observed, pool, creates)
        if made > pool.size.new_workers_per_cycle:
            found.append(
                f"pool {name} would create {made} workers, and may create at most {pool.size.new_workers_per_cycle} per cycle"
            )
    return found


def _quotas(observed: Observed, pool: PoolSpec, creates: list[CreateWorker]) -> list[str]:
    """What is written down for a zone."""
    made = Counter(create.spec.offer for create in creates if create.spec.pool == pool.name)
    there = Counter(each.spec.offer for each in observed.workers if each.spec.pool == pool.name)
    return [
        f"pool {pool.name} would have {there[offer.id] + made[offer.id]} workers of {offer.id}, and may have at most {offer.most}"
        for template in pool.templates
        for offer in offers_of(template)
        if offer.most is not None and made[offer.id] and there[offer.id] + made[offer.id] > offer.most
    ]


def _drains(
    observed: Observed,
    pools: dict[PoolName, PoolSpec],
    creates: list[CreateWorker],
    drains: list[DrainWorker],
) -> list[str]:
    """Every drain names another live worker, of its own pool, that is not on its way out: so drains are bounded too."""
    workers = {worker.name: worker for worker in observed.workers}
    made = {create.spec.name for create in creates}
    found = [
        f"worker {name} is drained {count} times"
        for name, count in Counter(drain.worker for drain in drains).items()
        if count > 1
    ]
    for drain in drains:
        worker = workers.get(drain.worker)
        if drain.worker in made:
            found.append(f"worker {drain.worker} is both created and drained")
        if worker is None or worker.state.ended:
            found.append(f"worker {drain.worker} is drained and does not exist")
        elif worker.state.leaving:
            found.append(f"worker {drain.worker} is drained and is being removed already")
        elif worker.spec.pool != drain.pool:
            found.append(
                f"worker {drain.worker} is drained in pool {drain.pool}, and it is in pool {worker.spec.pool}"
            )
        if drain.pool not in pools:
            found.append(f"worker {drain.worker} is drained in pool {drain.pool}, which does not exist")
        elif pools[drain.pool].frozen:
            found.append(f"worker {drain.worker} is drained in pool {drain.pool}, which is frozen")
    return found


def _money(observed: Observed, creates: list[CreateWorker]) -> list[str]:
    """What the new workers reserve is there, in the budget of each pool and in all above it."""
    needs: Counter[str] = Counter()
    for create in creates:
        reserves = most_cost_of(create.spec.price_pico_per_hour, observed.budgets.quantum_ms)
        for budget in observed.budgets.above(create.spec.pool):
            needs[budget.name] += reserves
    return [
        f"its workers reserve {format_usd(needs[each.name])} of budget {each.name}, which has {format_usd(each.left or 0)} left"
        for each in observed.budgets.budgets
        if needs[each.name] > max(0, each.left or 0)
    ]


def _gentleness(observed: Observed, pool: PoolSpec, drains: list[DrainWorker], now_ms: int) -> list[str]:
    """What is given up to save money: no more workers that work than the budget, no more in all than the degree."""
    workers = [worker for worker in observed.workers if worker.spec.pool == pool.name]
    mine = [drain for drain in drains if drain.pool == pool.name and drain.reason.kind in _LESS_NEEDED]
    found = _budgets(observed, pool, drains, now_ms)
    if pool.scale_down.fraction is not None and mine:
        past = dict(observed.history).get(pool.name, PoolHistory()).removals_ms
        since = now_ms - int(pool.scale_down.period_s * 1000)
        before = sum(at > since for at in past)
        staying = sum(worker.state.live and not worker.state.leaving for worker in workers)
        degree = max(1, int(pool.scale_down.fraction * (staying + before)))
        if before + len(mine) > degree:
            found.append(
                f"pool {pool.name} would remove {before + len(mine)} workers in a period, and may remove at most {degree}"
            )
    return found


def _budgets(observed: Observed, pool: PoolSpec, drains: list[DrainWorker], now_ms: int) -> list[str]:
    """No more workers at a time than the budget of the reason, and replacements only in a maintenance window."""
    workers = [worker for worker in observed.workers if worker.spec.pool == pool.name and worker.state.live]
    busy = {worker.name for worker in workers if worker.live_attempts}
    there = sum(not worker.state.in_flight for worker in workers)
    openings = dict(observed.openings).get(pool.name, ())
    found = []
    for kind, cause in _BOUNDED.items():
        mine = [drain for drain in drains if drain.pool == pool.name and drain.reason.kind is kind]
        replaced = cause in _REPLACES
        gone = sum(
            worker.state.leaving if replaced else worker.state is WorkerState.DRAINING for worker in workers
        )
        count = len(mine) if replaced else sum(drain.worker in busy for drain in mine)
        given = pool.scale_down.disruption_budget
        budget = budget_in_force(given, cause, there, openings, now_ms)
        if count and budget is not None and count + gone > budget.most:
            found.append(
                f"pool {pool.name} would drain {count + gone} workers at a time, and its disruption_budget is {budget.most}"
            )
        if mine and replaced and not is_open(pool, openings, now_ms):
            found.append(f"pool {pool.name} would replace workers outside its maintenance windows")
    return found


def _trial(
    pools: dict[PoolName, PoolSpec], memory: OfferMemory, creates: list[CreateWorker], now_ms: int
) -> list[str]:
    """Of an offer that failed none is made while it rests, and one when it is tried."""
    key, pool = memory.key, pools.get(memory.key.pool)
    if pool is None or not pool.creates(key.template, key.driver):
        return []
    until = memory.rests_until_ms(pool.scale_up.offer_backoff_s, pool.scale_up.offer_backoff_max_s)
    made = sum((create.spec.pool, create.spec.offer) == (key.pool, key.name) for create in creates)
    if until is None or made <= (now_ms >= until):
        return []
    return [
        f"{made} workers are created from template {key.name} of pool {key.pool}, which has failed recently"
    ]


def _reasons(observed: Observed, plan: Plan) -> list[str]:
    reported = Counter(report.pool for report in plan.pools)
    found = [
        f"pool {pool.name} has {reported[pool.name]} reports"
        for pool in observed.pools
        if reported[pool.name] != 1
    ]
    found += [
        f"the report on pool {report.pool} gives no reason" for report in plan.pools if not report.reasons
    ]
    reasons = [action.reason for action in plan.actions]
    reasons += [reason for report in plan.pools for reason in report.reasons]
    reasons += [demand.reason for demand in plan.unplaced]
    found += [f"a reason of kind {reason.kind} has no text" for reason in reasons if not reason.text]
    found += [f"a reason of kind {reason.kind} has no evidence" for reason in reasons if not reason.evidence]
    return found
