"""Budgets of users and projects in the simulated world: their jobs start and run only as far as they are paid, and all of it is charged."""

import asyncio
from dataclasses import replace

import pytest

from herder.ledger.budgets.leases import broken
from herder.model.ids import JobId
from herder.model.planning.plan import ReasonKind
from herder.model.values.money import PICO_PER_USD, PicoUsd
from herder.model.work.job import JobState
from herder.simulate.chaos import POOLS, World
from herder.simulate.chaos.faults.chance import stream
from tests.simulation.fleet import check_rest, states_of

#: A worker of two cores costs $3.60 an hour; a job that takes half of it $1.80, which is $0.06 in a quantum of two minutes.
POOL = replace(
    POOLS[0],
    templates=(replace(POOLS[0].templates[0], price_pico_per_hour=PicoUsd(36 * PICO_PER_USD // 10)),),
)
SETTINGS = {"budget_quantum_s": 120.0}
HALF = {"cpu": 1, "memory": "2Gi"}


async def apply(world: World, **limits: str) -> None:
    """Of users."""
    budgets = {
        f"of-{user}": {"scope": "user", "of": user, "limit": limit, "period": "once"}
        for user, limit in limits.items()
    }
    await world.people.call("root", "POST", "/apply", {"pools": [], "budgets": budgets, "ahead": True})


def spent(world: World, name: str) -> int:
    return sum(each.spent for each in world.core.budgets.budgets[name].spans.values())


def booked(world: World, user: str) -> int:
    """By the ledger, of attempts that have ended."""
    return sum(each.cost_pico for key, each in world.core.ledger.accounts.items() if key[0] == user)


def running(world: World, *jobs: int) -> bool:
    return all(JobId(job) in world.core.state.live for job in jobs)


def test_jobs_without_a_budget_know_nothing_of_it() -> None:
    async def story(world: World) -> None:
        job = await world.people.submit(**HALF, sleep_ms=1_000)
        await world.until(lambda: states_of(world).get(job) is JobState.SUCCEEDED, 120, "it ends")
        assert world.core.state.funds is None
        assert not world.core.budgets.live

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)


def test_what_jobs_cost_is_charged_exactly_and_others_pay_nothing() -> None:
    async def story(world: World) -> None:
        await apply(world, ann="10")
        await world.until(lambda: world.core.state.funds is not None, 30, "the budget is seen")
        jobs = [await world.people.submit(**HALF, sleep_ms=n * 40_000) for n in (1, 2, 8)]
        bob = await world.people.submit(user="bob", **HALF, sleep_ms=100_000)
        await world.until(
            lambda: all(states_of(world).get(job) is JobState.SUCCEEDED for job in (*jobs, bob)),
            900,
            "all end",
        )
        await asyncio.sleep(30)
        assert spent(world, "of-ann") == booked(world, "ann") > 0
        assert [each.amount for each in world.core.budgets.live.values()] == [0]
        assert broken(world.core.budgets, world.core.clock.now_ms()) == []

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)


def test_only_so_many_jobs_start_as_are_paid_and_the_others_say_why() -> None:
    """Five jobs, money for the next quantum of three."""

    async def story(world: World) -> None:
        await apply(world, ann="0.20")
        await world.until(lambda: world.core.state.funds is not None, 30, "the budget is seen")
        for _ in range(5):
            await world.people.submit(**HALF, sleep_ms=3_600_000, attempts_max=1000)
        await world.until(lambda: len(world.core.state.live) == 3, 60, "three run")
        await asyncio.sleep(30)
        assert len(world.core.state.live) == 3
        plan = world.core.planning.last
        assert plan is not None
        (waits,) = [each for each in plan.unplaced if each.reason.kind is ReasonKind.BUDGET]
        assert waits.count == 2
        assert waits.reason.text.startswith("2 of 2 such jobs wait for budget of-ann: it has ")
        waiting = min(job for job, state in states_of(world).items() if state is JobState.READY)
        why = await world.people.call("ann", "GET", f"/jobs/{waiting}/explain")
        assert "wait for budget of-ann" in why["summary"]

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)


def test_a_job_of_one_pool_is_not_kept_from_it_by_the_price_of_another() -> None:
    """There is money for a quantum on the pool that it names, and not for one on the dearest."""
    dear = replace(
        POOLS[1],
        templates=tuple(
            replace(each, price_pico_per_hour=PicoUsd(360 * PICO_PER_USD)) for each in POOLS[1].templates
        ),
    )

    async def story(world: World) -> None:
        await apply(world, ann="0.10")
        await world.until(lambda: world.core.state.funds is not None, 30, "the budget is seen")
        job = await world.people.submit(**HALF, sleep_ms=20_000, pool=POOL.name)
        await world.until(lambda: states_of(world).get(job) is JobState.SUCCEEDED, 200, "it ends")

    World(1, pools=(POOL, dear), core_settings=SETTINGS).run(story)


def test_attempts_are_preempted_when_the_money_ends_the_least_urgent_first_and_go_on_with_more() -> None:
    async def story(world: World) -> None:
        await apply(world, bob="0.33")
        await world.until(lambda: world.core.state.funds is not None, 30, "the budget is seen")
        long = {**HALF, "sleep_ms": 3_600_000, "attempts_max": 1000}
        low = await world.people.submit(user="bob", **long)
        high = await world.people.submit(user="bob", **long, priority=3)
        await world.until(lambda: running(world, low, high), 60, "both run")
        await world.until(lambda: not running(world, low), 900, "one is preempted")
        assert running(world, high)
        await world.until(lambda: not running(world, high), 900, "nothing is left")
        await asyncio.sleep(30)
        limit = world.core.budgets.budgets["of-bob"].spec.limit
        assert limit is not None
        assert limit - 60 * PICO_PER_USD // 1000 < spent(world, "of-bob") <= limit
        assert spent(world, "of-bob") == booked(world, "bob")
        await apply(world, bob="100")
        await world.until(lambda: running(world, low, high), 120, "both go on")

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)


