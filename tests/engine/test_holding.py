"""Jobs that are held, batches of which only so many run at once, and failed jobs that are tried again in their batch."""

import pytest

from herder.engine.jobs.retry import revived
from herder.engine.memory.waiting_jobs import JobFaults
from herder.model.ids import JobId
from herder.model.work.job import JobState
from tests.engine.test_batches import LAST, ONE, OTHER, counts
from tests.support.engine_world import Agent, World, job_class

FAILED, SKIPPED, SUCCEEDED, CANCELLED = (
    JobState.FAILED,
    JobState.SKIPPED,
    JobState.SUCCEEDED,
    JobState.CANCELLED,
)


def started(world: World, jobs: list[JobId]) -> list[JobId]:
    return [job for job in jobs if job in world.state.live]


def run_all(world: World, *agents: Agent, **verdicts: str) -> tuple[Agent, ...]:
    """These workers, and two new ones if there are fewer, run whatever is ready, until nothing is. `verdicts`: by `jNUMBER`, how a job
    ends. Answers the workers."""
    if len(agents) < 2:
        agents = (*agents, *(world.ready_worker(90 + number)[1] for number in range(2)))
    for _ in range(20):
        for agent in agents:
            world.talk(agent)
            for job, attempt in list(agent.held):
                verdict = verdicts.get(f"j{job}", "succeeded")
                cause = "exit_code" if verdict == "failed" else ""
                agent.end((job, attempt), world.now_ms, verdict, cause=cause)
            world.now_ms += 100
    return agents


def test_nothing_of_a_held_batch_starts_until_it_is_released(world: World) -> None:
    batch = world.batch()
    jobs = world.add(batch, [ONE, OTHER, ONE])
    world.hold_batch(batch)
    world.commit_batch(batch)
    _, agent = world.ready_worker()
    world.talk(agent)
    assert (counts(world, batch.id), started(world, jobs)) == ({"held": 3}, [])
    world.crash()
    world.talk(agent)
    assert (counts(world, batch.id), started(world, jobs)) == ({"held": 3}, [])
    batch = world.state.batches[batch.id]
    world.hold_batch(batch, hold=False)
    run_all(world, agent)
    assert counts(world, batch.id) == {"succeeded": 3}


def test_running_jobs_of_a_held_batch_go_on_and_what_they_free_is_held(world: World) -> None:
    batch = world.batch()
    first, second = world.add(batch, [job_class(), ONE], {1: [0]})
    world.commit_batch(batch)
    _, agent = world.ready_worker()
    world.talk(agent)
    world.hold_batch(batch)
    agent.end((first, 1), world.now_ms)
    world.talk(agent)
    assert counts(world, batch.id) == {"succeeded": 1, "held": 1}
    assert second not in world.state.live
    world.hold_batch(batch, hold=False)
    run_all(world, agent)
    assert counts(world, batch.id) == {"succeeded": 2}


def test_jobs_stand_after_their_release_where_their_age_puts_them(world: World) -> None:
    batch = world.batch()
    world.add(batch, [ONE] * 2)
    world.commit_batch(batch)
    world.hold_batch(batch)
    world.now_ms += 1000
    later = world.submit(2)
    world.now_ms += 1000
    world.hold_batch(batch, hold=False)
    queue = world.state.queues[world.class_id(ONE)]
    assert [queue.before(job) for job in (later[0] - 2, later[0] - 1, *later)] == [0, 1, 2, 3]


def test_a_job_that_was_held_alone_stays_held_when_its_batch_is_released(world: World) -> None:
    batch = world.batch()
    jobs = world.add(batch, [ONE] * 3)
    world.commit_batch(batch)
    world.commit()
    assert world.hold_job(jobs[1])
    world.hold_batch(batch)
    world.hold_batch(batch, hold=False)
    agents = run_all(world)
    assert counts(world, batch.id) == {"succeeded": 2, "held": 1}
    world.crash()
    assert world.hold_job(jobs[1], hold=False)
    run_all(world, *agents)
    assert counts(world, batch.id) == {"succeeded": 3}


def test_a_job_can_be_held_and_released_again_and_again(world: World) -> None:
    jobs = world.submit(3)
    world.commit()
    for _ in range(3):
        assert world.hold_job(jobs[1])
        assert not world.hold_job(jobs[1])
        assert world.hold_job(jobs[1], hold=False)
    world.commit()
    run_all(world)
    assert [world.job_state(job) for job in jobs] == [SUCCEEDED] * 3


