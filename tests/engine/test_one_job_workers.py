"""A worker for one job goes when that has ended, and a machine that says why it ended gives its attempt that cause."""

from dataclasses import replace

import pytest

from herder.engine.workers import worker as life
from herder.engine.workers.exchange import leave_after_one
from herder.model.fleet.driver import Machine, MachineEnd, Phase
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import ReasonKind
from herder.model.work.job import AttemptState, Cause, JobState, RetryPolicy
from tests.support.engine_world import POOL, World, job_class

ONE = replace(POOL, jobs=replace(POOL.jobs, one_per_worker=True))


@pytest.fixture
def world() -> World:
    return World(ONE)


def test_a_worker_goes_with_the_end_of_its_job_and_not_before(world: World) -> None:
    worker, agent = world.ready_worker(pool=ONE)
    leave_after_one(world.state, world.changes, worker, world.now_ms)
    assert worker.state is WorkerState.READY, "it has not had a job yet"
    (job,) = world.submit(1)
    world.until_running(job, agent)
    leave_after_one(world.state, world.changes, worker, world.now_ms)
    assert worker.state is WorkerState.READY
    (key,) = agent.held
    agent.end(key, world.now_ms)
    world.talk(agent)
    leave_after_one(world.state, world.changes, worker, world.now_ms)
    assert world.job(job).state == JobState.SUCCEEDED
    assert worker.state is WorkerState.TERMINATING
    assert worker.reason_removed is not None
    assert worker.reason_removed.kind is ReasonKind.JOB_DONE
    world.commit()
    assert world.faults() == []


@pytest.mark.parametrize("end", list(MachineEnd))
def test_the_attempt_is_lost_with_the_cause_of_the_machines_end(world: World, end: MachineEnd) -> None:
    worker, agent = world.ready_worker(pool=ONE)
    (job,) = world.submit(1, job_class(retry=RetryPolicy(retries=1)))
    world.until_running(job, agent)
    stopped = Machine(
        worker=worker.spec.name, handle="m", phase=Phase.STOPPED, end=end, detail="It has ended."
    )
    life.machine_gone(world.state, world.changes, worker, world.now_ms, stopped)
    world.commit()
    (row,) = world.attempts(job)
    assert (row.state, row.cause) == (AttemptState.LOST, end.value)
    assert world.job(job).state == JobState.READY, "it is tried again under its policy"
    counts = Cause(end.value) in (Cause.OUT_OF_MEMORY, Cause.TIMEOUT)
    assert world.job(job).failures == int(counts), "what the job itself has done counts against its retries"
    assert world.faults() == []
