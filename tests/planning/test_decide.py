"""The planner as a whole: what it makes and drains in named situations, and what holds in every world."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.decide.scaling.snapshot import in_force
from herder.model.fleet.pool import Taint
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PlanNumber
from herder.model.planning.observed import Observed
from herder.model.planning.plan import Plan, ReasonKind
from herder.model.values.resources import Resources
from tests.planning.world import (
    LESS_NEEDED,
    MINUTE,
    NOW,
    applied,
    cores,
    creations,
    drains,
    idle,
    observed,
    pool,
    queued,
    template,
    worker,
    worlds,
)

SMALL, LARGE = template("small", 4, 120), template("large", 16, 480)


def plan_for(world: Observed) -> Plan:
    plan = decide(world, NOW)
    assert check_plan(world, plan) == ()
    return plan


def kinds(plan: Plan, name: str = "std") -> list[ReasonKind]:
    report = next(report for report in plan.pools if report.pool == name)
    return [reason.kind for reason in report.reasons]


def test_half_empty_workers_are_no_room_for_whole_worker_jobs() -> None:
    """Hail's fragmentation deadlock: 160 cores asked, 160 free, and not one job can run."""
    std = pool(max_workers=100)
    half = [worker(n, std, free=cores(8), live_attempts=1) for n in range(20)]
    plan = plan_for(observed([std], half, [queued(1, 10, cores(16))]))
    assert len(creations(plan)) == 10
    assert kinds(plan) == [ReasonKind.QUEUED_JOBS]


def test_an_empty_pool_gets_demand() -> None:
    plan = plan_for(observed([pool(min_workers=0)], [], [queued(1, 1)]))
    [made] = creations(plan)
    assert (made.spec.name, made.spec.plan, made.spec.template) == ("std-7-1", 7, "medium")
    assert made.expires_at_ms is None


def test_a_worker_to_be_lives_as_long_as_the_pool_says() -> None:
    plan = plan_for(observed([pool(ttl_s=4 * 3600.0, ttl_jitter=0.0)], [], [queued(1, 1)]))
    assert creations(plan)[0].expires_at_ms == NOW + 4 * 60 * MINUTE


@pytest.mark.parametrize("state", [WorkerState.REQUESTED, WorkerState.PROVISIONING, WorkerState.JOINING])
def test_capacity_in_flight_is_counted_once_and_in_full(state: WorkerState) -> None:
    std = pool()
    coming = worker(1, std, state=state, free=cores(0))
    assert plan_for(observed([std], [coming], [queued(1, 16)])).empty
    assert len(creations(plan_for(observed([std], [coming], [queued(1, 17)])))) == 1


def test_what_cannot_take_work_is_no_capacity() -> None:
    std = pool()
    useless = [
        worker(1, std, cordoned=True),
        worker(2, std, state=WorkerState.UNHEALTHY),
        worker(3, std, state=WorkerState.DRAINING),
        worker(4, std, expires_at_ms=NOW),
    ]
    assert len(creations(plan_for(observed([std], useless, [queued(1, 1)])))) == 1


def test_the_cheapest_template_of_the_allowed_pools_is_made() -> None:
    dear, cheap = pool("dear", template("d", 16, 900)), pool("cheap", SMALL, LARGE)
    assert [c.spec.template for c in creations(plan_for(observed([dear, cheap], [], [queued(1, 3)])))] == [
        "small"
    ]
    assert [
        c.spec.template for c in creations(plan_for(observed([dear, cheap], [], [queued(1, 1, cores(9))])))
    ] == ["large"]
    named = creations(plan_for(observed([dear, cheap], [], [queued(1, 3, pool="dear")])))
    assert [c.spec.pool for c in named] == ["dear"]


def test_demand_goes_on_to_the_next_pool_when_the_cheapest_is_full() -> None:
    cheap, dear = pool("cheap", SMALL, max_workers=1), pool("dear", template("d", 4, 900))
    plan = plan_for(observed([cheap, dear], [], [queued(1, 12)]))
    assert [c.spec.pool for c in creations(plan)] == ["cheap", "dear", "dear"]
    assert plan.unplaced == ()


