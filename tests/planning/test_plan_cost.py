"""A plan says what its new workers cost and what they must cost at least; the search for cheaper ones keeps plans final."""

import pytest

from herder.cli.views.plans import plan_lines
from herder.control.reads.fleet.pools_and_workers import plan_view
from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.model.values.resources import Resources
from herder.store.rows.json_forms import plain_plan
from tests.planning.world import NOW, applied, cores, creations, observed, pool, queued, template

MIXED = [
    Resources(cpu, memory, 0, 0)
    for cpu in (100, 250, 500, 1000, 1500)
    for memory in (100, 256, 512, 1024, 2048, 4096)
]


def test_a_whole_fleet_is_close_to_the_bound_and_says_so() -> None:
    std = pool(
        "std",
        template("big", 32, 1000),
        template("small", 4, 125),
        max_workers=500,
        new_workers_per_cycle=500,
    )
    world = observed([std], [], [queued(n, 100, size) for n, size in enumerate(MIXED)])
    plan = decide(world, NOW)
    assert check_plan(world, plan) == ()
    paid = sum(action.spec.price_pico_per_hour for action in creations(plan))
    assert 0 < plan.bound_pico_per_hour <= plan.cost_pico_per_hour == paid
    assert plan.cost_pico_per_hour <= 1.05 * plan.bound_pico_per_hour
    assert decide(applied(world, plan), NOW).empty


def test_people_read_the_gap() -> None:
    world = observed([pool()], [], [queued(1, 3, cores(3))])
    view = plan_view(plain_plan(decide(world, NOW)))
    lines = "\n".join(plan_lines(view))
    assert "/h, lower bound $" in lines or "equal to the lower bound" in lines


@pytest.mark.parametrize("jobs", [0, 1])
def test_no_new_workers_cost_nothing(jobs: int) -> None:
    world = observed([pool(max_workers=0, min_workers=0)], [], [queued(1, jobs)] if jobs else [])
    plan = decide(world, NOW)
    assert (plan.cost_pico_per_hour, plan.bound_pico_per_hour) == (0, 0)
