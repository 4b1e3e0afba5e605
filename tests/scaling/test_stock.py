"""Idle workers that are worth their price: learned from sudden rises of demand, made and kept for a time that can be told."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.control.planning.plans import remember_needs
from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.decide.scaling.signals.warm_workers import HORIZON_MS, PRIOR_CHANCE, Stock, learn, wanted
from herder.engine.memory.state import EngineState
from herder.engine.workers.worker import history_of
from herder.model.fleet.pool import Headroom, PoolSpec, Zone
from herder.model.ids import PoolName
from herder.model.planning.demand_rises import GROUPS, RISE_MOST, Rises
from herder.model.planning.observed import Observed, ObservedWorker, PoolHistory, QueuedClass
from herder.model.planning.plan import Plan, ReasonKind
from herder.model.values.money import PicoUsd
from herder.model.values.resources import ZERO
from tests.planning.world import (
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

BOOT_MS = 120_000
WORTH = 30
WEIGHED = pool("std", template(), wait_cost=WORTH, max_workers=100, new_workers_per_cycle=50)


def rose(by: int, minutes_ago: float) -> Rises:
    return Rises(last_ms=(NOW - round(minutes_ago * MINUTE),) * by)


def seen(
    spec: PoolSpec, rises: Rises, workers: list[ObservedWorker] | None = None, *queue: QueuedClass
) -> Observed:
    past = PoolHistory(boot_s=BOOT_MS / 1000, rises=(("medium", rises),))
    return observed([spec], workers, list(queue), {spec.name: past})


def plan_of(
    spec: PoolSpec, rises: Rises, workers: list[ObservedWorker] | None = None, *queue: QueuedClass
) -> Plan:
    before = seen(spec, rises, workers, *queue)
    plan = decide(before, NOW)
    assert check_plan(before, plan) == ()
    assert decide(applied(before, plan), NOW).empty
    return plan


# --- what is learned --------------------------------------------------------------------------------------------------


def learned(*steps: tuple[float, int]) -> Rises:
    """From (minute, need)."""
    known = Rises()
    for minute, need in steps:
        known = learn(known, need, BOOT_MS, NOW + round(minute * MINUTE))
    return known


def test_a_rise_is_over_the_least_need_of_the_last_boot_time() -> None:
    assert learned((0, 5)).rise == 0
    assert learned((0, 5), (1, 9)).rise == 4
    assert learned((0, 5), (0.5, 2), (1, 9)).rise == 7
    assert learned((0, 5), (1, 9), (1.5, 10)).rise == 5
    assert learned((0, 5), (1, 9), (30, 10)).rise == 1, "the need had been 9 for long"


def test_what_was_between_two_looks_at_one_level_is_not_forgotten() -> None:
    assert learned((0, 5), (1, 9), (10, 9), (10.1, 10)).rise == 1


def test_seeing_the_same_twice_changes_nothing() -> None:
    known = learned((0, 5), (1, 9))
    assert learn(known, 9, BOOT_MS, NOW + MINUTE) == known


def test_rises_that_come_back_after_a_pause_teach_and_swarms_do_not() -> None:
    swarm = learned(*((minute, minute % 2) for minute in range(3)))
    assert sum(swarm.hits) == 0
    rare = learned(*(step for hour in range(5) for step in ((hour * 60, 0), (hour * 60 + 1, 1))))
    assert rare.hits[0] == 4
    assert rare.waits[0] > 10


def test_when_the_last_rise_was_is_kept_by_size() -> None:
    known = learned((0, 0), (1, 6), (60, 0), (61, 2))
    assert known.last_ms == (NOW + 61 * MINUTE,) * 2 + (NOW + MINUTE,) * 4


@given(
    st.lists(
        st.tuples(st.integers(0, 100_000), st.one_of(st.integers(0, 9), st.integers(0, 3000))), max_size=60
    )
)
def test_the_memory_is_bounded_and_consistent(steps: list[tuple[int, int]]) -> None:
    known, now, needs = Rises(), NOW, []
    for after, need in steps:
        now += after
        needs.append((now, need))
        known = learn(known, need, BOOT_MS, now)
        assert len(known.lows) <= 20
        assert len(known.last_ms) <= RISE_MOST
        assert list(known.last_ms) == sorted(known.last_ms, reverse=True)
        window = [have for at, have in needs if at > now - BOOT_MS]
        assert known.rise >= min(RISE_MOST, need - min(window))
        assert len(known.hits) == len(known.waits) == GROUPS


# --- what is wanted ---------------------------------------------------------------------------------------------------


def test_a_worker_is_wanted_for_a_time_that_follows_from_the_settings() -> None:
    lasts_ms = PRIOR_CHANCE * WORTH * BOOT_MS  # of a rise by 8; others by the root
    known = Rises(last_ms=(NOW,) * 8)
    stock = wanted(known, BOOT_MS, WORTH, NOW)
    assert stock == Stock(
        count=8, last_ms=NOW, until_ms=NOW + int(lasts_ms), chance=pytest.approx(PRIOR_CHANCE)
    )
    later = wanted(known, BOOT_MS, WORTH, NOW + int(lasts_ms))
    assert later is not None
    assert later.count < 8, "small rises are remembered longer"
    assert wanted(known, BOOT_MS, WORTH, NOW + HORIZON_MS) is None
    assert wanted(known, BOOT_MS, 0, NOW) is None


@given(st.integers(1, RISE_MOST), st.integers(1, 100), st.integers(0, 600))
def test_more_worth_and_less_time_never_want_less(by: int, worth: int, minutes: int) -> None:
    known = Rises(last_ms=(NOW,) * by)
    now = NOW + minutes * MINUTE

    def count(worth: int, now: int) -> int:
        found = wanted(known, BOOT_MS, worth, now)
        return 0 if found is None else found.count

    assert count(worth, now) <= count(worth + 1, now)
    assert count(worth, now + MINUTE) <= count(worth, now) <= by


# --- what plans make of it --------------------------------------------------------------------------------------------


def test_what_is_worth_it_is_made_and_says_why_and_until_when() -> None:
    plan = plan_of(WEIGHED, rose(3, 5))
    assert len(creations(plan)) == 3
    reason = creations(plan)[0].reason
    assert reason.kind is ReasonKind.STOCK
    evidence = dict(reason.evidence)
    assert evidence["rise"] == 3
    assert evidence["wait_cost"] == WORTH
    assert "at " in str(evidence["flips"])


def test_what_the_queue_takes_is_no_stock_and_what_is_idle_is() -> None:
    busy = worker(1, WEIGHED, free=ZERO, live_attempts=1)
    plan = plan_of(WEIGHED, rose(3, 5), [busy, idle(2, WEIGHED, 1)], queued(1, 2, cores(16)))
    kinds = [create.reason.kind for create in creations(plan)]
    assert kinds.count(ReasonKind.QUEUED_JOBS) == 1
    assert kinds.count(ReasonKind.STOCK) == 3


def test_the_rise_of_this_moment_counts_already() -> None:
    before = seen(WEIGHED, learned((-1, 0)), [], queued(1, 4, cores(16)))
    assert [each.reason.kind for each in creations(decide(before, NOW))].count(ReasonKind.STOCK) == 4


def test_a_worker_beyond_the_stock_goes_when_it_has_cost_a_boot() -> None:
    workers = [idle(number, WEIGHED, 3) for number in range(5)] + [idle(9, WEIGHED, 1)]
    plan = plan_of(WEIGHED, rose(2, 5), workers)
    assert len(drains(plan)) == 4
    assert {drain.reason.kind for drain in drains(plan)} == {ReasonKind.IDLE}
    held = [reason for report in plan.pools for reason in report.reasons if reason.kind is ReasonKind.STOCK]
    assert held
    assert dict(held[0].evidence)["idle_workers"] == 6
    assert not drains(plan_of(WEIGHED, rose(6, 5), workers))


@pytest.mark.parametrize(
    "spec",
    [
        replace(WEIGHED, scale_up=replace(WEIGHED.scale_up, wait_cost=None)),
        replace(WEIGHED, frozen=True),
        pool("std", template(price=0), wait_cost=WORTH, max_workers=100),
    ],
)
def test_nothing_is_kept_where_it_is_not_asked_for_or_means_nothing(spec: PoolSpec) -> None:
    plan = plan_of(spec, rose(3, 5), [idle(1, spec, 3)])
    assert plan.empty, "and idle workers go by idle_timeout alone"


def test_without_a_boot_that_was_seen_nothing_is_decided() -> None:
    past = PoolHistory(rises=(("medium", rose(3, 5)),))
    assert decide(observed([WEIGHED], [], [], {"std": past}), NOW).empty


def test_a_limit_that_cuts_it_is_named() -> None:
    plan = plan_of(replace(WEIGHED, size=replace(WEIGHED.size, max_workers=2)), rose(5, 5))
    assert len(creations(plan)) == 2
    texts = [reason.text for report in plan.pools for reason in report.reasons]
    assert any("short of 3 workers for its warm workers" in text for text in texts)


def test_headroom_and_stock_are_the_same_workers() -> None:
    plan = plan_of(
        replace(WEIGHED, scale_up=replace(WEIGHED.scale_up, headroom=Headroom(workers=2))), rose(3, 5)
    )
    assert len(creations(plan)) == 3


def test_plans_teach_the_engine_and_dry_runs_do_not() -> None:
    state = EngineState()
    history_of(state, PoolName("std")).boot_s = BOOT_MS / 1000
    before = seen(WEIGHED, Rises(), [worker(1, WEIGHED, free=ZERO, live_attempts=1)])
    plan = decide(before, NOW)
    assert plan.needs == (("std", "medium", 1),)
    assert state.history[PoolName("std")].rises == {}
    remember_needs(state, plan)
    assert state.history[PoolName("std")].rises["medium"].lows == ((NOW, 1),)


@given(worlds(), st.integers(1, 5), st.integers(0, 60), st.integers(1, 60))
def test_plans_stay_clean_and_need_no_other(before: Observed, by: int, minutes: int, worth: int) -> None:
    pools = tuple(replace(spec, scale_up=replace(spec.scale_up, wait_cost=worth)) for spec in before.pools)
    known = dict(before.history)
    history = tuple(
        (
            spec.name,
            replace(
                known.get(spec.name, PoolHistory()),
                boot_s=60.0,
                rises=tuple((each.name, rose(by, minutes)) for each in spec.templates),
            ),
        )
        for spec in pools
    )
    weighed = replace(before, pools=pools, history=history)
    plan = decide(weighed, NOW)
    assert check_plan(weighed, plan) == ()
    again = decide(applied(weighed, plan), NOW)
    assert again.empty, again.actions
    mixed = replace(
        weighed,
        workers=tuple(reversed(weighed.workers)),
        demand=tuple(reversed(weighed.demand)),
        pools=tuple(reversed(pools)),
    )
    assert decide(mixed, NOW) == plan


def test_a_template_of_several_zones_has_one_stock_made_where_it_is_cheapest() -> None:
    dear, cheap = Zone(name="a"), Zone(name="b", price_pico_per_hour=PicoUsd(300))
    zoned = replace(WEIGHED, templates=(template(zones=(dear, cheap)),))
    plan = plan_of(zoned, rose(3, 1))
    assert [(each.spec.zone, each.reason.kind) for each in creations(plan)] == [("b", ReasonKind.STOCK)] * 3


def test_a_stock_that_one_zone_cannot_hold_goes_on_in_the_next() -> None:
    few, rest = Zone(name="a", price_pico_per_hour=PicoUsd(300), max_workers=2), Zone(name="b")
    zoned = replace(WEIGHED, templates=(template(zones=(few, rest)),))
    assert [each.spec.zone for each in creations(plan_of(zoned, rose(3, 1)))] == ["a", "a", "b"]
