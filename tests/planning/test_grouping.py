"""Very many distinct shapes: they are planned as groups, nothing is lost by it, and it is said."""

import asyncio
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from herder.control.kernel.planner.planning_thread import Planning
from herder.control.planning.plans import still_right
from herder.decide.plan.planner import decide
from herder.decide.plan.why_waiting import why_waiting
from herder.decide.scaling.shape_grouping import SHAPES_MAX
from herder.engine.memory.state import EngineState
from herder.model.fleet.pool import Template
from herder.model.ids import ClassId, PlanNumber, UserName
from herder.model.planning.observed import Observed, QueuedClass
from herder.model.planning.plan import CreateWorker, ReasonKind
from herder.model.values.resources import Resources
from herder.model.work.job import JobClass
from tests.support.pools import pool_spec

POOL = pool_spec(
    "std",
    templates=(
        Template(name="small", allocatable=Resources(2000, 4096, 10_000, 0), slots=1000, price_pico_per_hour=10**11),
        Template(name="large", allocatable=Resources(16_000, 65_536, 10_000, 0), slots=1000, price_pico_per_hour=9 * 10**11),
    ),
    max_workers=10_000,
    new_workers_per_cycle=10_000,
)  # fmt: skip


def observed(shapes: list[tuple[int, int]], **more: object) -> Observed:
    queue = tuple(
        QueuedClass(
            class_id=ClassId(number),
            job_class=JobClass(user=UserName("ann"), request=Resources(cpu, memory, 0, 0)),
            count=1,
            oldest_ready_at_ms=number,
        )
        for number, (cpu, memory) in enumerate(shapes, start=1)
    )
    seen = Observed(
        plan_number=PlanNumber(1), pools=(POOL,), workers=(), workers_as_of_ms=0, demand=queue, demand_as_of_ms=0
    )  # fmt: skip
    return replace(seen, **more)  # type: ignore[arg-type]


def many(count: int) -> list[tuple[int, int]]:
    return [(100 + number % 1900, 64 + number) for number in range(count)]


def test_few_shapes_are_planned_one_by_one() -> None:
    plan = decide(observed(many(SHAPES_MAX)), 0)
    assert all(reason.kind is not ReasonKind.SHAPES_GROUPED for pool in plan.pools for reason in pool.reasons)


def test_many_shapes_are_planned_as_few_groups_and_all_jobs_get_a_place() -> None:
    seen = observed(many(4_000))
    plan = decide(seen, 0)
    (pool,) = plan.pools
    assert pool.queued_jobs == 4_000
    assert plan.unplaced == ()
    (note,) = [reason for reason in pool.reasons if reason.kind is ReasonKind.SHAPES_GROUPED]
    assert note.text.startswith("4,000 distinct job shapes are queued. They are planned as ")
    made = [action.spec.allocatable for action in plan.actions if isinstance(action, CreateWorker)]
    wanted = sum(each.job_class.request.cpu_milli for each in seen.demand)
    assert wanted <= sum(size.cpu_milli for size in made) <= 1.5 * wanted


@settings(max_examples=15)
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(SHAPES_MAX + 1, 900))
def test_a_group_fits_wherever_its_members_fit(one: int, other: int, count: int) -> None:
    """What is too large for all templates is without a place, and nothing else is."""
    shapes = [(1 + number * one % 20_000, 1 + number * other % 70_000) for number in range(count)]
    plan = decide(observed(shapes), 0)
    largest = POOL.templates[1].allocatable
    too_large = sum(not Resources(cpu, memory, 0, 0).fits_in(largest) for cpu, memory in shapes)
    assert sum(each.count for each in plan.unplaced) == too_large


def test_shapes_that_no_group_can_hold_come_later_and_it_is_said() -> None:
    """Each asks for a label of its own, so that none is like another."""
    plain = observed(many(SHAPES_MAX + 100))
    queue = tuple(
        replace(each, job_class=replace(each.job_class, selector=((f"l{each.class_id}", "x"),)))
        for each in plain.demand
    )
    labelled = replace(
        POOL, templates=tuple(replace(template, labels=(("a", "b"),)) for template in POOL.templates)
    )
    plan = decide(replace(plain, demand=queue, pools=(labelled,)), 0)
    assert sum(each.count for each in plan.unplaced) in (SHAPES_MAX, SHAPES_MAX + 100)


def test_left_out_classes_are_told() -> None:
    plan = decide(observed(many(10), demand_left_out=1_200), 0)
    (note,) = [reason for reason in plan.pools[0].reasons if reason.kind is ReasonKind.SHAPES_GROUPED]
    assert "1,210 distinct job shapes" in note.text
    assert "1,200 when those have started" in note.text


def test_why_a_job_of_a_grouped_class_waits() -> None:
    seen = observed(many(2_000))
    for each in (seen.demand[0], seen.demand[1_234]):
        reasons = why_waiting(each.class_id, each.job_class, seen, 0)
        assert reasons[0].kind is ReasonKind.QUEUED_JOBS
        assert reasons[-1].kind is ReasonKind.SHAPES_GROUPED


def test_a_plan_is_not_applied_when_the_pools_or_the_numbers_have_changed() -> None:
    state = EngineState(pools={POOL.name: POOL})
    seen = observed(many(3))
    plan = decide(seen, 0)
    assert plan.actions
    assert still_right(state, seen, plan, 0) is plan
    state.next_plan = 2  # somebody asked for workers by hand
    assert still_right(state, seen, plan, 0) is None
    state.next_plan = 1
    state.pools[POOL.name] = replace(POOL, frozen=True)
    assert still_right(state, seen, plan, 0) is None


def test_no_limit_is_passed_by_a_plan_that_is_late() -> None:
    pool = replace(POOL, size=replace(POOL.size, max_workers=1))
    seen = replace(observed(many(3)), pools=(pool,))
    plan = decide(replace(seen, pools=(POOL,)), 0)
    assert len(plan.actions) >= 1
    twice = replace(plan, actions=plan.actions + tuple(
        replace(each, spec=replace(each.spec, name=each.spec.name + "x")) for each in plan.actions if isinstance(each, CreateWorker)
    ))  # fmt: skip
    found = still_right(EngineState(pools={pool.name: pool}), seen, twice, 0)
    assert found is not None
    assert len(found.actions) == 1


async def test_questions_that_come_together_share_one_answer() -> None:
    planning, looks = Planning(), 0
    seen = observed(many(600))

    def look() -> tuple[Observed, int]:
        nonlocal looks
        looks += 1
        return seen, 0

    first = asyncio.create_task(planning.ask(look))
    await asyncio.sleep(0.001)
    later = [asyncio.create_task(planning.ask(look)) for _ in range(20)]
    answers = await asyncio.gather(first, *later)
    assert looks == 2
    assert all(answer.plan == answers[0].plan for answer in answers)
    planning.close()
