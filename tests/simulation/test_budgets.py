"""Budgets of pools in the simulated world: workers have leases, what is not paid goes in time, and the bill is what the budget says."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import select

from herder.control.budgets.metered import used_of_leases
from herder.control.kernel.worker_leases import lease_of
from herder.ledger.budgets.leases import broken
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import ReasonKind
from herder.model.stored.records import EventRecord
from herder.model.values.money import PICO_PER_USD, PicoUsd
from herder.simulate.chaos import POOLS, World
from herder.simulate.chaos.actors.people import NotTaken
from herder.simulate.chaos.budget_fleet import with_budgets
from herder.simulate.chaos.faults.chance import stream
from herder.simulate.chaos.run import ChaosOptions, ChaosRun, Variation
from herder.store.rows import tables as t
from tests.simulation.fleet import check_rest, event_kinds

#: $3.60 an hour is $0.001 a second.
POOL = replace(
    POOLS[0],
    templates=(replace(POOLS[0].templates[0], price_pico_per_hour=PicoUsd(36 * PICO_PER_USD // 10)),),
)
QUANTUM_S = 120.0
SETTINGS = {"budget_quantum_s": QUANTUM_S}
QUANTUM_PICO = 120 * PICO_PER_USD // 1000


def budget(limit: str, **more: object) -> dict[str, object]:
    return {"burst": {"scope": "pool", "of": "std", "limit": limit, "period": "once", **more}}


async def apply(world: World, budgets: dict[str, object]) -> None:
    await world.people.call("root", "POST", "/apply", {"pools": [], "budgets": budgets, "ahead": True})


def spent(world: World, name: str = "burst") -> int:
    return sum(each.spent for each in world.core.budgets.budgets[name].spans.values())


def reserved(world: World, name: str = "burst") -> int:
    return sum(each.reserved for each in world.core.budgets.budgets[name].spans.values())


def check_books(world: World) -> None:
    core = world.core
    assert broken(core.budgets, core.clock.now_ms()) == []


async def rest(world: World) -> None:
    await world.until(lambda: not world.core.state.workers, 900, "no worker is left")
    await world.core.settle()
    check_books(world)
    assert not world.core.budgets.live
    assert not world.core.budgets.expired
    assert reserved(world) == 0


def test_a_worker_reserves_a_quantum_renews_and_settles_what_it_cost() -> None:
    async def story(world: World) -> None:
        await apply(world, budget("10"))
        await world.people.submit(cpu=2, sleep_ms=300_000)
        await world.until(lambda: len(world.core.state.workers) == 1, 60, "a worker is claimed")
        (worker,) = world.core.state.workers.values()
        lease = lease_of(world.core.budgets, worker.spec.name)
        assert lease is not None
        assert (lease.amount, lease.number) == (QUANTUM_PICO, 1)
        await world.until(lambda: spent(world) > 2 * QUANTUM_PICO, 400, "it was renewed")
        check_books(world)
        await rest(world)
        check_rest(world)
        with world.engine.connect() as connection:
            (booked,) = connection.execute(
                select(t.totals.c.value).where(t.totals.c.name == "cost/std")
            ).scalars()
        assert spent(world) == int(booked)

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)


def test_what_a_worker_uses_is_known_before_its_lease_is_settled() -> None:
    async def story(world: World) -> None:
        await apply(world, budget("10"))
        await world.people.submit(cpu=2, sleep_ms=3_600_000, attempts_max=1000)
        await world.until(lambda: used_of_leases(world.core)["burst"] > 0, 120, "it costs something")
        assert spent(world) == 0
        assert used_of_leases(world.core)["burst"] <= reserved(world)
        await world.until(lambda: spent(world) > 0, 600, "a quantum is settled")
        check_books(world)

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)


def test_what_is_not_paid_goes_in_time_and_no_more_is_spent() -> None:
    """Each worker costs $0.12 a quantum: the limit is enough for about four minutes of two of them."""

    async def story(world: World) -> None:
        await apply(world, budget("0.50"))
        for _ in range(2):
            await world.people.submit(cpu=2, sleep_ms=3_600_000, attempts_max=1000)
        await world.until(lambda: spent(world) > 0, 300, "money is spent")
        await rest(world)
        assert spent(world) <= world.core.budgets.budgets["burst"].spec.limit  # type: ignore[operator]
        assert spent(world) > 50 * PICO_PER_USD // 100 - 2 * QUANTUM_PICO, (
            "what is left is less than a quantum each"
        )
        with world.engine.connect() as connection:
            reasons = connection.execute(select(t.workers.c.reason_removed)).scalars().all()
        assert reasons
        assert all(f'"{ReasonKind.BUDGET}"' in reason for reason in reasons)
        assert "budget.exhausted" in event_kinds(world)
        # The jobs wait for the budget, and say so.
        plan = world.core.planning.last
        assert plan is not None
        assert {each.reason.kind for each in plan.unplaced} == {ReasonKind.BUDGET}
        # More money, and they go on.
        await apply(world, budget("10"))
        await world.until(lambda: len(world.core.state.live) == 2, 120, "both jobs run")

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)


def test_the_worker_of_the_lowest_value_goes() -> None:
    """Of two that work, the one whose job has the higher priority stays, though it is younger."""

    async def story(world: World) -> None:
        await apply(world, budget("0.61"))
        low = await world.people.submit(cpu=2, sleep_ms=3_600_000, attempts_max=1000)
        await world.until(lambda: low in world.core.state.live, 120, "the first runs")
        high = await world.people.submit(user="bob", cpu=2, sleep_ms=3_600_000, priority=3, attempts_max=1000)
        await world.until(lambda: high in world.core.state.live, 120, "the second runs")
        await world.until(lambda: low not in world.core.state.live, 900, "one is stopped")
        assert high in world.core.state.live
        check_books(world)

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)


def test_a_machine_that_is_not_confirmed_to_be_gone_keeps_costing() -> None:
    async def story(world: World) -> None:
        await apply(world, budget("0.30"))
        await world.people.submit(cpu=2, sleep_ms=3_600_000, attempts_max=1000)
        await world.until(lambda: bool(world.core.state.live), 120, "it runs")
        world.change_provider("pretend", replace(world.provider_settings("pretend"), delete_s=1_000.0))
        await world.until(
            lambda: any(each.state is WorkerState.TERMINATING for each in world.core.state.workers.values()),
            900,
            "it is removed",
        )
        removed_at = spent(world)
        limit = world.core.budgets.budgets["burst"].spec.limit
        assert removed_at <= limit  # type: ignore[operator]
        await asyncio.sleep(600)
        assert spent(world) > limit, "what it costs meanwhile is charged"  # type: ignore[operator]
        assert not world.core.budgets.expired
        await world.until(lambda: not world.core.state.workers, 900, "it is gone")
        await world.core.settle()
        with world.engine.connect() as connection:
            (booked,) = connection.execute(
                select(t.totals.c.value).where(t.totals.c.name == "cost/std")
            ).scalars()
        assert spent(world) == int(booked)
        assert reserved(world) == 0

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_server_that_dies_at_any_time_doubles_and_loses_nothing(seed: int) -> None:
    async def story(world: World) -> None:
        await apply(world, budget("1.20"))
        for _ in range(3):
            await world.people.submit(cpu=2, sleep_ms=200_000, attempts_max=1000)
        draw = stream(seed, "deaths")
        for _ in range(8):
            await asyncio.sleep(draw.randint(1, 60))
            world.kill_server()
            await world.restart(draw.randint(1, 90))
            check_books(world)
        await rest(world)
        with world.engine.connect() as connection:
            (booked,) = connection.execute(
                select(t.totals.c.value).where(t.totals.c.name == "cost/std")
            ).scalars()
        assert spent(world) == int(booked)
        assert spent(world) <= world.core.budgets.budgets["burst"].spec.limit  # type: ignore[operator]

    World(seed, pools=(POOL,), core_settings=SETTINGS).run(story)


def test_a_budget_for_workers_that_exist_pays_what_they_cost_from_then_on() -> None:
    async def story(world: World) -> None:
        await world.people.submit(cpu=2, sleep_ms=300_000)
        await world.until(lambda: bool(world.core.state.live), 120, "it runs")
        await asyncio.sleep(100)
        await apply(world, budget("10"))
        worker = world.worker()
        await world.until(
            lambda: lease_of(world.core.budgets, worker.spec.name) is not None, 10, "it has a lease"
        )
        await rest(world)
        with world.engine.connect() as connection:
            (booked,) = connection.execute(
                select(t.totals.c.value).where(t.totals.c.name == "cost/std")
            ).scalars()
        assert 0 < spent(world) < int(booked) - 100 * PICO_PER_USD // 1000

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)


def test_workers_by_hand_that_are_not_paid_are_refused_alike_in_a_dry_run() -> None:
    async def story(world: World) -> None:
        await apply(world, budget("0.30"))
        for path in ("/pools/std/scale?dry_run=true", "/pools/std/scale"):
            with pytest.raises(NotTaken) as refused:
                await world.people.call("root", "POST", path, {"workers": 3, "template": "small"})
            assert refused.value.body["detail"] == (
                "Budget burst has $0.30 of $0.30 left, and 3 more workers reserve $0.36 for the first 2 min."
            )
        assert not world.core.state.workers
        assert not world.core.budgets.live
        await world.people.call(
            "root", "POST", "/pools/std/scale", {"workers": 2, "template": "small", "ttl_s": 600}
        )
        assert len(world.core.budgets.live) == 2
        check_books(world)

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [6, 17])
def test_budgets_through_bad_days(seed: int) -> None:
    """All faults of servers, providers, agents and people; limits bind, are raised and lowered."""
    options = ChaosOptions(seed=seed, days=0.08, workers=12, jobs_per_day=1500, intensity=5.0)
    world = ChaosRun(options, variation=Variation(fleet=with_budgets))
    kinds = Counter[str]()
    world.world.written.append(
        lambda changes: kinds.update(each.kind for each in changes.rows.get(EventRecord, {}).values())  # type: ignore[attr-defined]
    )
    assert world.run().violations == []
    assert kinds["budget.exhausted"]


def test_dry_runs_and_plans_say_whether_budgets_last() -> None:
    """The pool may have 6 workers of $3.60 an hour."""

    async def story(world: World) -> None:
        body = {"pools": [], "budgets": budget("7.20")}
        dry = await world.people.call("root", "POST", "/apply?dry_run=true", body)
        (outlook,) = dry["outlook"]
        assert outlook["text"] == (
            "Budget burst has $7.20 of $7.20 left; its pools cost at least $0.00/h, which it pays, "
            "and at most $21.60/h, which it pays for 20 min."
        )
        assert (outlook["holds_least"], outlook["holds_most"]) == (True, False)
        assert not world.core.budgets.budgets
        await apply(world, budget("7.20"))
        await world.people.submit(cpu=2, sleep_ms=600_000)
        await world.until(lambda: bool(world.core.state.live), 120, "it runs")
        plan = await world.people.call("root", "GET", "/plans/next")
        (now,) = plan["outlook"]
        assert now["per_hour_least_usd"] == now["per_hour_most_usd"] == "3.6"
        assert "its workers cost $3.60/h, which it pays for" in now["text"]
        month = {"all": {"limit": "100", "period": "month"}}
        both = await world.people.call(
            "root", "POST", "/apply?dry_run=true", {"pools": [], "budgets": month, "ahead": True}
        )
        assert [each["budget"] for each in both["outlook"]] == ["burst"], "nothing is below the other"

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)


def test_a_pool_gets_workers_for_what_its_budget_can_borrow() -> None:
    async def story(world: World) -> None:
        own = budget("0.05", parent="all", borrow=True)
        others = {
            "all": {"limit": "1", "period": "once"},
            "lender": {"limit": "0.90", "period": "once", "parent": "all"},
        }
        await apply(world, {**others, **own})
        await world.people.submit(cpu=2, sleep_ms=200_000)
        await world.until(lambda: bool(world.core.state.live), 120, "it runs")
        await rest(world)
        check_rest(world)
        loans = world.core.budgets.transfers.values()
        assert {each.source for each in loans} == {"lender"}
        assert spent(world) > 50 * PICO_PER_USD // 1000

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)


def test_workers_go_on_when_their_budget_is_deleted_and_it_is_gone_at_once() -> None:
    async def story(world: World) -> None:
        await apply(world, budget("10"))
        await world.people.submit(cpu=2, sleep_ms=600_000)
        await world.until(lambda: bool(world.core.state.live), 120, "it runs")
        await world.people.call("root", "DELETE", "/budgets/burst")
        assert world.core.budgets.budgets["burst"].deleting, "it has a lease"
        await world.until(lambda: "burst" not in world.core.budgets.budgets, 30, "it is gone")
        assert not world.core.budgets.live
        assert world.core.state.live, "its worker goes on"
        assert world.core.budgets.removed["burst"].used(world.core.clock.now_ms()) > 0
        await world.people.submit(cpu=2, sleep_ms=1_000)
        await world.until(lambda: len(world.core.state.workers) == 2, 120, "nothing limits the pool")
        check_books(world)

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)