def test_a_full_pool_says_so_and_how_many_wait() -> None:
    std = pool(max_workers=1)
    plan = plan_for(observed([std], [worker(1, std, free=cores(0))], [queued(1, 20, cores(16))]))
    [unplaced] = plan.unplaced
    assert (unplaced.class_id, unplaced.count, unplaced.reason.kind) == (1, 20, ReasonKind.AT_MAXIMUM)
    assert kinds(plan) == [ReasonKind.AT_MAXIMUM]
    assert plan.pools[0].desired == 21
    assert ("jobs_without_place", 20) in plan.pools[0].reasons[0].evidence


def test_a_plan_makes_no_more_than_the_limit_per_cycle() -> None:
    plan = plan_for(observed([pool(max_workers=50, new_workers_per_cycle=1)], [], [queued(1, 4, cores(16))]))
    assert len(creations(plan)) == 1
    assert kinds(plan) == [ReasonKind.QUEUED_JOBS, ReasonKind.PER_CYCLE_LIMIT]
    assert plan.pools[0].desired == 4
    assert plan.unplaced[0].count == 3


def test_two_templates_of_a_pool_share_its_limit() -> None:
    plan = plan_for(
        observed(
            [pool("std", SMALL, LARGE, max_workers=2)], [], [queued(1, 2, cores(16)), queued(2, 2, cores(4))]
        )
    )
    assert len(creations(plan)) == 2


def test_a_job_that_nothing_can_hold_is_named_with_what_is_missing() -> None:
    plan = plan_for(observed([pool()], [], [queued(1, 2, Resources(1000, 0, 0, 1))]))
    assert plan.empty
    assert plan.unplaced[0].reason.kind is ReasonKind.NOTHING_FITS
    assert "1 GPU" in plan.unplaced[0].reason.text
    assert kinds(plan) == [ReasonKind.NOTHING_FITS]


def test_jobs_for_a_pool_that_is_not_there_make_nothing() -> None:
    plan = plan_for(observed([pool()], [], [queued(1, 2, pool="sdt")]))
    assert plan.empty
    assert "Did you mean 'std'" in plan.unplaced[0].reason.text
    assert kinds(plan) == [ReasonKind.NO_DEMAND]
    assert plan.pools[0].reasons[0].text.startswith("No queued job may use pool")


def test_a_tainted_pool_is_for_those_who_tolerate_it_or_name_it() -> None:
    tainted = pool("gpu", taints=(Taint(key="gpu"),))
    assert plan_for(observed([tainted], [], [queued(1, 1)])).empty
    assert len(creations(plan_for(observed([tainted], [], [queued(1, 1, pool="gpu")])))) == 1


def test_the_minimum_is_kept_and_demand_counts_towards_it() -> None:
    std = pool("std", LARGE, SMALL, min_workers=3)
    plan = plan_for(observed([std], [worker(1, std, state=WorkerState.JOINING, free=cores(0))]))
    assert [c.spec.template for c in creations(plan)] == ["small", "small"]
    assert kinds(plan) == [ReasonKind.BELOW_MINIMUM]
    plan = plan_for(observed([std], [], [queued(1, 1, cores(16))]))
    assert [c.spec.template for c in creations(plan)] == ["large", "small", "small"]


def test_an_expired_worker_goes_and_the_minimum_gets_a_successor() -> None:
    std = pool(min_workers=1, max_workers=2)
    plan = plan_for(observed([std], [worker(1, std, expires_at_ms=NOW)]))
    assert [d.reason.kind for d in drains(plan)] == [ReasonKind.EXPIRED]
    assert len(creations(plan)) == 1


def test_an_idle_worker_goes_unless_the_queue_needs_it() -> None:
    std = pool()
    workers = [idle(1, std), idle(2, std)]
    assert [d.worker for d in drains(plan_for(observed([std], workers)))] == ["std-0-1", "std-0-2"]
    plan = plan_for(observed([std], workers, [queued(1, 3)]))
    assert [d.worker for d in drains(plan)] == ["std-0-2"]


def test_a_frozen_pool_does_nothing_and_says_why() -> None:
    std = pool(frozen=True, min_workers=3)
    plan = plan_for(observed([std], [idle(1, std), worker(2, std, expires_at_ms=NOW)], [queued(1, 99)]))
    assert plan.empty
    assert set(kinds(plan)) == {ReasonKind.FROZEN}