@pytest.mark.parametrize("alone", [False, True])
def test_what_is_held_is_cancelled_with_its_batch_but_for_jobs_that_always_run(
    world: World, alone: bool
) -> None:
    batch = world.batch()
    jobs = world.add(batch, [ONE, LAST])
    world.commit_batch(batch)
    world.commit()
    if alone:
        assert [world.hold_job(job) for job in jobs] == [True, True]
    else:
        world.hold_batch(batch)
    world.cancel_batch(batch)
    run_all(world)
    assert counts(world, batch.id) == {"cancelled": 1, "succeeded": 1}


def test_a_held_job_can_be_cancelled(world: World) -> None:
    batch = world.batch()
    jobs = world.add(batch, [ONE] * 3)
    world.commit_batch(batch)
    world.commit()
    world.hold_job(jobs[0])
    world.hold_batch(batch)
    world.commit()
    for job in jobs:
        assert "cancelled" in world.cancel_job(job)
    world.commit()
    assert counts(world, batch.id) == {"cancelled": 3}


def test_only_so_many_jobs_of_a_batch_run_at_once(world: World) -> None:
    batch = world.batch(parallel_max=1)
    jobs = world.add(batch, [ONE] * 3)
    world.commit_batch(batch)
    agents = [world.ready_worker(number)[1] for number in (1, 2)]
    for agent in agents:
        world.talk(agent)
    assert (started(world, jobs), counts(world, batch.id)) == ([jobs[0]], {"running": 1, "ready": 2})
    world.crash()
    world.commit()
    assert started(world, jobs) == [jobs[0]]
    agents[0].end((jobs[0], 1), world.now_ms)
    world.talk(agents[0])
    assert started(world, jobs) == [jobs[1]]
    world.cancel_batch(world.state.batches[batch.id])
    run_all(world, *agents)
    assert counts(world, batch.id) == {"succeeded": 1, "cancelled": 2}


def test_a_job_that_is_held_gives_its_turn_to_the_next(world: World) -> None:
    batch = world.batch(parallel_max=1)
    jobs = world.add(batch, [ONE] * 2)
    world.commit_batch(batch)
    world.commit()
    assert world.hold_job(jobs[0])
    _, agent = world.ready_worker()
    world.commit()
    assert started(world, jobs) == [jobs[1]]
    assert world.hold_job(jobs[0], hold=False)
    run_all(world, agent)
    assert counts(world, batch.id) == {"succeeded": 2}


def test_failed_jobs_are_tried_again_with_those_that_were_skipped(world: World) -> None:
    batch = world.batch()
    good, bad, child, grandchild, last = world.add(
        batch, [ONE, ONE, ONE, ONE, LAST], {2: [0, 1], 3: [2], 4: [1]}
    )
    world.commit_batch(batch)
    agents = run_all(world, **{f"j{bad}": "failed"})
    assert counts(world, batch.id) == {"succeeded": 2, "failed": 1, "skipped": 2}
    cost = world.ledger.accounts.copy()
    world.crash()
    world.commit()
    assert world.retry_batch(batch.id) == ([bad], [child, grandchild])
    assert counts(world, batch.id) == {"succeeded": 2, "ready": 1, "blocked": 2}
    world.commit()
    assert world.faults() == []
    run_all(world, *agents)
    assert counts(world, batch.id) == {"succeeded": 5}
    assert [each.attempt for each in world.attempts(bad)] == [1, 2]
    assert len(world.attempts(good)) == len(world.attempts(last)) == 1
    assert world.ledger.accounts != cost
    assert world.retry_batch(batch.id) == ([], [])


def test_a_job_that_fails_again_can_be_tried_again(world: World) -> None:
    batch = world.batch()
    (job,) = world.add(batch, [ONE])
    world.commit_batch(batch)
    agents: tuple[Agent, ...] = ()
    for attempts in (1, 2, 3):
        agents = run_all(world, *agents, **{f"j{job}": "failed"})
        assert (counts(world, batch.id), world.job(job).attempts) == ({"failed": 1}, attempts)
        assert world.retry_batch(batch.id) == ([job], [])
        world.commit()


def test_a_batch_that_still_runs_is_retried(world: World) -> None:
    batch = world.batch()
    bad, _ = world.add(batch, [ONE, job_class()])
    world.commit_batch(batch)
    _, agent = world.ready_worker()
    world.talk(agent)
    agent.end((bad, 1), world.now_ms, "failed", cause="exit_code")
    world.talk(agent)
    assert world.retry_batch(batch.id) == ([bad], [])
    assert batch.id in world.state.batches
    run_all(world, agent)
    assert world.job_state(bad) is SUCCEEDED