def test_what_was_spent_before_the_budget_is_not_paid_by_it() -> None:
    async def story(world: World) -> None:
        job = await world.people.submit(**HALF, sleep_ms=200_000)
        await world.until(lambda: running(world, job), 60, "it runs")
        await asyncio.sleep(100)
        await apply(world, ann="10")
        await world.until(lambda: states_of(world).get(job) is JobState.SUCCEEDED, 400, "it ends")
        await asyncio.sleep(30)
        before = 100 * PICO_PER_USD // 2000
        assert 0 < spent(world, "of-ann") <= booked(world, "ann") - before

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)


def test_neither_is_it_where_others_had_budgets_before() -> None:
    """A job that has ended, and one that runs: the budget pays from its creation on."""

    async def story(world: World) -> None:
        await apply(world, bob="10")
        await world.until(lambda: world.core.state.funds is not None, 30, "the budget is seen")
        job = await world.people.submit(**HALF, sleep_ms=100_000)
        await world.until(lambda: states_of(world).get(job) is JobState.SUCCEEDED, 400, "it ends")
        await asyncio.sleep(30)
        await apply(world, ann="10")
        await asyncio.sleep(30)
        assert booked(world, "ann") > 0
        assert spent(world, "of-ann") == 0
        job = await world.people.submit(**HALF, sleep_ms=100_000)
        before = booked(world, "ann")
        await world.until(lambda: states_of(world).get(job) is JobState.SUCCEEDED, 400, "it ends")
        await asyncio.sleep(30)
        assert spent(world, "of-ann") == booked(world, "ann") - before > 0

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)


def test_a_project_and_its_division_pay_for_the_same_job() -> None:
    async def story(world: World) -> None:
        budgets = {
            "web": {"scope": "project", "limit": "10", "period": "once"},
            "engineering": {"scope": "division", "limit": "0.13", "period": "once"},
        }
        await world.people.call("root", "POST", "/apply", {"pools": [], "budgets": budgets, "ahead": True})
        await world.until(lambda: world.core.state.funds is not None, 30, "the budgets are seen")
        for user in ("ann", "bob", "cyd"):
            await world.people.submit(user=user, **HALF, project="web", sleep_ms=60_000)
        await world.until(lambda: len(world.core.state.live) == 2, 60, "two are paid")
        await asyncio.sleep(20)
        assert len(world.core.state.live) == 2
        await world.until(world.at_rest, 900, "all end, one after the other")
        await asyncio.sleep(30)
        total = sum(booked(world, user) for user in ("ann", "bob", "cyd"))
        assert spent(world, "web") == spent(world, "engineering") == total > 0

    sharing = {"projects": {"web": {"division": "engineering"}}}
    World(1, pools=(POOL,), sharing=sharing, core_settings=SETTINGS).run(story)


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_server_that_dies_charges_nothing_twice(seed: int) -> None:
    async def story(world: World) -> None:
        await apply(world, ann="1", bob="0.25")
        await world.until(lambda: world.core.state.funds is not None, 30, "the budgets are seen")
        for user in ("ann", "bob"):
            await world.people.submit(user=user, **HALF, sleep_ms=1_000)
            for _ in range(3):
                await world.people.submit(user=user, **HALF, sleep_ms=100_000, attempts_max=1000)
        await world.until(lambda: len(world.core.budgets.live) == 2, 120, "leases")
        draw = stream(seed, "deaths")
        for _ in range(6):
            await asyncio.sleep(draw.randint(1, 40))
            world.kill_server()
            await world.restart(draw.randint(1, 60))
            assert broken(world.core.budgets, world.core.clock.now_ms()) == []
        await apply(world, bob="10")
        await world.until(world.at_rest, 1800, "all jobs end")
        await asyncio.sleep(30)
        check_rest(world)
        for user in ("ann", "bob"):
            assert spent(world, f"of-{user}") == booked(world, user)

    World(seed, pools=(POOL,), core_settings=SETTINGS).run(story)


def test_jobs_go_on_when_their_budget_is_deleted_and_it_is_gone_at_once() -> None:
    async def story(world: World) -> None:
        await apply(world, ann="10")
        await world.until(lambda: world.core.state.funds is not None, 30, "the budget is seen")
        job = await world.people.submit(**HALF, sleep_ms=300_000)
        await world.until(lambda: running(world, job), 120, "it runs")
        await world.until(
            lambda: any(each.amount for each in world.core.budgets.live.values()), 30, "it is paid"
        )
        await asyncio.sleep(30)
        await world.people.call("root", "DELETE", "/budgets/of-ann")
        assert world.core.budgets.budgets["of-ann"].deleting
        await world.until(lambda: not world.core.budgets.budgets, 30, "it is gone")
        assert not world.core.budgets.live
        assert running(world, job), "its job goes on"
        assert world.core.budgets.removed["of-ann"].used(world.core.clock.now_ms()) > 0

    World(1, pools=(POOL,), core_settings=SETTINGS).run(story)
