"""Deadlines and queue time-outs of jobs, wherever a job is when its time has come."""

import pytest
from sqlalchemy import select

from herder.engine.attempts import time_limits
from herder.engine.clock_step import clock_set
from herder.model.work.job import Cause, JobState, RetryPolicy
from herder.store.rows.tables import events
from tests.engine.test_batches import ONE, cordon, counts
from tests.support.engine_world import T0, World, job_class

DEADLINE = job_class(deadline_ms=T0 + 10_000)
AFTER = job_class(deadline_ms=T0 + 10_000, always_run=True)
PATIENT = job_class(queue_timeout_s=10)


def told(world: World, kind: str) -> list[tuple[str, str]]:
    with world.engine.connect() as connection:
        query = (
            select(events.c.object, events.c.text).where(events.c.kind == kind).order_by(events.c.sequence)
        )
        return [(row.object, row.text) for row in connection.execute(query)]


def verdict(world: World, job: int) -> tuple[JobState, str]:
    row = world.job(job)
    return JobState(row.state), row.cause


def test_a_job_that_waits_is_cancelled_at_its_deadline_and_others_are_not(world: World) -> None:
    late, other = world.submit(1, DEADLINE)[0], world.submit(1)[0]
    world.seconds(9.5)
    assert verdict(world, late) == (JobState.READY, "")
    world.seconds(0.5)
    assert verdict(world, late) == (JobState.CANCELLED, Cause.DEADLINE)
    assert verdict(world, other) == (JobState.READY, "")
    assert told(world, "job.deadline_passed") == [
        (f"job/{late}", f"Job {late} was cancelled: the deadline 2023-11-14T22:13:30.000Z has passed.")
    ]


def test_a_job_that_runs_is_stopped_at_its_deadline(world: World) -> None:
    (job,) = world.submit(1, DEADLINE)
    _, agent = world.ready_worker()
    world.until_running(job, agent)
    world.seconds(9, agent)
    assert verdict(world, job)[0] is JobState.RUNNING
    world.seconds(2, agent)
    assert agent.held == {}
    assert verdict(world, job) == (JobState.CANCELLED, Cause.DEADLINE)


def test_a_job_that_ended_in_time_has_ended(world: World) -> None:
    (job,) = world.submit(1, DEADLINE)
    _, agent = world.ready_worker()
    world.talk(agent)
    agent.end((job, 1), world.now_ms)
    world.talk(agent)
    world.seconds(20, agent)
    assert verdict(world, job) == (JobState.SUCCEEDED, "")
    assert told(world, "job.deadline_passed") == []


@pytest.mark.parametrize("crash", [False, True])
def test_the_deadline_meets_all_jobs_of_a_batch_wherever_they_wait(world: World, crash: bool) -> None:
    """Ready, held by itself, blocked, blocked by one of the same deadline; what comes after them is skipped, or runs always."""
    batch = world.batch()
    jobs = world.add(
        batch,
        [DEADLINE, DEADLINE, DEADLINE, DEADLINE, ONE, AFTER, ONE],
        {2: [0], 3: [2], 4: [3], 5: [0]},
    )
    world.commit_batch(batch)
    world.commit()
    assert world.hold_job(jobs[1])
    world.commit()
    if crash:
        world.crash()
    world.seconds(10)
    assert [verdict(world, job)[0].label for job in jobs] == [
        "cancelled", "cancelled", "cancelled", "cancelled", "skipped", "cancelled", "ready",
    ]  # fmt: skip
    assert {verdict(world, job)[1] for job in jobs[:4]} == {Cause.DEADLINE}
    assert told(world, "job.deadline_passed") == [
        (f"batch/{batch.id}", f"4 jobs of batch {batch.id} were cancelled: the deadline 2023-11-14T22:13:30.000Z has passed."),
        (f"batch/{batch.id}", f"1 job of batch {batch.id} was cancelled: the deadline 2023-11-14T22:13:30.000Z has passed."),
    ]  # fmt: skip


