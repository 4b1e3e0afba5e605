"""Worlds that make the planner give each of its reasons. `REASONS` is what it says there, and why jobs wait there."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from herder.decide.plan.planner import decide
from herder.decide.plan.why_waiting import Standing, why_waiting
from herder.decide.scaling import triggers
from herder.model.fleet.metric import Metric, MetricReading
from herder.model.fleet.offer import FailureCause, OfferMemory, offers_of
from herder.model.fleet.pool import Consolidation, Headroom, PoolSpec, SpotUse, Zone
from herder.model.fleet.pressure import Measured, Pressure, WorkerUse
from herder.model.fleet.schedule import Schedule, Window
from herder.model.fleet.upkeep import Disruption, DisruptionBudget, Opening, TimeWindow
from herder.model.fleet.worker import WorkerState
from herder.model.ids import ClassId, PlanNumber, PoolName, UserName
from herder.model.planning.budgets import BudgetLeft, BudgetsLeft, RestrictedClass, SpotOnly, UnpaidClass
from herder.model.planning.demand_rises import Rises
from herder.model.planning.observed import Observed, ObservedWorker, PoolHistory, RunningClass
from herder.model.planning.plan import Reason
from herder.model.values.money import parse_usd
from herder.model.values.resources import Resources
from herder.model.work.sharing import Limits, ProjectQuota, Sharing, UserQuota
from tests.planning.world import (
    MINUTE,
    NOW,
    ONE_CORE,
    cores,
    idle,
    key_of,
    observed,
    pool,
    queued,
    template,
    worker,
)

SMALL, LARGE = template("small", 4, 120_000), template("large", 16, 480_000)
HOUR = 60 * MINUTE
NIGHT = TimeWindow(cron="0 2 * * 6", timezone="Europe/Berlin", duration_s=4 * 3600)
SATURDAY = ((PoolName("std"), (Opening(window=NIGHT, start_ms=NOW + HOUR, end_ms=NOW + 5 * HOUR),)),)
OLD = PoolHistory(last_grown_at_ms=NOW - HOUR, last_shrunk_at_ms=NOW - HOUR)


def busy(
    number: int, of: PoolSpec, used: int = 16, ends_ms: int | None = None, **more: object
) -> ObservedWorker:
    job = queued(1, 1, cores(used)).job_class
    runs = RunningClass(
        job_class=job,
        count=1,
        started_sum_ms=NOW - 5 * MINUTE,
        last_start_ms=NOW - 5 * MINUTE,
        ends_at_ms=None if ends_ms is None else NOW + ends_ms,
    )
    free = of.templates[0].allocatable.minus(cores(used))
    return worker(number, of, free=free, live_attempts=1, running=(runs,), **more)  # type: ignore[arg-type]


def one(**settings: object) -> PoolSpec:
    return pool("std", LARGE, **settings)


def full(limit: int = 2, **settings: object) -> tuple[PoolSpec, list[ObservedWorker]]:
    of = one(max_workers=limit, **settings)
    return of, [busy(n, of) for n in range(limit)]


def failed(of: PoolSpec, cause: FailureCause, times: int = 1, ago_ms: int = 5_000) -> OfferMemory:
    memory = OfferMemory(key=key_of(of, offers_of(of.templates[0])[0]))
    for _ in range(times):
        memory = memory.failed(cause, NOW - ago_ms, requested_at_ms=NOW - ago_ms)
    return memory


def window(of: PoolSpec, least: int, most: int | None = None) -> tuple[tuple[str, tuple[Window, ...]], ...]:
    schedule = Schedule(cron="0 8 * * *", min_workers=least, max_workers=most)
    return (
        (
            of.name,
            (Window(schedule=schedule, lead_from_ms=NOW - HOUR, start_ms=NOW - HOUR, end_ms=NOW + HOUR),),
        ),
    )


# --- why workers are made ---------------------------------------------------------------------------------------------


def below_minimum() -> Observed:
    return observed([pool("permanent", LARGE, min_workers=1)])


def scheduled() -> Observed:
    of = one()
    return replace(observed([of], [idle(1, of, 1)]), windows=window(of, 3))


def queued_jobs() -> Observed:
    return observed([pool("std", SMALL)], [], [queued(1, 5)])


def one_queued_job() -> Observed:
    return observed([pool("std", SMALL)], [], [queued(1, 1)])


def stock() -> Observed:
    of = one(wait_cost=30, max_workers=9, new_workers_per_cycle=1)
    past = PoolHistory(boot_s=120.0, rises=(("large", Rises(last_ms=(NOW - MINUTE,) * 3)),))
    return observed([of], [], [], {"std": past})


def headroom() -> Observed:
    return observed([one(headroom=Headroom(workers=2, free=cores(4)))])


def headroom_kept() -> Observed:
    of = one(headroom=Headroom(workers=1), idle_timeout_s=60.0)
    return observed([of], [idle(1, of), busy(2, of)])


def target_utilisation() -> Observed:
    of = one(target_utilisation=0.5)
    return observed([of], [busy(1, of, 12)])


def target_kept() -> Observed:
    of = one(target_utilisation=0.6, idle_timeout_s=60.0)
    return observed([of], [busy(1, of, 16), idle(2, of)])


def cpu_pressure(minutes: int = 5) -> Observed:
    of = one(cpu_pressure=Pressure(above=0.8))
    use = WorkerUse(cpu_milli=15_000, memory_mib=1, at_ms=NOW)
    workers = [busy(1, of, use=use), busy(2, of, use=use), busy(3, of, use=None)]
    return observed(
        [of], workers, [], {"std": PoolHistory(pressed_since_ms=((Measured.CPU, NOW - minutes * MINUTE),))}
    )


def young_pressure() -> Observed:
    return cpu_pressure(0)


def memory_pressure() -> Observed:
    of = one(memory_pressure=Pressure(above=0.8), idle_timeout_s=60.0)
    use = WorkerUse(cpu_milli=1, memory_mib=15 * 1024, at_ms=NOW)
    workers = [busy(1, of, use=use), idle(2, of, use=WorkerUse(cpu_milli=1, memory_mib=1, at_ms=NOW))]
    return observed(
        [of], workers, [], {"std": PoolHistory(pressed_since_ms=((Measured.MEMORY, NOW - HOUR),))}
    )


def pressure_enough() -> Observed:
    of = one(memory_pressure=Pressure(above=0.8))
    use = WorkerUse(cpu_milli=1, memory_mib=15 * 1024, at_ms=NOW)
    workers = [busy(1, of, use=use), worker(2, of, state=WorkerState.PROVISIONING)]
    return observed(
        [of], workers, [], {"std": PoolHistory(pressed_since_ms=((Measured.MEMORY, NOW - HOUR),))}
    )


def pressure_unknown() -> Observed:
    of = one(cpu_pressure=Pressure(above=0.8), idle_timeout_s=60.0)
    return observed([of], [busy(1, of), idle(2, of), busy(3, of)])


def custom_metric(value: float | None = 45.0, fault: str = "") -> Observed:
    of = one(metrics=(Metric(name="orders", source="prometheus", query="sum(orders)", per_worker=10.0),))
    reading = MetricReading(pool=of.name, metric="orders", value=value, at_ms=NOW, fault=fault)
    return replace(observed([of], [busy(1, of)]), metrics=(reading,))


def old_metric() -> Observed:
    return custom_metric(fault="http://p:9090 did not answer within 5 s")


def unknown_metric() -> Observed:
    return custom_metric(None, "http://p:9090 did not answer within 5 s")


def spot_is_short() -> Observed:
    of = pool("std", template("large", 16, 480, spot=SpotUse.PREFER))
    spot = next(offer for offer in offers_of(of.templates[0]) if offer.spot)
    memory = OfferMemory(key=key_of(of, spot)).failed(
        FailureCause.INTERRUPTED, NOW - 5_000, requested_at_ms=NOW
    )
    return replace(observed([of], [], [queued(1, 1)]), offers=(memory,))


# --- why workers go ---------------------------------------------------------------------------------------------------


def idle_workers() -> Observed:
    of = one(idle_timeout_s=30.0)
    return observed([of], [idle(1, of, 40 / 60), idle(2, of, 1), idle(3, of, 0.1)])


def one_idle_worker() -> Observed:
    of = one(idle_timeout_s=30.0)
    return observed([of], [idle(1, of, 40 / 60)])


def under_used(ends_ms: int | None = 2 * MINUTE) -> Observed:
    of = one(scale_down_fraction=0.2, target_utilisation=0.6)
    return observed([of], [busy(n, of, 1, ends_ms) for n in range(3)])


def under_used_for_unknown_time() -> Observed:
    return under_used(None)


def consolidated() -> Observed:
    of = one(consolidation=Consolidation.BREAK_EVEN)
    return observed([of], [busy(1, of, 8, 20 * HOUR), busy(2, of, 4, 20 * HOUR)], [], {"std": OLD})


def moved_to_cheaper() -> Observed:
    of = pool("std", LARGE, SMALL, consolidation=Consolidation.BREAK_EVEN)
    return observed([of], [busy(1, of, 2, 20 * HOUR)], [], {"std": replace(OLD, boot_s=60.0)})


def not_worth_moving() -> Observed:
    of = one(consolidation=Consolidation.BREAK_EVEN)
    workers = [busy(1, of, 8, MINUTE), busy(2, of, 8, MINUTE)]
    return observed([of], [replace(each, expires_at_ms=NOW + MINUTE) for each in workers], [], {"std": OLD})


def preempted(times: int = 1, spot_workers: int = 3, jobs: int = 0) -> Observed:
    of = pool("fixed", template("big", 16), min_workers=1, preempts_spot=True)
    spot = pool("cheap", template("spot", 8, spot=SpotUse.YES), disruption_budget=5)
    workers = [busy(n, spot, 8, at=NOW - n * HOUR) for n in range(1, spot_workers + 1)]
    queue = [queued(1, jobs, cores(8), pool="cheap")] if jobs else []
    return replace(
        observed([of, spot], workers, queue), offers=(failed(of, FailureCause.OUT_OF_CAPACITY, times, 0),)
    )


def preempts_no_more() -> Observed:
    return preempted(5)


def nothing_to_preempt() -> Observed:
    return preempted(spot_workers=1)


def yields() -> Observed:
    return preempted(jobs=3)


def expired(ago_ms: int = 305_000) -> Observed:
    of = one()
    return observed([of], [busy(1, of, expires_at_ms=NOW - ago_ms)])


def expired_in_grace() -> Observed:
    return expired(5_000)


def minimum_ends_soon() -> Observed:
    of = one(min_workers=2, max_workers=4)
    fleet = [idle(1, of, 1, expires_at_ms=NOW + 30_000), idle(2, of, 1, expires_at_ms=NOW + HOUR)]
    return observed([of], fleet, [], {"std": PoolHistory(boot_s=80.0)})


def expired_within_budget() -> Observed:
    of = one(disruption_budget=(DisruptionBudget(workers=0, reasons=(Disruption.EXPIRED,)),))
    return observed([of], [busy(1, of, expires_at_ms=NOW - HOUR)])


def drifted(workers: int = 1, **settings: object) -> Observed:
    """They were created before the pool had a label."""
    old = one(idle_timeout_s=None)
    fleet = [idle(n, old, 1, agent_version="1.0") for n in range(1, workers + 1)]
    of = one(idle_timeout_s=None, labels=(("disk", "ssd"),), **settings)
    return replace(
        observed([of], fleet), agent_version="2.0", agent_since_plan=PlanNumber(5), openings=SATURDAY
    )


def awaits_successor() -> Observed:
    return drifted(3, min_workers=3)


def successor_starts() -> Observed:
    seen = drifted(3, min_workers=3)
    return replace(seen, workers=(*seen.workers, worker(9, seen.pools[0], state=WorkerState.PROVISIONING)))


def no_successor() -> Observed:
    return replace(
        drifted(3, min_workers=3, scale_up_cooldown_s=60.0),
        history=((PoolName("std"), PoolHistory(last_grown_at_ms=NOW - 1_000)),),
    )


def maintenance_window() -> Observed:
    return drifted(3, maintenance_windows=(NIGHT,))


def replacement_budget() -> Observed:
    return drifted(2, disruption_budget=(DisruptionBudget(percent=10),))


def no_replacements_by_day() -> Observed:
    seen = drifted(1, disruption_budget=(DisruptionBudget(workers=0, window=NIGHT),))
    now = Opening(window=NIGHT, start_ms=NOW - HOUR, end_ms=NOW + HOUR)
    return replace(seen, openings=((PoolName("std"), (now,)),))


def soft_expired() -> Observed:
    of = one(ttl_soft_s=3600.0, ttl_jitter=0.0)
    return observed([of], [idle(1, of, 1, ready_at_ms=NOW - 2 * HOUR)])


def kept() -> Observed:
    seen = drifted(2)
    return replace(seen, workers=tuple(replace(each, cordoned=True) for each in seen.workers))


def kept_with_its_agent() -> Observed:
    of = one(idle_timeout_s=None)
    made = idle(2, of, 1, agent_version="1.0")
    made = replace(made, spec=replace(made.spec, plan=PlanNumber(6)))
    fleet = [idle(1, of, 1, agent_version="1.0"), made]
    return replace(observed([of], fleet), agent_version="2.0", agent_since_plan=PlanNumber(5))


def above_maximum() -> Observed:
    of, workers = full(3)
    return observed([replace(of, size=replace(of.size, max_workers=1))], workers)


# --- why less was done than asked -------------------------------------------------------------------------------------


def at_maximum() -> Observed:
    of, workers = full()
    return observed([of], workers, [queued(1, 3)])


def at_maximum_with_drains() -> Observed:
    of, workers = full()
    draining = replace(workers[0], state=WorkerState.DRAINING)
    return observed([of], [draining, workers[1]], [queued(1, 1, ONE_CORE)])


def near_maximum() -> Observed:
    of, workers = full(3)
    return observed([of], workers[:2], [queued(1, 3, cores(16))])


def scheduled_maximum() -> Observed:
    of, workers = full()
    return replace(observed([of], workers, [queued(1, 3)]), windows=window(of, 0, 2))


def no_workers_wanted() -> Observed:
    return observed([one(max_workers=0)], [], [queued(1, 3)])


def zone_limit() -> Observed:
    of = pool("std", template("large", 16, 480, zones=(Zone(name="a", max_workers=1),)))
    return observed([of], [busy(1, of)], [queued(1, 3)])


def per_cycle() -> Observed:
    return observed([one(new_workers_per_cycle=1)], [], [queued(1, 3, cores(16))])


def cooldown() -> Observed:
    of = one(scale_up_cooldown_s=60.0)
    return observed([of], [], [queued(1, 3)], {"std": PoolHistory(last_grown_at_ms=NOW - 51_000)})


def stored_with_a_short_ttl() -> Observed:
    of = one(min_workers=1, ttl_s=0.0)
    return observed([of], [], [], {"std": PoolHistory(last_grown_at_ms=NOW - 51_000)})


def scale_down_cooldown() -> Observed:
    of = one(idle_timeout_s=30.0, scale_down_cooldown_s=60.0)
    past = PoolHistory(last_shrunk_at_ms=NOW - 51_000)
    return observed([of], [idle(1, of), idle(2, of)], [], {"std": past})


def frozen() -> Observed:
    of = one(frozen=True)
    return observed([of], [busy(1, of, expires_at_ms=NOW - 1)], [queued(1, 3)])


def frozen_without_work() -> Observed:
    return observed([one(frozen=True)])


def frozen_driver() -> Observed:
    why = (
        "Driver gcp is frozen: its credentials were refused. Renew them, then run herder driver unfreeze gcp."
    )
    others = [pool(name, LARGE, frozen=True, driver_frozen=why, driver="gcp") for name in ("a", "b")]
    return observed(others, [], [queued(1, 3)])


def refused_bootstrap() -> Observed:
    why = "The credentials of bootstrap talos are refused (the certificate has expired). Its pools create no workers until they are accepted."
    return observed([one(bootstrap="talos", bootstrap_refused=why)], [], [queued(1, 3)])


def nothing_fits() -> Observed:
    return observed([one()], [], [queued(1, 3, cores(99)), queued(2, 1, ONE_CORE, pool="standrad")])


def offer_resting(cause: FailureCause = FailureCause.OUT_OF_CAPACITY, ago_ms: int = 5_000) -> Observed:
    of = one()
    return replace(observed([of], [], [queued(1, 3)]), offers=(failed(of, cause, 2, ago_ms),))


def offer_tried_again() -> Observed:
    of = one()
    seen = offer_resting(ago_ms=600_000)
    return replace(
        seen, workers=(worker(1, of, state=WorkerState.PROVISIONING, at=NOW - 1),), demand=(queued(1, 40),)
    )


def credentials_refused() -> Observed:
    return offer_resting(FailureCause.UNAUTHORISED)


def quota_exceeded() -> Observed:
    return offer_resting(FailureCause.QUOTA_EXCEEDED)


def at_live_maximum() -> Observed:
    of, workers = full(4, max_live_workers=2)
    return observed([of], workers[:2], [queued(1, 3)])


def spent(world: Observed, left: str, limit: str = "20", parent_left: str | None = None) -> Observed:
    above = () if parent_left is None else (budget("fleet", parent_left, "50"),)
    mine = budget("burst", left, limit, "fleet" if above else None)
    pools = tuple((each.name, "burst") for each in world.pools)
    return replace(world, budgets=BudgetsLeft(quantum_ms=15 * MINUTE, budgets=(mine, *above), pools=pools))


def budget(name: str, left: str, limit: str, parent: str | None = None) -> BudgetLeft:
    return BudgetLeft(name=name, limit_cents=int(limit) * 100, left=parse_usd(left), parent=parent)


def priced(price: str, **settings: object) -> PoolSpec:
    return pool("std", template("large", 16, parse_usd(price)), **settings)


def over_budget() -> Observed:
    return spent(observed([priced("2")], [], [queued(1, 3)]), "0.4")


def budget_for_some() -> Observed:
    return spent(
        observed([priced("2", max_workers=9)], [], [queued(1, 3, cores(16))]), "12.3", parent_left="1.2"
    )


def budget_for_several_sizes() -> Observed:
    of = pool(
        "std", template("small", 4, parse_usd("1.2")), template("large", 16, parse_usd("2")), max_workers=9
    )
    return spent(observed([of], [], [queued(1, 2, cores(3)), queued(2, 1, cores(16))]), "0.9")


def budget_for_cheaper_workers() -> Observed:
    of = pool(
        "std", template("small", 4, parse_usd("1.2")), template("large", 16, parse_usd("4")), max_workers=9
    )
    return spent(observed([of], [], [queued(1, 16)]), "0.9")


def overspent() -> Observed:
    world = spent(observed([priced("2", min_workers=2)]), "1")
    gone = replace(world.budgets.budgets[0], left=-parse_usd("0.01"))
    return replace(world, budgets=replace(world.budgets, budgets=(gone,)))


def unpaid_jobs() -> Observed:
    """Of a user whose budget pays for two of five jobs, and of one whose budget is spent."""
    world = observed([one()], [idle(1, one(), 1)], [queued(1, 5), queued(2, 1, user=UserName("bob"))])
    limit, needs = 2_000, parse_usd("0.5")
    ann = UnpaidClass(
        class_id=ClassId(1), count=3, budget="research", limit_cents=limit, left=parse_usd("1.2"), needs=needs
    )
    bob = UnpaidClass(class_id=ClassId(2), count=1, budget="of-bob", limit_cents=limit, left=0, needs=needs)
    return replace(world, unpaid=(ann, bob))


def only_unpaid_jobs() -> Observed:
    world = unpaid_jobs()
    return replace(world, demand=world.demand[1:], unpaid=world.unpaid[1:])


def restricted_jobs() -> Observed:
    """Of low priority: three of five wait while an alert throttles them, and one while another defers it."""
    world = observed([one()], [idle(1, one(), 1)], [queued(1, 5), queued(2, 1, user=UserName("bob"))])
    throttled = RestrictedClass(
        class_id=ClassId(1), count=3, alert="alert-0f6c1b2a9d3e", policy="compute-overallocation", action="throttle", below=0,
        until_ms=86_400_000,
    )  # fmt: skip
    deferred = replace(throttled, class_id=ClassId(2), count=1, action="defer_low_priority", until_ms=None)
    return replace(world, restricted=(throttled, deferred))


def gradual_limit() -> Observed:
    of = one(scale_down_fraction=0.2)
    return observed(
        [of], [idle(n, of) for n in range(8)], [], {"std": PoolHistory(removals_ms=(NOW - 5 * MINUTE,))}
    )


def disruption_budget() -> Observed:
    of = one(consolidation=Consolidation.BREAK_EVEN, disruption_budget=1)
    workers = [busy(1, of, 8), busy(2, of, 4), busy(3, of, 4, state=WorkerState.DRAINING)]
    return observed([of], workers, [], {"std": OLD})


def spot_only() -> Observed:
    of = pool(
        "std", template("steady", 16, parse_usd("1")), template("cheap", 16, parse_usd("2"), spot=SpotUse.YES)
    )
    world = observed([of], [], [queued(1, 1, cores(2))])
    mine = SpotOnly(pool=of.name, alert="alert-0f6c1b2a9d3e", policy="pool-budget", until_ms=86_400_000)
    return replace(world, spot_only=(mine,))


def shapes_grouped() -> Observed:
    queue = [queued(n, 1, Resources(100 + n % 1900, 64 + n, 0, 0)) for n in range(1, 1001)]
    return observed([one(max_workers=100, new_workers_per_cycle=100)], [], queue)


# --- why a job still waits, why nothing was done -----------------------------------------------------------------------


def ahead_and_shared() -> Observed:
    of, workers = full()
    bob = UserName("bob")
    queue = [
        queued(1, 5, at=NOW),
        queued(2, 1, at=NOW - 1),
        queued(3, 13, priority=3, user=bob),
        queued(4, 17, user=bob),
    ]
    return observed([of], workers, queue)


def quotas() -> Observed:
    of = one(max_workers=9)
    research = ProjectQuota(
        name="research", nominal=Limits(cpu_milli=6000), borrowing_limit=Limits(cpu_milli=0)
    )
    bob = UserQuota(user=UserName("bob"), limits=Limits(jobs=2))
    queue = [
        queued(1, 9, project="research"),
        queued(2, 5, user=UserName("bob")),
        queued(3, 1, cores(7), project="research", user=UserName("cyd")),
    ]
    return replace(observed([of], [], queue), sharing=Sharing(projects=(research,), users=(bob,)))


def below_threshold() -> Observed:
    of = one(min_workers=1, max_workers=9)
    of = replace(of, scale_up=replace(of.scale_up, queue_threshold=5))
    return observed([of], [busy(1, of)], [queued(1, 2, cores(16))])


def in_flight() -> Observed:
    of = one()
    return observed([of], [worker(1, of, state=WorkerState.PROVISIONING)], [queued(1, 5)])


def enough_capacity() -> Observed:
    of = one()
    return observed([of], [idle(1, of, 1)], [queued(1, 5)])


def kept_by_rules() -> Observed:
    """Nothing is queued, and each worker is there by another rule."""
    of = one(min_workers=1, max_workers=4, idle_timeout_s=600.0)
    workers = [idle(1, of, 1), idle(2, of, 1, manual=True), idle(3, of, 1, cordoned=True), idle(4, of, 5)]
    return observed([of], workers)


def kept_by_schedule() -> Observed:
    of = one()
    return replace(observed([of], [idle(n, of) for n in range(2)]), windows=window(of, 2))


def waiting_on_observation() -> Observed:
    return replace(observed([one()]), workers_as_of_ms=None, demand_as_of_ms=None)


WORLDS: tuple[Callable[[], Observed], ...] = (
    below_minimum, scheduled, queued_jobs, one_queued_job, stock, headroom, headroom_kept, target_utilisation, target_kept,
    cpu_pressure, young_pressure, memory_pressure, pressure_enough, pressure_unknown, custom_metric, old_metric, unknown_metric,
    spot_is_short, idle_workers, one_idle_worker, under_used, under_used_for_unknown_time, consolidated, moved_to_cheaper,
    not_worth_moving, preempted, preempts_no_more, nothing_to_preempt, yields, expired,
    expired_in_grace, minimum_ends_soon, expired_within_budget, drifted, awaits_successor, successor_starts, no_successor, maintenance_window,
    replacement_budget, no_replacements_by_day, soft_expired, kept, kept_with_its_agent, above_maximum, at_maximum,
    at_maximum_with_drains, near_maximum, scheduled_maximum, no_workers_wanted, zone_limit, per_cycle, cooldown, stored_with_a_short_ttl,
    scale_down_cooldown, frozen, frozen_without_work, frozen_driver, refused_bootstrap, nothing_fits, offer_resting, offer_tried_again,
    credentials_refused, quota_exceeded, at_live_maximum, over_budget, budget_for_some,
    budget_for_several_sizes, budget_for_cheaper_workers, overspent, unpaid_jobs, only_unpaid_jobs, restricted_jobs, spot_only, gradual_limit, disruption_budget, shapes_grouped, ahead_and_shared,
    quotas, below_threshold, in_flight, enough_capacity, kept_by_rules, kept_by_schedule, waiting_on_observation,
)  # fmt: skip


def of_planner() -> Iterator[tuple[str, list[Reason]]]:
    for world in WORLDS:
        yield world.__name__, list(dict.fromkeys(reasons_in(world())))


def reasons_in(seen: Observed) -> Iterator[Reason]:
    """Of the plan, and why each of the first classes waits."""
    plan = decide(seen, NOW)
    yield from (action.reason for action in plan.actions)
    yield from (reason for report in plan.pools for reason in report.reasons)
    yield from (each.reason for each in plan.unplaced)
    shares = {UserName("ann"): Standing(weight=2, share=0.5), UserName("bob"): Standing(weight=1, share=0.1)}
    for group in seen.demand[:4]:
        yield from why_waiting(group.class_id, group.job_class, seen, NOW, holding=shares)  # type: ignore[union-attr]


class FailingTrigger:
    __name__ = "toys.toy"

    def concerns(self, _spec: PoolSpec) -> bool:
        return True

    def ask(self, *_: object) -> None:
        raise ValueError("no such figure")

    def keeps(self, *_: object) -> None:
        return None


def of_a_failing_trigger() -> list[Reason]:
    usual = triggers.POOL_TRIGGERS
    triggers.POOL_TRIGGERS = (FailingTrigger(),)  # type: ignore[assignment]
    try:
        return list(dict.fromkeys(reasons_in(observed([one()]))))
    finally:
        triggers.POOL_TRIGGERS = usual
