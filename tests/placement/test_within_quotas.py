"""Quotas in the engine: what starts, what no worker is made for, and what a freed quota starts elsewhere."""

from herder.control.planning.observation import observe
from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.decide.plan.why_waiting import why_waiting
from herder.engine.memory.invariants import violations
from herder.model.ids import UserName
from herder.model.planning.plan import CreateWorker, ReasonKind
from herder.model.values.resources import Resources
from herder.model.work.sharing import Amounts, Limits, ProjectQuota, Sharing, UserQuota
from tests.support.engine_world import POOL, TEMPLATE, World, job_class
from tests.support.pools import pool_spec

RESEARCH = ProjectQuota(name="research", nominal=Limits(cpu_milli=3000), borrowing_limit=Limits(cpu_milli=0))


def shared(*projects: ProjectQuota, users: tuple[UserQuota, ...] = ()) -> World:
    world = World(POOL)
    world.state.sharing = Sharing(projects=projects, users=users)
    return world


def running(world: World, project: str) -> int:
    return sum(world.state.classes[each.class_id].project == project for each in world.state.live.values())


def test_a_project_runs_no_more_than_its_quota_and_others_go_on() -> None:
    world = shared(RESEARCH)
    for number in (1, 2, 3):
        world.ready_worker(number)
    world.submit(9, job_class(project="research"))
    world.submit(2, job_class("bob"))
    world.commit()
    assert (running(world, "research"), running(world, "default")) == (3, 2)
    assert world.state.held[UserName("ann"), "research"] == Amounts(3000, 3072, 0, 3)
    assert violations(world.state) == []


def test_what_ends_lets_a_job_start_on_another_worker() -> None:
    """The freed worker is too small for the next job of the project; the other one had room all the time."""
    world = shared(RESEARCH)
    small, agent = world.ready_worker(1)
    world.submit(1, job_class(project="research"))
    world.commit()
    world.talk(agent)
    large = pool_spec(
        POOL.name,
        driver="pretend",
        templates=(TEMPLATE,),
        max_workers=100,
        labels=(("size", "large"),),
    )
    world.ready_worker(2, large)
    world.state.workers[list(world.state.workers)[1]].free = Resources(8000, 8192, 8192)
    world.submit(1, job_class("bob", Resources(3000, 1024, 0), project="research"))
    world.commit()
    assert running(world, "research") == 1
    agent.end(next(iter(agent.held)), world.now_ms)
    world.talk(agent)
    (attempt,) = world.state.live.values()
    assert attempt.worker != small.spec.name
    assert running(world, "research") == 1


def test_no_worker_is_made_for_what_a_quota_holds_back_and_the_plan_says_so() -> None:
    world = shared(RESEARCH)
    world.submit(9, job_class(project="research"))
    world.commit()
    observed = observe(world.state, world.now_ms)
    plan = decide(observed, world.now_ms)
    assert check_plan(observed, plan) == ()
    assert sum(isinstance(action, CreateWorker) for action in plan.actions) == 2, (
        "three jobs of 1 CPU on 2 CPU each"
    )
    (unplaced,) = plan.unplaced
    assert (unplaced.count, unplaced.reason.kind) == (6, ReasonKind.QUOTA)
    assert ("quota", "project research") in unplaced.reason.evidence
    (class_id,) = world.state.queues
    (first, *_) = why_waiting(class_id, world.state.classes[class_id], observed, world.now_ms)
    assert first == unplaced.reason


def test_a_plan_that_was_applied_needs_no_other_while_a_quota_holds_all_back() -> None:
    world = shared(users=(UserQuota(user=UserName("ann"), limits=Limits(jobs=1)),))
    _, agent = world.ready_worker(1)
    world.submit(3)
    world.commit()
    world.talk(agent)
    plan = decide(observe(world.state, world.now_ms), world.now_ms)
    assert plan.actions == ()
    assert [reason.kind for reason in plan.pools[0].reasons] == [ReasonKind.QUOTA]
    for _ in range(3):
        assert len(world.state.live) == 1
        agent.end(next(iter(agent.held)), world.now_ms)
        world.talk(agent)
    assert not world.state.live


def test_what_is_held_of_a_quota_survives_a_crash_and_a_raised_quota_counts_at_once() -> None:
    world = shared(RESEARCH)
    for number in (1, 2, 3):
        world.ready_worker(number)
    world.submit(6, job_class(project="research"))
    world.commit()
    world.crash()
    world.state.sharing = Sharing(projects=(RESEARCH,))
    world.commit()
    assert running(world, "research") == 3
    raised = ProjectQuota(name="research", nominal=Limits(cpu_milli=5000))
    world.state.sharing, world.state.fresh_demand = Sharing(projects=(raised,)), True
    world.commit()
    assert running(world, "research") == 5
    assert world.faults() == []


def test_many_users_of_a_small_quota_all_come_to_it() -> None:
    """21 users, a quota of two attempts, jobs that end at once: after 21 × 2 jobs everybody has had two."""
    quota = ProjectQuota(name="research", nominal=Limits(jobs=2), borrowing_limit=Limits(jobs=0))
    world = shared(quota)
    _, agent = world.ready_worker(1)
    for number in range(21):
        world.submit(10, job_class(f"u{number:02}", project="research"))
    world.commit()
    done: dict[str, int] = {}
    while sum(done.values()) < 42:
        world.talk(agent)
        assert 0 < len(world.state.live) <= 2
        key = next(iter(agent.held))
        user = world.state.classes[world.state.live[key[0]].class_id].user  # type: ignore[index]
        done[user] = done.get(user, 0) + 1
        agent.end(key, world.now_ms)
        world.now_ms += 1000
        world.talk(agent)
    assert set(done.values()) == {2}
    assert len(done) == 21