def test_jobs_of_a_held_batch_and_of_one_with_a_limit(world: World) -> None:
    held, narrow = world.batch(), world.batch(parallel_max=1)
    world.add(held, [DEADLINE] * 3)
    world.add(narrow, [DEADLINE] * 3)
    world.hold_batch(held)
    for each in (held, narrow):
        world.commit_batch(each)
    world.seconds(10)
    assert [counts(world, each.id) for each in (held, narrow)] == [{"cancelled": 3}, {"cancelled": 3}]
    assert all(each.id not in world.state.batches for each in (held, narrow)), "both have ended"


def test_a_batch_that_is_committed_after_the_deadline(world: World) -> None:
    batch = world.batch()
    one, two = world.add(batch, [DEADLINE, DEADLINE], {1: [0]})
    world.seconds(20)
    assert verdict(world, one)[0] is not JobState.CANCELLED
    world.commit_batch(batch)
    world.seconds(1)
    assert verdict(world, one) == (JobState.CANCELLED, Cause.DEADLINE)
    assert verdict(world, two)[0].ended
    assert batch.id not in world.state.batches


def test_a_retried_attempt_that_is_lost_after_the_deadline_ends_the_job(world: World) -> None:
    (job,) = world.submit(1, job_class(deadline_ms=T0 + 10_000))
    _, agent = world.ready_worker()
    world.until_running(job, agent)
    world.seconds(9, agent)
    world.seconds(1)
    world.commit()
    world.crash()
    assert world.state.live[job].cancelling, "a restart does not forget it"
    world.seconds(120)  # the worker is silent, and is given up
    assert verdict(world, job) == (JobState.CANCELLED, Cause.DEADLINE)


def test_more_jobs_than_one_step_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limits, "PIECE", 10)
    batch = world.batch()
    world.add(batch, [DEADLINE] * 35)
    world.commit_batch(batch)
    world.seconds(10)
    assert counts(world, batch.id) == {"ready": 25, "cancelled": 10}
    world.crash()
    world.seconds(2)
    assert counts(world, batch.id) == {"cancelled": 35}


def test_classes_without_limits_are_not_looked_at(world: World) -> None:
    world.submit(3)
    world.submit(1, DEADLINE)
    assert len(world.state.timed) == 1
    world.seconds(11)
    assert world.state.timed == set()


def test_a_job_that_waits_too_long_for_its_first_attempt_fails(world: World) -> None:
    (job,) = world.submit(1, PATIENT)
    world.seconds(5)
    (younger,) = world.submit(1, PATIENT)
    world.seconds(5)
    assert verdict(world, job) == (JobState.FAILED, Cause.QUEUE_TIMEOUT)
    assert verdict(world, younger) == (JobState.READY, "")
    world.seconds(5)
    assert verdict(world, younger) == (JobState.FAILED, Cause.QUEUE_TIMEOUT)
    assert told(world, "job.queue_timed_out")[0] == (
        f"job/{job}", f"Job {job} failed: no worker was found within 10 s (queue_timeout).",
    )  # fmt: skip


def test_a_job_that_has_been_tried_waits_as_long_as_it_must(world: World) -> None:
    (job,) = world.submit(1, job_class(queue_timeout_s=10, retry=RetryPolicy(retries=5)))
    _, agent = world.ready_worker()
    world.until_running(job, agent)
    cordon(world, agent, True)
    agent.end((job, 1), world.now_ms, "failed", cause="exit_code")
    world.talk(agent)
    world.seconds(60, agent)
    assert verdict(world, job)[0] is JobState.READY


def test_time_outs_count_against_the_limit_of_failures(world: World) -> None:
    batch = world.batch(cancel_after_failures=2)
    one = world.add(batch, [PATIENT, PATIENT, ONE], {2: [0]})
    world.commit_batch(batch)
    world.seconds(10)
    world.commit()
    assert [verdict(world, job)[0].label for job in one] == ["failed", "failed", "skipped"]
    assert batch.id not in world.state.batches


def test_the_time_of_a_clock_that_is_set_does_not_count_as_waiting(world: World) -> None:
    (job,) = world.submit(1, PATIENT)
    world.seconds(2)
    world.now_ms += 3_600_000
    clock_set(world.state, world.changes, 3_600_000)
    world.seconds(7)
    assert verdict(world, job)[0] is JobState.READY
    world.seconds(2)
    assert verdict(world, job)[0] is JobState.FAILED
