"""Old workers are replaced one after another: in windows, within budgets, successor first, never below the minimum at the end."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import PlanSteps, decide, plan_steps
from herder.decide.scaling.scale_down import replacement
from herder.decide.scaling.scale_down.replacement import LOOKED_AT_MOST
from herder.model.fleet.driver import JOINED
from herder.model.fleet.offer import FailureCause, OfferKey, OfferMemory
from herder.model.fleet.pool import PoolSpec, Taint
from herder.model.fleet.upkeep import Budgets, Disruption, DisruptionBudget, Opening, TimeWindow
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PlanNumber, PoolName
from herder.model.planning.observed import Observed, ObservedWorker, PoolHistory
from herder.model.planning.plan import Plan, ReasonKind
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
)

STD = pool(min_workers=3, max_workers=5)
NEW = replace(STD, labels=(("disk", "ssd"),))
SATURDAY = TimeWindow(cron="0 2 * * 6", timezone="Europe/Berlin", duration_s=4 * 3600)


def seen(spec: PoolSpec, workers: list[ObservedWorker], **more: object) -> Observed:
    return replace(observed([spec], workers), **more)  # type: ignore[arg-type]


def checked(world: Observed, now: int = NOW) -> Plan:
    plan = decide(world, now)
    assert check_plan(world, plan) == ()
    assert decide(applied(world, plan, now), now).empty
    return plan


def old(number: int, of: PoolSpec = STD, **more: object) -> ObservedWorker:
    """It was made when the pool was `of`, and is idle but not for long."""
    return idle(number, of, 1, **more)


def busy(number: int, of: PoolSpec = STD, used: int = 1, **more: object) -> ObservedWorker:
    return worker(number, of, live_attempts=used, free=cores(16 - used), **more)


def said(plan: Plan) -> str:
    return " ".join(reason.text for reason in plan.pools[0].reasons)


def acts(plan: Plan) -> tuple[int, list[str]]:
    return len(creations(plan)), [drain.worker for drain in drains(plan)]


def waits(world: Observed, now: int = NOW) -> dict[str, str]:
    steps: PlanSteps = plan_steps(world, now)
    return {name: reason.text for answer in steps.replaced.values() for name, reason in answer.waiting}


# --- what differs


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (replace(STD, labels=(("disk", "ssd"),)), "the pool has another value of label disk"),
        (replace(STD, bootstrap="talos"), "its bootstrap is none, the pool's is talos"),
        (replace(STD, taints=(Taint(key="gpu"),)), "the pool has other taints"),
        (replace(STD, driver="cloud"), "its driver is local, the pool's is cloud"),
        (replace(STD, driver_options=(("image", "2"),)), "the pool has other driver_options"),
        (replace(STD, templates=(template("small", 4),)), "template medium is no longer in the pool"),
        (replace(STD, templates=(template(size=8),)), "template medium has 8 CPU"),
        (replace(STD, templates=(template(slots=4),)), "template medium has other slots or gpu_parts"),
    ],
)
def test_what_the_pool_would_create_otherwise_is_drift(spec: PoolSpec, words: str) -> None:
    world = seen(replace(spec, size=replace(spec.size, min_workers=0)), [old(1)])
    (drain,) = drains(checked(world))
    assert drain.reason.kind is ReasonKind.DRIFTED
    assert words in drain.reason.text


def test_what_the_bootstrap_would_make_otherwise_is_drift_and_unknown_is_not() -> None:
    def found(mine: str, now: str) -> list[str]:
        made = replace(STD, bootstrap="talos", bootstrap_fingerprint=mine)
        none = replace(made, bootstrap_fingerprint=now, size=replace(STD.size, min_workers=0))
        return [drain.reason.text for drain in drains(checked(seen(none, [old(1, made)])))]

    (text,) = found("1", "2")
    assert "bootstrap talos has another configuration or version now" in text
    assert found("1", "1") == found("", "2") == found("1", "") == []


@pytest.mark.parametrize(
    "spec",
    [
        replace(STD, templates=(template(price=990),)),
        replace(STD, templates=(template(), template("large", 32))),
        replace(STD, size=replace(STD.size, max_workers=9)),
        replace(STD, templates=()),
    ],
)
def test_price_and_what_does_not_concern_the_worker_is_none(spec: PoolSpec) -> None:
    assert drains(checked(seen(replace(spec, size=replace(spec.size, min_workers=0)), [old(1)]))) == []


def test_nothing_is_replaced_where_people_switch_it_off() -> None:
    off = replace(NEW, upkeep=replace(NEW.upkeep, replace_drifted=False))
    assert acts(checked(seen(off, [old(n) for n in range(3)]))) == (0, [])


# --- the agent


def with_agent(version: str, number: int = 1, plan: int = 0, **more: object) -> ObservedWorker:
    made = old(number, agent_version=version, **more)
    return replace(made, spec=replace(made.spec, plan=PlanNumber(plan)))


def upgraded(*workers: ObservedWorker, least: int = 0) -> Observed:
    spec = replace(STD, size=replace(STD.size, min_workers=least))
    return seen(spec, list(workers), agent_version="2.0", agent_since_plan=PlanNumber(5))


def test_an_agent_of_another_version_is_replaced() -> None:
    (drain,) = drains(checked(upgraded(with_agent("1.0"))))
    assert "its agent has version 1.0, the server has 2.0" in drain.reason.text


@pytest.mark.parametrize("version", ["2.0", ""])
def test_the_same_version_and_an_unknown_one_stay(version: str) -> None:
    assert drains(checked(upgraded(with_agent(version)))) == []


def test_an_image_with_an_old_agent_is_not_replaced_for_ever() -> None:
    """Its successor would have the old agent, too."""
    world = upgraded(with_agent("1.0", 1), with_agent("1.0", 2, plan=6))
    assert acts(checked(world)) == (0, [])
    assert (
        "std-0-2 was created by this server and has version 1.0 of the agent, too" in waits(world)["std-0-1"]
    )
    assert "std-0-2" not in waits(world)


# --- successor first


def test_at_the_minimum_the_successor_comes_first_and_then_one_goes() -> None:
    fleet = [old(n) for n in range(3)]
    world = seen(NEW, fleet)
    first = checked(world)
    assert acts(first) == (1, [])
    assert creations(first)[0].reason.kind is ReasonKind.DRIFTED
    coming = applied(world, first)
    assert acts(checked(coming)) == (0, [])
    assert "Its successor std-7-1 is starting" in said(checked(coming))
    there = replace(
        coming,
        workers=tuple(
            replace(each, state=WorkerState.READY, idle_since_ms=NOW) if each.state.in_flight else each
            for each in coming.workers
        ),
    )
    assert acts(checked(there, NOW + MINUTE)) == (0, ["std-0-0"])


def test_where_the_pool_is_full_the_old_one_goes_first() -> None:
    full = replace(NEW, size=replace(NEW.size, max_workers=3))
    plan = checked(seen(full, [old(n) for n in range(3)]))
    assert acts(plan) == (0, ["std-0-0"])


def test_what_could_not_be_created_now_is_kept() -> None:
    short = OfferMemory(key=OfferKey(pool=NEW.name, template="medium", driver=NEW.driver)).failed(
        FailureCause.OUT_OF_CAPACITY, NOW - 1000, requested_at_ms=NOW - 2000
    )
    full = replace(NEW, size=replace(NEW.size, max_workers=3))
    for spec in (NEW, full):
        plan = checked(seen(spec, [old(n) for n in range(3)], offers=(short,)))
        assert acts(plan) == (0, [])
        assert "out of capacity" in said(plan)


def test_a_cooldown_delays_the_successor_and_nothing_goes() -> None:
    slow = replace(NEW, scale_up=replace(NEW.scale_up, cooldown_s=60.0))
    world = seen(
        slow, [old(n) for n in range(3)], history=((STD.name, PoolHistory(last_grown_at_ms=NOW - 1)),)
    )
    plan = checked(world)
    assert acts(plan) == (0, [])
    assert "It has no successor yet. Pool std is in its scale-up cooldown" in said(plan)


def test_work_has_a_place_before_its_worker_goes() -> None:
    loose = replace(NEW, size=replace(NEW.size, min_workers=0))
    assert acts(checked(seen(loose, [busy(1)]))) == (1, [])
    room = old(2, NEW)
    assert acts(checked(seen(loose, [busy(1), room]))) == (0, ["std-0-1"])
    assert acts(checked(seen(loose, [busy(1, used=16), busy(2, NEW, used=1)]))) == (1, [])


def test_idle_ones_go_before_those_that_work() -> None:
    loose = replace(NEW, size=replace(NEW.size, min_workers=0))
    assert acts(checked(seen(loose, [busy(1), old(2), old(3, NEW)]))) == (0, ["std-0-2"])


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ({"manual": True}, "it stays until it expires or is removed"),
        ({"cordoned": True}, "it stays until it is uncordoned or removed"),
    ],
)
def test_what_people_decide_about_is_left_to_them(kept: dict[str, bool], words: str) -> None:
    world = seen(replace(NEW, size=replace(NEW.size, min_workers=0)), [old(1, **kept)])
    assert acts(checked(world)) == (0, [])
    assert words in waits(world)["std-0-1"]


def test_machines_that_people_added_are_theirs() -> None:
    mine = old(1)
    mine = replace(mine, spec=replace(mine.spec, driver=JOINED))
    world = seen(replace(NEW, size=replace(NEW.size, min_workers=0)), [mine])
    assert acts(checked(world)) == (0, [])
    assert "std-0-1 was added by hand, so Herder does not replace it" in waits(world)["std-0-1"]


# --- budgets and windows


def test_the_budget_bounds_it_and_says_who_uses_it() -> None:
    loose = replace(NEW, size=replace(NEW.size, min_workers=0))
    world = seen(loose, [old(1), old(2), old(3, state=WorkerState.TERMINATING)])
    assert acts(checked(world)) == (0, [])
    assert (
        "The disruption budget of pool std is 1 (disruption_budget 1), and it is in use by std-0-3."
        in said(checked(world))
    )
    two = replace(loose, scale_down=replace(loose.scale_down, disruption_budget=2))
    assert acts(checked(seen(two, list(world.workers)))) == (0, ["std-0-1"])


def test_a_budget_of_nothing_says_so() -> None:
    none = (DisruptionBudget(workers=0, reasons=(Disruption.DRIFTED,)),)
    loose = replace(NEW, size=replace(NEW.size, min_workers=0))
    loose = replace(loose, scale_down=replace(loose.scale_down, disruption_budget=none))
    plan = checked(seen(loose, [old(1)]))
    assert acts(plan) == (0, [])
    assert (
        "Pool std replaces no worker now, because its disruption budget is 0 (disruption_budget 0)."
        in said(plan)
    )


def in_windows(spec: PoolSpec) -> PoolSpec:
    return replace(spec, upkeep=replace(spec.upkeep, maintenance_windows=(SATURDAY,)))


def opening(start: int, end: int) -> tuple[tuple[PoolName, tuple[Opening, ...]], ...]:
    found = Opening(window=SATURDAY, start_ms=NOW + start * MINUTE, end_ms=NOW + end * MINUTE)
    return ((STD.name, (found,)),)


def test_outside_its_windows_nothing_is_replaced_and_the_next_one_is_named() -> None:
    loose = in_windows(replace(NEW, size=replace(NEW.size, min_workers=0)))
    plan = checked(seen(loose, [old(1)], openings=opening(10, 20)))
    assert acts(plan) == (0, [])
    assert (
        "The next maintenance window of pool std, '0 2 * * 6' (Europe/Berlin), opens at 1970-01-12T13:56:40.000Z."
        in said(plan)
    )
    assert acts(checked(seen(loose, [old(1)], openings=opening(-10, 1)))) == (0, ["std-0-1"])
    assert "No maintenance window of pool std opens within a year." in said(checked(seen(loose, [old(1)])))


def test_a_plan_that_replaces_outside_a_window_or_above_the_budget_is_refused() -> None:
    loose = replace(NEW, size=replace(NEW.size, min_workers=0))
    two = replace(loose, scale_down=replace(loose.scale_down, disruption_budget=2))
    plan = checked(seen(two, [old(1), old(2)]))
    assert len(drains(plan)) == 2
    assert any("disruption_budget is 1" in text for text in check_plan(seen(loose, [old(1), old(2)]), plan))
    shut = seen(in_windows(two), [old(1), old(2)], openings=opening(10, 20))
    assert "pool std would replace workers outside its maintenance windows" in check_plan(shut, plan)


# --- the soft end of a life


def aged(number: int, minutes: int, **more: object) -> ObservedWorker:
    return old(number, ready_at_ms=NOW - minutes * MINUTE, **more)


def test_past_its_soft_ttl_a_worker_is_replaced_in_a_window_and_stays_outside() -> None:
    soft = replace(STD, lifetime=replace(STD.lifetime, ttl_soft_s=3600.0, ttl_jitter=0.0))
    soft = replace(soft, size=replace(soft.size, min_workers=0))
    world = seen(soft, [aged(1, 61), aged(2, 59)])
    (drain,) = drains(checked(world))
    assert (drain.worker, drain.reason.kind) == ("std-0-1", ReasonKind.SOFT_EXPIRED)
    assert drain.reason.text == "std-0-1 is replaced, because it has been past its ttl_soft for 60 s."
    shut = seen(in_windows(soft), [aged(1, 61)], openings=opening(10, 20))
    assert acts(checked(shut)) == (0, [])


def test_an_extended_worker_has_no_soft_end() -> None:
    soft = replace(STD, lifetime=replace(STD.lifetime, ttl_soft_s=3600.0))
    soft = replace(soft, size=replace(soft.size, min_workers=0))
    assert acts(checked(seen(soft, [aged(1, 100, extended=True)]))) == (0, [])


# --- to the end


def stepped(world: Observed, plan: Plan, spec: PoolSpec, now: int) -> Observed:
    """The plan applied, and time gone by: what started is ready, what drained has gone."""
    after = applied(world, plan, now)
    workers = []
    for each in after.workers:
        if each.state.leaving:
            continue
        booted = replace(each, state=WorkerState.READY, idle_since_ms=now, ready_at_ms=now)
        workers.append(booted if each.state.in_flight else each)
    return replace(after, workers=tuple(workers))


@given(
    count=st.integers(1, 6),
    least=st.integers(0, 4),
    spare=st.integers(0, 2),
    budget=st.sampled_from([1, 2, 3, (DisruptionBudget(percent=10),), (DisruptionBudget(percent=50),)]),
    working=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_at_the_end_all_are_new_the_minimum_is_kept_and_no_step_passes_the_budget(
    count: int, least: int, spare: int, budget: Budgets, working: list[bool]
) -> None:
    least = min(least, count)
    spec = pool(min_workers=least, max_workers=count + spare, disruption_budget=budget, idle_timeout_s=None)
    new = replace(spec, labels=(("disk", "ssd"),))
    fleet = [busy(n, spec) if working[n] else old(n, spec) for n in range(count)]
    world = seen(new, fleet)
    most = budget if isinstance(budget, int) else -(-count * (budget[0].percent or 0) // 100)
    for step in range(40):
        now = NOW + step * MINUTE
        plan = decide(world, now)
        assert check_plan(world, plan) == ()
        assert len(drains(plan)) <= most
        ready = len(world.workers) - len(drains(plan))
        if spare:
            assert ready >= least
        else:
            assert ready >= least - most
        if plan.empty:
            break
        world = stepped(world, plan, new, now)
    assert plan.empty
    assert len(world.workers) >= least
    assert all(each.spec.labels == (("disk", "ssd"),) for each in world.workers)


@given(st.integers(1, 4), st.booleans())
def test_it_rests_when_all_are_as_the_pool_wants_them(count: int, queue: bool) -> None:
    spec = pool(min_workers=count, max_workers=count + 2)
    world = replace(
        seen(spec, [busy(n, spec) for n in range(count)]), demand=(queued(1, 1),) if queue else ()
    )
    assert drains(checked(world)) == []


def test_a_plan_looks_at_a_bounded_number_of_old_workers_and_says_so_of_the_others() -> None:
    wide = replace(NEW, size=replace(NEW.size, min_workers=0, max_workers=1000))
    world = seen(wide, [old(n) for n in range(LOOKED_AT_MOST + 2)])
    plan = checked(world)
    assert len(drains(plan)) == 1
    why = waits(world)
    assert len(why) == LOOKED_AT_MOST + 1
    assert why[f"std-0-{LOOKED_AT_MOST + 1}"] == (
        "Pool std replaces its old workers one after another, and 200 others come first."
    )
    assert len(plan.pools[0].reasons) <= 4


@pytest.mark.failing_trigger
def test_without_the_step_old_workers_stay_and_the_plan_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacement, "_old_workers", lambda *_: 1 / 0)
    plan = decide(seen(replace(NEW, size=replace(NEW.size, min_workers=0)), [old(1)]), NOW)
    assert plan.empty
    assert "Planning step replacement of pool std failed (ZeroDivisionError: division by zero)." in said(plan)