@pytest.mark.parametrize("section", ["workers_as_of_ms", "demand_as_of_ms"])
def test_what_was_never_seen_is_not_taken_for_zero(section: str) -> None:
    std = pool(min_workers=3)
    world = replace(observed([std], [idle(1, std)], [queued(1, 99)]), **{section: None})
    plan = plan_for(world)
    assert plan.empty
    assert kinds(plan) == [ReasonKind.WAITING_ON_OBSERVATION]


def test_limits_of_one_at_a_time_get_there_in_the_end() -> None:
    std = pool("std", template("one", 1, 10), max_workers=3, new_workers_per_cycle=1)
    world = observed([std], [], [queued(1, 3)])
    for cycle in range(3):
        now = NOW + cycle * 1000
        plan = decide(world, now)
        assert check_plan(world, plan) == ()
        assert len(creations(plan)) == 1
        world = applied(world, plan, now)
    assert decide(world, NOW + 9000).empty


# --- in every world ---------------------------------------------------------------------------------------------------


@given(worlds())
def test_every_plan_is_clean_and_explains_itself(world: Observed) -> None:
    plan = decide(world, NOW)
    assert check_plan(world, plan) == ()
    assert [report.pool for report in plan.pools] == sorted(p.name for p in world.pools)
    jobs = {item.class_id: item.count for item in world.demand}
    assert all(0 < demand.count <= jobs[demand.class_id] for demand in plan.unplaced)


@given(worlds())
def test_a_plan_that_was_applied_needs_no_other(world: Observed) -> None:
    plan = decide(world, NOW)
    again = decide(applied(world, plan), NOW)
    assert again.actions == ()


@given(worlds(), st.randoms(use_true_random=False))
def test_the_same_world_in_another_order_gives_the_same_plan(world: Observed, shuffle: random.Random) -> None:
    def shuffled(parts: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(shuffle.sample(parts, len(parts)))

    other = replace(
        world,
        pools=shuffled(tuple(replace(p, templates=shuffled(p.templates)) for p in world.pools)),
        workers=shuffled(world.workers),
        demand=shuffled(world.demand),
        history=shuffled(world.history),
        offers=shuffled(world.offers),
        windows=shuffled(world.windows),
    )
    assert repr(decide(other, NOW)) == repr(decide(world, NOW))


@given(worlds())
def test_idleness_never_takes_a_pool_below_its_minimum(world: Observed) -> None:
    plan = decide(world, NOW)
    for spec in world.pools:
        idle_drains = [d for d in drains(plan) if d.pool == spec.name and d.reason.kind in LESS_NEEDED]
        gone = {d.worker for d in drains(plan)}
        ready = [w for w in world.workers if w.spec.pool == spec.name and w.state is WorkerState.READY]
        unhealthy = [
            w for w in world.workers if w.spec.pool == spec.name and w.state is WorkerState.UNHEALTHY
        ]
        least = in_force(spec, dict(world.windows).get(spec.name, ()), NOW)[0].size.min_workers
        if idle_drains:
            assert len([w for w in (*ready, *unhealthy) if w.name not in gone]) >= least
        assert not any(w.manual or w.cordoned for w in ready if w.name in {d.worker for d in idle_drains})


@settings(max_examples=40)
@given(worlds())
def test_cycle_after_cycle_all_that_can_be_placed_gets_a_worker(world: Observed) -> None:
    """With the brakes off, a few cycles end in a state where what waits is held by a maximum or fits nowhere."""
    pools = tuple(
        replace(
            p,
            frozen=False,
            scale_up=replace(p.scale_up, cooldown_s=0.0),
            scale_down=replace(p.scale_down, idle_timeout_s=None),
            lifetime=replace(p.lifetime, ttl_s=None),
        )
        for p in world.pools
    )
    world = replace(world, pools=pools, history=(), offers=())
    now = NOW
    for _ in range(12):
        plan = decide(world, now)
        if plan.empty:
            break
        world, now = applied(world, plan, now), now + 1000
    assert plan.empty
    allowed = {ReasonKind.AT_MAXIMUM, ReasonKind.AT_LIVE_MAXIMUM, ReasonKind.NOTHING_FITS}
    assert {demand.reason.kind for demand in plan.unplaced} <= allowed
    assert plan.number > PlanNumber(6)
