"""Interruption notices: the drain that one begins, its deadline, and what may happen at the same moment."""

import dataclasses

import pytest

from herder.control.planning.observation import queued
from herder.engine import clock_step
from herder.engine.memory.state import WorkerLife
from herder.engine.memory.worker_repair import text_of
from herder.engine.workers import deadlines, notices
from herder.engine.workers import worker as life
from herder.engine.workers.draining import drains
from herder.engine.workers.draining.drain_texts import progress_text, until_ms
from herder.engine.workers.exchange import gather, has_news
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.notice import NoticeSource
from herder.model.fleet.offer import FailureCause
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.records import EventRecord
from herder.model.work.job import AttemptState, Cause, JobState
from tests.support.engine_world import POOL, Agent, World, job_class

BY_HAND = Reason(kind=ReasonKind.BY_HAND, text="Removed by hand.")
DRIVER = NoticeSource.DRIVER


def announce(world: World, worker: WorkerLife, left_s: float) -> None:
    notices.announced(world.state, world.changes, worker, int(left_s * 1000), DRIVER, world.now_ms)


def told(world: World, kind: str = "worker.interrupted") -> list[str]:
    rows = world.changes.rows.get(EventRecord, {}).values()
    return [each.text for each in rows if each.kind == kind]  # type: ignore[union-attr]


def lifetime(world: World, **changes: object) -> None:
    pool = world.state.pools[POOL.name]
    changed = dataclasses.replace(pool.lifetime, **changes)  # type: ignore[arg-type]
    world.state.pools[POOL.name] = dataclasses.replace(pool, lifetime=changed)


def as_spot(world: World, worker: WorkerLife) -> None:
    """As if it had been bought as one."""
    worker.spec = dataclasses.replace(worker.spec, spot=True)
    pool = world.state.pools[POOL.name]
    templates = tuple(dataclasses.replace(each, spot=type(each.spot).PREFER) for each in pool.templates)
    world.state.pools[POOL.name] = dataclasses.replace(pool, templates=templates)


def running(world: World, count: int = 1) -> tuple[WorkerLife, Agent, list[int]]:
    worker, agent = world.ready_worker()
    jobs = [int(job) for job in world.submit(count)]
    world.commit()
    world.talk(agent)
    return worker, agent, jobs


def left_s(world: World, worker: WorkerLife) -> float:
    return ((until_ms(worker) or 0) - world.now_ms) / 1000


def test_a_notice_drains_within_what_is_left(world: World) -> None:
    worker, agent, (job,) = running(world)
    announce(world, worker, 120)
    assert (worker.state, left_s(world, worker)) == (WorkerState.DRAINING, 115)
    assert worker.reason_removed is not None
    assert worker.reason_removed.kind is ReasonKind.INTERRUPTED
    assert told(world) == [
        "The provider takes the machine of std-1-1 back in 2 min. It gets no new work. 1 attempt may run for another 115 s."
    ]
    assert progress_text(world.state, worker, world.now_ms).startswith(
        "The provider takes its machine back in 2 min (announced by its driver). Worker std-1-1 is being drained:"
    )
    (other,) = world.submit()
    world.seconds(110, agent)
    assert (world.state.live[job].number, other in world.state.live) == (1, False)
    agent.end((job, 1), world.now_ms)
    world.talk(agent)
    world.seconds(1, agent)
    assert world.job(job).state == JobState.SUCCEEDED
    assert worker.state is WorkerState.TERMINATING


def test_who_does_not_end_in_time_is_preempted_and_not_blamed(world: World) -> None:
    worker, agent, (job,) = running(world)
    announce(world, worker, 30)
    world.seconds(24.5, agent)
    assert job in world.state.live
    world.seconds(1, agent)
    assert worker.state is WorkerState.TERMINATING
    (row,) = world.attempts(job)
    assert (row.state, row.cause) == (AttemptState.LOST, Cause.PREEMPTED.value)
    assert "takes the machine of std-1-1 back" in row.message
    assert (world.job(job).state, world.job(job).failures) == (JobState.READY, 0)
    assert world.job(job).not_before_ms is None, "it goes on at once"


@pytest.mark.parametrize("restarts", [False, True])
def test_a_provider_does_not_wait_for_a_server_that_was_away(world: World, restarts: bool) -> None:
    worker, agent, (job,) = running(world)
    announce(world, worker, 120)
    world.seconds(60, agent)
    if restarts:
        clock_step.begin_anew(world.state, world.now_ms)
    else:
        clock_step.server_was_away(world.state, 50_000, world.now_ms)
    assert left_s(world, worker) == 55
    world.seconds(54.5, agent)
    assert job in world.state.live
    world.seconds(1, agent)
    assert worker.state is WorkerState.TERMINATING


