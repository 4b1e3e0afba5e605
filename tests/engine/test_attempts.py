"""Attempts: given out, fenced, ended, retried by cause; and exchanges whose messages are lost, repeated or reordered."""

from dataclasses import replace

import pytest

from herder.engine.attempts.attempt import cancel, ended, lose, started
from herder.engine.workers.exchange import has_news
from herder.engine.workers.worker import set_cordon
from herder.model.stored.changes import Changes
from herder.model.work.job import AttemptState, Cause, JobState, RetryPolicy
from tests.support.engine_world import World, finished, job_class

NOBODYS_FAULT = [Cause.WORKER_LOST, Cause.PREEMPTED, Cause.DRAINED, Cause.INFRASTRUCTURE]
OWN_FAULT = [Cause.EXIT_CODE, Cause.TIMEOUT, Cause.OUT_OF_MEMORY, Cause.OUT_OF_DISK, Cause.START_FAILED]


def nothing_else(world: World) -> None:
    """A step that was refused wrote nothing at all."""
    assert world.changes.empty
    assert not world.state.dirty_workers
    assert not world.state.dirty_batches
    assert not world.changes.usage


def test_a_worker_gets_what_fits_and_is_told_after_the_commit(world: World) -> None:
    worker, agent = world.ready_worker()
    world.commit()
    jobs = world.submit(3)
    assert not has_news(world.state, worker)
    world.commit()
    assert has_news(world.state, worker)
    answer = world.talk(agent)
    assert answer.assign == ((jobs[0], 1), (jobs[1], 1))
    assert not any(worker.free[:1])
    assert not has_news(world.state, worker)
    assert world.job_state(jobs[2]) is JobState.READY


def test_what_is_not_durable_is_not_told(world: World) -> None:
    worker, agent = world.ready_worker()
    world.submit()
    world.placer.run(world.state, world.changes, world.now_ms)
    assert worker.live
    assert not has_news(world.state, worker)
    assert world.answer(agent.message(world.now_ms)).assign == ()
    world.commit()
    assert world.answer(agent.message(world.now_ms)).assign


def test_a_job_succeeds_once_and_its_cost_is_booked(world: World) -> None:
    worker, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    world.now_ms += 3_600_000
    key = (job, 1)
    agent.end(key, world.now_ms)
    message = agent.message(world.now_ms)
    for _ in range(3):  # the receipt is lost twice
        answer = world.handle(message)
        assert world.job_state(job) is JobState.SUCCEEDED
    agent.hear(answer, world.now_ms)
    assert [each.state for each in world.attempts(job)] == [AttemptState.SUCCEEDED]
    assert worker.free == worker.spec.allocatable
    (used,) = world.ledger.accounts.values()
    assert used.attempts == 1
    assert used.cost_pico == 165, "of 360 the share of a core and a GiB, by list rates: 0.055 of 0.12"


def test_a_clock_that_goes_back_costs_nothing(world: World) -> None:
    _, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    world.now_ms -= 5_000
    agent.end((job, 1), world.now_ms)
    world.talk(agent)
    (used,) = world.ledger.accounts.values()
    assert (used.attempts, used.cost_pico) == (1, 0)


@pytest.mark.parametrize("cause", OWN_FAULT)
def test_its_own_failures_count(world: World, cause: Cause) -> None:
    _, agent = world.ready_worker()
    (job,) = world.submit(1, job_class(retry=RetryPolicy(retries=2)))
    world.commit()
    for number in (1, 2, 3):
        world.talk(agent)
        agent.end((job, number), world.now_ms, "failed", cause=cause.value)
        world.talk(agent)
    world.commit()
    assert world.job(job)[7:12] == (JobState.FAILED, world.job(job).ready_at_ms, 3, 3, cause)


@pytest.mark.parametrize("cause", NOBODYS_FAULT)
def test_what_is_not_its_fault_counts_only_against_all_attempts(world: World, cause: Cause) -> None:
    _, agent = world.ready_worker()
    (job,) = world.submit(1, job_class(retry=RetryPolicy(retries=0, attempts_max=4)))
    world.commit()
    for number in (1, 2, 3, 4):
        world.until_running(job, agent)
        world.talk(agent)
        agent.end((job, number), world.now_ms, "failed", cause=cause.value)
        world.talk(agent)
    world.commit()
    row = world.job(job)
    assert (row.state, row.attempts, row.failures) == (JobState.FAILED, 4, 0)