@pytest.mark.parametrize(
    ("parents", "expected"),
    [
        ({2: {1: FAILED}}, {2: [1]}),
        ({2: {1: FAILED, 9: SUCCEEDED}}, {2: [1]}),
        ({2: {9: SUCCEEDED}}, {2: []}),
        ({2: {1: FAILED, 8: CANCELLED}}, {}),
        ({2: {8: FAILED}}, {}),
        ({2: {1: FAILED}, 3: {2: SKIPPED}, 4: {3: SKIPPED, 7: SKIPPED}}, {2: [1], 3: [2]}),
        ({4: {3: SKIPPED}, 3: {2: SKIPPED}, 2: {8: CANCELLED}}, {}),
    ],
)
def test_a_skipped_job_is_tried_when_each_parent_succeeded_or_is_tried_too(
    parents: dict[int, dict[int, JobState]], expected: dict[int, list[int]]
) -> None:
    given = {
        JobId(child): {JobId(parent): state for parent, state in each.items()}
        for child, each in parents.items()
    }
    assert revived({JobId(1)}, given) == expected


@pytest.mark.parametrize("held_first", [True, False])
def test_a_job_that_a_worker_failed_around_a_hold_takes_no_turn_of_another(
    world: World, held_first: bool
) -> None:
    """Its pause is over with the hold: after a restart it must not come back beside the limit of its batch."""
    batch = world.batch(parallel_max=1)
    jobs = world.add(batch, [ONE] * 3)
    world.commit_batch(batch)
    agents = [world.ready_worker(number)[1] for number in (1, 2)]
    world.talk(agents[0])
    assert started(world, jobs) == [jobs[0]]
    if held_first:
        world.hold_batch(batch)
    agents[0].end((jobs[0], 1), world.now_ms, "failed", cause="infrastructure")
    world.talk(agents[0])
    if not held_first:
        world.hold_batch(batch)
    world.commit()
    world.hold_batch(world.state.batches[batch.id], hold=False)
    world.commit()
    world.crash()
    for _ in range(3):
        world.now_ms += 3_600_000 // 10
        for agent in agents:
            world.talk(agent)
        assert len(started(world, jobs)) <= 1, started(world, jobs)


def test_a_job_whose_pause_is_over_before_the_hold_takes_no_turn_of_another(world: World) -> None:
    """It waits in the queue, since the only worker is busy; its row still says the time at which its pause ended."""
    batch = world.batch(parallel_max=1)
    jobs = world.add(batch, [ONE] * 3)
    world.commit_batch(batch)
    worker, agent = world.ready_worker(1)
    world.talk(agent)
    [other] = world.submit(wanted=job_class(user="bob", request=worker.spec.allocatable))
    agent.end((jobs[0], 1), world.now_ms, "failed", cause="infrastructure")
    world.talk(agent)
    world.now_ms += 60_000
    world.talk(agent)
    assert jobs[0] not in world.state.delayed
    assert started(world, [*jobs, other]) == [other]
    world.hold_batch(batch)
    world.hold_batch(world.state.batches[batch.id], hold=False)
    agent.end((other, 1), world.now_ms, "succeeded")
    world.talk(agent)
    assert started(world, jobs) == [jobs[1]]
    world.commit()
    world.crash()
    _, idle = world.ready_worker(2)
    for _ in range(3):
        world.now_ms += 360_000
        for each in (agent, idle):
            world.talk(each)
        assert len(started(world, jobs)) <= 1, started(world, jobs)


def test_a_hold_writes_the_rows_of_those_that_a_worker_failed_and_no_others(world: World) -> None:
    """Wherever they stand: the first runs, every third of the others has failed on a worker before."""
    batch = world.batch()
    jobs = world.add(batch, [ONE] * 30)
    world.commit_batch(batch)
    failed = jobs[1::3]
    for job in (jobs[0], *failed):
        world.state.faults[job] = JobFaults(batch=batch.id, class_id=world.class_id(ONE), count=1)
    _, agent = world.ready_worker(1)
    world.talk(agent)
    running = set(started(world, jobs))
    assert jobs[0] in running
    assert set(failed) - running
    world.commit()
    world.hold_batch(batch)
    assert set(world.changes.job_status) == set(failed) - running
    world.state.faults.clear()  # no attempt of the store has them