def test_a_short_notice_gives_up_half_at_most(world: World) -> None:
    worker, _, _ = running(world)
    announce(world, worker, 6)
    assert left_s(world, worker) == 3


def test_a_long_notice_is_bounded_by_the_grace_unless_the_pool_waits(world: World) -> None:
    worker, _, _ = running(world)
    announce(world, worker, 3600)
    assert left_s(world, worker) == POOL.lifetime.drain_grace_s
    lifetime(world, on_blocked=OnBlocked.WAIT)
    waits, _ = world.ready_worker(2)
    world.submit()
    world.commit()
    announce(world, waits, 3600)
    assert left_s(world, waits) == 3595


def test_a_pool_that_waits_does_not_wait_for_a_machine_that_goes(world: World) -> None:
    lifetime(world, on_blocked=OnBlocked.WAIT)
    worker, agent, (job,) = running(world)
    announce(world, worker, 120)
    world.seconds(114, agent)
    assert job in world.state.live
    world.seconds(2, agent)
    assert worker.state is WorkerState.TERMINATING


def test_an_agent_repeats_its_notice_in_each_exchange_and_it_is_one(world: World) -> None:
    worker, agent, (job,) = running(world)
    agent.taken_at_ms = world.now_ms + 60_000
    world.take_in(worker, agent.message(world.now_ms))
    assert len(told(world)) == 1
    world.commit()
    deadline_ms = until_ms(worker)
    for _ in range(20):
        world.now_ms += 1_000
        world.take_in(worker, agent.message(world.now_ms - 700))  # on its way for a while
        assert not told(world)
        world.commit()
    assert (until_ms(worker), world.state.interruptions) == (deadline_ms, {("std", NoticeSource.AGENT): 1})
    assert job in world.state.live


def test_earlier_counts_and_later_does_not(world: World) -> None:
    worker, agent, _ = running(world)
    announce(world, worker, 120)
    gather(world.state, worker)
    assert not has_news(world.state, worker)
    announce(world, worker, 60)
    assert left_s(world, worker) == 55
    assert has_news(world.state, worker), "the agent is told of the new deadline"
    world.commit()
    announce(world, worker, 300)
    assert (left_s(world, worker), told(world)) == (55, [])
    world.talk(agent)


def test_an_idle_or_booting_worker_goes_at_once(world: World) -> None:
    idle, _ = world.ready_worker()
    boots = world.claim(2)
    announce(world, idle, 120)
    announce(world, boots, 120)
    assert {idle.state, boots.state} == {WorkerState.TERMINATING}


def test_a_notice_hastens_a_drain_that_is_under_way(world: World) -> None:
    worker, agent, (job,) = running(world)
    life.drain(world.state, world.changes, worker, BY_HAND, world.now_ms)
    gather(world.state, worker)
    announce(world, worker, 40)
    assert (left_s(world, worker), worker.reason_removed) == (35, BY_HAND)
    assert has_news(world.state, worker)
    world.seconds(36, agent)
    assert job not in world.state.live


def test_a_notice_never_lengthens_a_drain(world: World) -> None:
    worker, _, _ = running(world)
    life.drain(world.state, world.changes, worker, BY_HAND, world.now_ms, timeout_s=10)
    announce(world, worker, 120)
    assert left_s(world, worker) == 10


def test_a_drain_after_the_notice_changes_nothing(world: World) -> None:
    worker, _, _ = running(world)
    announce(world, worker, 40)
    life.drain(world.state, world.changes, worker, BY_HAND, world.now_ms)
    assert left_s(world, worker) == 35
    assert worker.reason_removed is not None
    assert worker.reason_removed.kind is ReasonKind.INTERRUPTED


def test_a_worker_that_was_to_stay_goes(world: World) -> None:
    worker, agent, (job,) = running(world)
    drains.keep(
        world.state,
        world.changes,
        worker,
        world.now_ms,
        actor="user/ann",
        message="",
        timeout_s=None,
        force=False,
    )
    announce(world, worker, 40)
    assert worker.state is WorkerState.DRAINING
    agent.end((job, 1), world.now_ms)
    world.talk(agent)
    world.seconds(1, agent)
    assert worker.state is WorkerState.TERMINATING


def test_assignment_and_notice_in_the_same_moment(world: World) -> None:
    """The attempt was committed, and its worker had not heard of it: it goes on elsewhere without a word against it."""
    _, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    agent.taken_at_ms = world.now_ms + 30_000
    answer = world.handle(agent.message(world.now_ms, tell_held=False))
    assert (answer.assign, answer.drain) == (((job, 1),), True)
    agent.hear(answer, world.now_ms)
    agent.end(
        (job, 1), world.now_ms, "failed", cause="drained"
    )  # as the real agent does with what it has not begun
    world.talk(agent)
    assert (world.job(job).state, world.job(job).failures) == (JobState.READY, 0)
    other, second = world.ready_worker(2)
    world.until_running(job, agent, second)
    assert world.state.live[job].worker == other.spec.name