@pytest.mark.parametrize(
    ("state", "cause"), [("cancelled", "cancelled"), ("failed", ""), ("failed", "no such cause")]
)
def test_an_end_that_nobody_asked_for_or_knows_is_infrastructure(
    world: World, state: str, cause: str
) -> None:
    _, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    agent.end((job, 1), world.now_ms, state, cause=cause)
    world.talk(agent)
    assert world.attempts(job)[0].cause == Cause.INFRASTRUCTURE
    world.until_running(job, agent)
    assert [each.attempt for each in world.attempts(job)] == [1, 2]


def test_one_that_is_tried_again_keeps_its_place_and_its_count_over_a_crash(world: World) -> None:
    _, agent = world.ready_worker()
    first, *_ = world.submit(4, job_class(retry=RetryPolicy(retries=5)))
    world.commit()
    world.talk(agent)
    agent.end((first, 1), world.now_ms, "failed", cause="exit_code")
    world.commit()
    world.talk(agent)
    assert (first, 2) in agent.held
    world.crash()
    assert world.state.live[first].failures == 1


@pytest.mark.parametrize("what", ["other attempt", "other worker", "unknown job", "ended already"])
def test_a_fenced_report_changes_nothing(world: World, what: str) -> None:
    worker, agent = world.ready_worker(1)
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    other, _ = world.ready_worker(2)
    world.commit()
    reporter, number = worker, 1
    if what == "other attempt":
        number = 2
    elif what == "other worker":
        reporter = other
    elif what == "unknown job":
        job = job.__class__(10**15)
    else:
        agent.end((job, 1), world.now_ms)
        world.talk(agent)
    before = dict(world.state.counts)
    assert not ended(world.state, world.changes, reporter, finished(job, number), None, world.now_ms)
    assert not started(world.changes, reporter, job, number, world.now_ms)
    nothing_else(world)
    assert world.state.counts == before


def test_a_lost_attempt_is_tried_elsewhere_and_its_late_success_is_told_to_stop(world: World) -> None:
    _, slow = world.ready_worker(1)
    (job,) = world.submit()
    world.commit()
    world.talk(slow)
    lose(world.state, world.changes, world.state.live[job], Cause.WORKER_LOST, "test", world.now_ms)
    set_cordon(
        world.state,
        world.changes,
        world.state.workers[slow.worker],
        True,
        world.now_ms,
        actor="user/ann",
        message="",
    )
    _, quick = world.ready_worker(2)
    world.commit()
    set_cordon(
        world.state,
        world.changes,
        world.state.workers[slow.worker],
        False,
        world.now_ms,
        actor="user/ann",
        message="",
    )
    answer = world.talk(slow)
    assert (job, 1) in answer.cancel
    world.until_running(job, quick)
    world.talk(quick)
    assert (job, 2) in quick.held
    quick.end((job, 2), world.now_ms)
    world.talk(quick)
    world.talk(slow)
    assert [AttemptState(each.state).label for each in world.attempts(job)] == ["lost", "succeeded"]
    assert world.job_state(job) is JobState.SUCCEEDED


def test_a_cancelled_attempt_that_succeeds_first_has_succeeded(world: World) -> None:
    _, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    cancel(world.state, world.changes, world.state.live[job])
    again = Changes()
    cancel(world.state, again, world.state.live[job])
    assert again.empty
    agent.end((job, 1), world.now_ms)
    world.talk(agent)
    assert world.job_state(job) is JobState.SUCCEEDED


def test_a_lost_cancel_is_said_again_with_the_next_beat(world: World) -> None:
    _, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    cancel(world.state, world.changes, world.state.live[job])
    lost = world.handle(agent.message(world.now_ms))
    assert lost.cancel == ((job, 1),)
    assert world.talk(agent, tell_held=False).cancel == ()
    assert world.talk(agent).cancel == ((job, 1),)
    world.talk(agent)
    assert world.job_state(job) is JobState.CANCELLED


