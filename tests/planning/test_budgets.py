"""Budgets as a hard limit of the planner: a plan never costs more than is left, and the budget that binds is named."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide, plan_steps
from herder.decide.plan.why_waiting import why_waiting
from herder.decide.scaling.spending import paid
from herder.decide.scaling.triggers import queued_jobs
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import PoolName
from herder.model.planning.budgets import BudgetLeft, BudgetsLeft
from herder.model.planning.observed import Observed
from herder.model.planning.plan import CreateWorker, Plan, ReasonKind
from herder.model.values.money import limit_text, most_cost_of, parse_usd
from tests.planning.world import (
    MINUTE,
    NOW,
    applied,
    cores,
    creations,
    observed,
    pool,
    queued,
    template,
    worlds,
)

QUANTUM_MS = 15 * MINUTE


def budget(name: str, left: str, parent: str | None = None) -> BudgetLeft:
    return BudgetLeft(name=name, limit_cents=20_000, left=parse_usd(left), parent=parent)


def paid_from(world: Observed, pools: dict[str, str], *budgets: BudgetLeft) -> Observed:
    by_pool = tuple((PoolName(name), each) for name, each in sorted(pools.items()))
    return replace(world, budgets=BudgetsLeft(quantum_ms=QUANTUM_MS, budgets=budgets, pools=by_pool))


def plan_for(world: Observed) -> Plan:
    plan = decide(world, NOW)
    assert check_plan(world, plan) == ()
    return plan


def dear(name: str = "std", price: str = "4", **more: object) -> PoolSpec:
    more.setdefault("max_workers", 50)
    more.setdefault("new_workers_per_cycle", 50)
    return pool(name, template(size=16, price=parse_usd(price)), **more)


def made(plan: Plan) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in creations(plan):
        found[each.spec.pool] = found.get(each.spec.pool, 0) + 1
    return found


def test_only_so_many_workers_are_created_as_their_first_quantum_is_paid() -> None:
    world = observed([dear()], [], [queued(1, 80)])  # five workers, each $1 in its first 15 minutes
    plan = plan_for(paid_from(world, {"std": "burst"}, budget("burst", "3.99")))
    assert made(plan) == {"std": 3}
    [report] = plan.pools
    assert report.desired == 5
    binding = next(reason for reason in report.reasons if reason.kind is ReasonKind.BUDGET)
    assert binding.text.startswith("Budget burst has $3.99 of $200.00 left, enough for 3 more workers")
    assert dict(binding.evidence)["budget"] == "burst"


def test_why_names_the_budget() -> None:
    world = paid_from(observed([dear()], [], [queued(1, 1)]), {"std": "burst"}, budget("burst", "0.99"))
    first = why_waiting(world.demand[0].class_id, world.demand[0].asks, world, NOW)[0]  # type: ignore[attr-defined]
    assert first.kind is ReasonKind.BUDGET
    assert "Budget burst has $0.99 of $200.00 left" in first.text


def test_the_budget_above_binds_for_its_pools_together() -> None:
    world = observed([dear("a", min_workers=2), dear("b", min_workers=2)])
    plan = plan_for(
        paid_from(
            world,
            {"a": "alpha", "b": "beta"},
            budget("alpha", "50", "all"),
            budget("beta", "50", "all"),
            budget("all", "3"),
        )
    )
    assert sum(made(plan).values()) == 3
    short = [reason for report in plan.pools for reason in report.reasons if reason.kind is ReasonKind.BUDGET]
    assert short
    assert all("Budget all " in reason.text for reason in short)


def test_demand_goes_on_to_the_pool_that_has_money() -> None:
    world = observed([dear("cheap", "1"), dear("paid", "4")], [], [queued(1, 16)])
    plan = plan_for(
        paid_from(world, {"cheap": "small", "paid": "large"}, budget("small", "0.2"), budget("large", "20"))
    )
    assert made(plan) == {"paid": 1}


def test_of_several_sizes_those_are_made_that_are_paid() -> None:
    of = pool(
        "std", template("small", 4, parse_usd("1")), template("large", 16, parse_usd("4")), max_workers=9
    )
    world = observed([of], [], [queued(1, 1, cores(16)), queued(2, 1, cores(4))])
    plan = plan_for(paid_from(world, {"std": "burst"}, budget("burst", "0.5")))
    assert [each.spec.template for each in creations(plan)] == ["small"]
    [report] = plan.pools
    assert ReasonKind.BUDGET in {reason.kind for reason in report.reasons}


def test_the_pool_that_comes_second_gets_the_cheaper_workers_that_are_still_paid() -> None:
    """Of $1.50, the first pool takes $1.00; what the second would have liked costs as much, and a smaller worker $0.30."""
    small = template("small", 4, parse_usd("1.2"))
    other = pool("b", template("large", 16, parse_usd("4")), small, max_workers=50, new_workers_per_cycle=50)
    demand = [queued(1, 16, pool="a"), queued(2, 16, pool="b")]
    world = observed([dear("a"), other], [], demand)
    plan = plan_for(paid_from(world, {"a": "all", "b": "all"}, budget("all", "1.5")))
    assert sorted(each.spec.template for each in creations(plan)) == ["medium", "small"]
    reasons = {report.pool: [reason.text for reason in report.reasons] for report in plan.pools}
    said = "Pool b creates cheaper workers: budget all has too little left for a worker of large, which reserves $1.00 for its first 15 min."
    assert said in reasons["b"]
    assert said not in reasons["a"]
    enough = plan_for(paid_from(world, {"a": "all", "b": "all"}, budget("all", "2")))
    assert [each.spec.template for each in creations(enough)].count("small") == 0


def test_a_permanent_pool_is_bound_too() -> None:
    plan = plan_for(paid_from(observed([dear(min_workers=3)]), {"std": "month"}, budget("month", "2")))
    assert made(plan) == {"std": 2}
    [report] = plan.pools
    assert "It is short of 1 worker for its minimum." in report.reasons[-1].text


def test_what_costs_nothing_needs_no_budget() -> None:
    world = observed([dear(price="0")], [], [queued(1, 32)])
    assert made(plan_for(paid_from(world, {"std": "burst"}, budget("burst", "0")))) == {"std": 2}


def test_a_budget_without_a_limit_binds_nothing_and_those_above_it_do() -> None:
    world = observed([dear()], [], [queued(1, 80)])
    free = BudgetLeft(name="sum", limit_cents=None, left=None, parent="all")
    assert made(plan_for(paid_from(world, {"std": "sum"}, free, budget("all", "2")))) == {"std": 2}
    alone = replace(free, parent=None)
    assert made(plan_for(paid_from(world, {"std": "sum"}, alone))) == {"std": 5}


# --- in every world ----------------------------------------------------------------------------------------------------


@st.composite
def with_budgets(draw: st.DrawFn) -> Observed:
    """Prices of the small worlds are up to about 1,000 pico-USD an hour, so that every amount here binds somewhere."""
    world = draw(worlds())
    amounts = st.one_of(st.none(), st.integers(-50, 2_000))
    names = ["top", "left", "right"]
    budgets = []
    for place, name in enumerate(names[: draw(st.integers(1, 3))]):
        limit = draw(amounts)
        parent = names[draw(st.integers(0, place - 1))] if place and draw(st.booleans()) else None
        budgets.append(BudgetLeft(name=name, limit_cents=limit, left=limit, parent=parent))
    pools = tuple(
        (each.name, draw(st.sampled_from(budgets)).name) for each in world.pools if draw(st.integers(0, 3))
    )
    quantum_ms = draw(st.sampled_from([MINUTE, 15 * MINUTE, 60 * MINUTE]))
    return replace(world, budgets=BudgetsLeft(quantum_ms=quantum_ms, budgets=tuple(budgets), pools=pools))


def charged(world: Observed, plan: Plan) -> Observed:
    """What is left when the workers of the plan have reserved."""
    left = {each.name: each.left for each in world.budgets.budgets}
    for each in creations(plan):
        for above in world.budgets.above(each.spec.pool):
            left[above.name] = (left[above.name] or 0) - reserves(world, each)
    budgets = tuple(replace(each, left=left[each.name]) for each in world.budgets.budgets)
    return replace(world, budgets=replace(world.budgets, budgets=budgets))


def reserves(world: Observed, create: CreateWorker) -> int:
    return most_cost_of(create.spec.price_pico_per_hour, world.budgets.quantum_ms)


@given(world=with_budgets())
@settings(deadline=None)
def test_a_plan_never_costs_more_than_is_left(world: Observed) -> None:
    plan = plan_for(world)
    after = charged(world, plan)
    for before, now in zip(world.budgets.budgets, after.budgets.budgets, strict=True):
        assert now.left is None or now.left >= min(before.left or 0, 0)


@given(world=with_budgets())
@settings(deadline=None, max_examples=30)
def test_looking_for_cheaper_workers_never_leaves_more_jobs_waiting(world: Observed) -> None:
    steps = plan_steps(world, NOW)
    paid_alone = paid(steps.snapshot, queued_jobs.ask(steps.snapshot, steps.demand_limits, set()).proposals)
    if steps.must_leave or not paid_alone.missing or not steps.queue.known:
        return
    found = paid(steps.snapshot, steps.queue.proposals)
    if found.missing:
        assert found.proposals == paid_alone.proposals, "nothing better was found"
    else:
        assert all(
            left >= min(0, each.left or 0)
            for each in world.budgets.budgets
            if (left := found.left.get(each.name)) is not None
        )


@given(world=with_budgets())
@settings(deadline=None)
def test_where_money_is_plenty_a_budget_changes_nothing(world: Observed) -> None:
    rich = tuple(replace(each, limit_cents=10**8, left=10**18) for each in world.budgets.budgets)
    plan = plan_for(replace(world, budgets=replace(world.budgets, budgets=rich)))
    without = plan_for(replace(world, budgets=BudgetsLeft(quantum_ms=0, budgets=(), pools=())))
    assert plan == without


@given(world=with_budgets())
@settings(deadline=None)
def test_plans_come_to_rest_within_what_is_left(world: Observed) -> None:
    """The first may be short of what several pools share; those after it never undo it."""
    for _ in range(12):
        plan = plan_for(world)
        if not creations(plan):
            return
        world = charged(applied(world, plan), plan)
    raise AssertionError("it goes on creating workers")


@pytest.mark.parametrize(
    ("cents", "left", "text"),
    [(0, 600_000_000, "less than $0.01"), (0, 0, "$0.00"), (5, 1, "$0.05"), (1_250_000, 1, "$12,500.00")],
)
def test_a_limit_below_a_cent_is_not_shown_as_nothing(cents: int, left: int, text: str) -> None:
    assert limit_text(cents, left) == text