def test_a_restart_in_the_middle_goes_on(world: World) -> None:
    worker, agent, (job,) = running(world)
    announce(world, worker, 60)
    world.commit()
    before = text_of(worker.health)
    world.crash()
    worker = world.state.workers[worker.spec.name]
    assert (text_of(worker.health), worker.state) == (before, WorkerState.DRAINING)
    assert worker.health.interrupted
    announce(world, worker, 59)
    assert not told(world)
    assert has_news(world.state, worker), "the agent is told again"
    world.seconds(61, agent)
    (row,) = world.attempts(job)
    assert (row.cause, worker.state) == (Cause.PREEMPTED.value, WorkerState.TERMINATING)


@pytest.mark.parametrize("after_s", [1, 59, 65])
def test_a_machine_that_goes_earlier_or_later_loses_nothing(world: World, after_s: int) -> None:
    worker, agent, (job,) = running(world)
    as_spot(world, worker)
    announce(world, worker, 60)
    world.seconds(after_s, agent)
    if worker.state is not WorkerState.TERMINATING:
        life.machine_gone(world.state, world.changes, worker, world.now_ms)
    world.commit()
    (row,) = world.attempts(job)
    assert (row.state, row.cause) == (AttemptState.LOST, Cause.PREEMPTED.value)
    assert world.job(job).state == JobState.READY
    (memory,) = (each for each in world.state.offers.values() if each.key.spot)
    assert (memory.cause, memory.failed_in_row) == (FailureCause.INTERRUPTED, 1), "counted once"
    assert 0.9 < memory.failures <= 1


def test_a_silent_worker_with_a_notice_was_taken_back(world: World) -> None:
    worker, _, (job,) = running(world)
    announce(world, worker, 600)
    world.now_ms += int(POOL.lifetime.dead_after_s * 1000) + 1_000
    deadlines.tick(world.state, world.changes, world.now_ms)
    world.commit()
    assert world.attempts(job)[0].cause == Cause.PREEMPTED.value
    assert job not in world.state.faults, "no word against the job or the worker"


def test_a_person_keeps_the_worker_all_the_same(world: World) -> None:
    worker, agent, (job,) = running(world)
    agent.taken_at_ms = world.now_ms + 60_000
    world.talk(agent)
    drains.take_back(world.state, world.changes, worker, world.now_ms, actor="user/ann", message="")
    assert worker.state is WorkerState.READY
    world.seconds(70, agent)
    assert (worker.state, job in world.state.live) == (WorkerState.READY, True)
    world.crash()
    worker = world.state.workers[worker.spec.name]
    world.seconds(5, agent)
    assert worker.state is WorkerState.READY


def test_the_clock_is_set_and_the_time_left_stays(world: World) -> None:
    worker, agent, (job,) = running(world)
    announce(world, worker, 60)
    clock_step.clock_set(world.state, world.changes, 3_600_000)
    world.now_ms += 3_600_000
    assert worker.health.notice is not None
    assert worker.health.notice.at_ms - world.now_ms == 60_000
    assert left_s(world, worker) == 55
    agent.end((job, 1), world.now_ms)
    world.talk(agent)


def test_a_burst_of_a_zone_is_drained_and_counted_as_one_failure_in_a_row(world: World) -> None:
    workers = [world.ready_worker(number) for number in range(1, 9)]
    world.submit(16)
    world.commit()
    for worker, agent in workers:
        world.talk(agent)
        as_spot(world, worker)
    world.now_ms += 1_000
    for worker, _ in workers:
        announce(world, worker, 60)
    assert {worker.state for worker, _ in workers} == {WorkerState.DRAINING}
    (memory,) = (each for each in world.state.offers.values() if each.key.spot)
    assert memory.failed_in_row == 1
    assert sum(each.count for each in queued(world.state, world.now_ms)) == 16
    world.seconds(61, *(agent for _, agent in workers))
    assert {worker.state for worker, _ in workers} == {WorkerState.TERMINATING}
    assert sum(each.count for each in queued(world.state, world.now_ms)) == 16, (
        "counted once, before and after"
    )


def test_what_must_go_on_elsewhere_is_demand_before_the_end(world: World) -> None:
    worker, agent, jobs = running(world, 2)
    assert not queued(world.state, world.now_ms)
    announce(world, worker, 60)
    assert world.state.fresh_demand
    (group,) = queued(world.state, world.now_ms)
    assert (group.count, group.job_class) == (2, job_class())
    agent.end((jobs[0], 1), world.now_ms)
    world.talk(agent)
    (group,) = queued(world.state, world.now_ms)
    assert group.count == 1