def test_a_lost_answer_is_said_again_and_runs_once(world: World) -> None:
    _, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    lost = world.handle(agent.message(world.now_ms))
    assert lost.assign
    for _ in range(3):
        answer = world.talk(agent)
    assert answer.assign == ()  # acknowledged
    assert agent.ran == [(job, 1)]


def test_answers_out_of_order_confirm_only_what_they_carried(world: World) -> None:
    worker, agent = world.ready_worker()
    (one,) = world.submit()
    world.commit()
    first = world.handle(agent.message(world.now_ms))
    (two,) = world.submit()
    world.commit()
    second = world.handle(agent.message(world.now_ms))
    assert (second.assign, first.assign) == (((one, 1), (two, 1)), ((one, 1),))
    agent.hear(first, world.now_ms)  # the second is lost
    world.talk(agent)
    assert set(agent.held) == {(one, 1), (two, 1)}
    world.talk(agent)
    assert not worker.unacked
    assert sorted(agent.ran) == [(one, 1), (two, 1)]


def test_an_older_message_after_a_newer_one_loses_nothing(world: World) -> None:
    worker, agent = world.ready_worker()
    world.talk(agent)
    old = agent.message(world.now_ms)  # holds nothing yet
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    world.talk(agent)
    assert not worker.unacked
    world.handle(old)
    assert world.state.live[job].number == 1
    agent.end((job, 1), world.now_ms)
    end = agent.message(world.now_ms)
    newer = agent.message(world.now_ms)
    world.handle(newer)
    world.handle(end)
    assert world.job_state(job) is JobState.SUCCEEDED
    assert len(world.attempts(job)) == 1


def test_an_end_in_the_message_that_no_longer_holds_it_is_its_end(world: World) -> None:
    """A worker whose last attempt ended says `held=[]` beside the end."""
    _, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    world.talk(agent)
    agent.end((job, 1), world.now_ms)
    world.handle(replace(agent.message(world.now_ms), held=()))
    assert [each.state for each in world.attempts(job)] == [AttemptState.SUCCEEDED]


def test_what_a_worker_lost_is_tried_again(world: World) -> None:
    _, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    world.talk(agent)
    agent.held.clear()
    world.talk(agent)
    tries = world.attempts(job)
    assert (tries[0].state, tries[0].cause) == (AttemptState.LOST, Cause.INFRASTRUCTURE)
    assert world.job(job).failures == 0
    world.until_running(job, agent)
    assert (job, 2) in agent.held or world.talk(agent).assign == ((job, 2),)


def test_what_a_worker_holds_and_should_not_is_stopped(world: World) -> None:
    _, agent = world.ready_worker()
    world.commit()
    agent.held[77, 3] = True
    assert world.talk(agent).cancel == ((77, 3),)
    assert not agent.held


def test_the_agents_go_on_over_a_restart_of_the_server(world: World) -> None:
    _, agent = world.ready_worker()
    jobs = world.submit(2)
    world.commit()
    world.talk(agent)
    world.talk(agent)
    world.crash()
    agent.end((jobs[0], 1), world.now_ms)
    for _ in range(3):
        world.talk(agent)
    assert world.job_state(jobs[0]) is JobState.SUCCEEDED
    assert world.state.live[jobs[1]].number == 1
    assert agent.ran == [(jobs[0], 1), (jobs[1], 1)]
    assert not world.state.workers[agent.worker].unacked


def test_an_old_answer_number_confirms_nothing_in_a_new_server(world: World) -> None:
    _, agent = world.ready_worker()
    for _ in range(5):
        world.submit()
        world.commit()
        world.talk(agent)
        agent.end(next(iter(agent.held)), world.now_ms)
    world.talk(agent)
    (job,) = world.submit()
    world.commit()
    world.crash()
    stale = agent.message(world.now_ms)
    lost = world.handle(stale)
    assert lost.assign == ((job, 1),)
    world.handle(agent.message(world.now_ms))  # acknowledges an answer of the old server, holds nothing
    assert world.state.live[job].number == 1
