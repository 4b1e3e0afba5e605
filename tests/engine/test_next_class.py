"""A job is tried again with more memory after out of memory, and off spot workers after preemptions."""

from dataclasses import replace

from herder.engine.jobs.next_class import class_now
from herder.engine.memory.state import WorkerLife
from herder.engine.workers.worker import machine_gone
from herder.model.fleet.pool import SpotUse
from herder.model.ids import ClassId, JobId
from herder.model.values.resources import Resources
from herder.model.work.job import Cause, JobClass, JobState, RetryPolicy
from tests.support.engine_world import POOL, TEMPLATE, Agent, World, job_class

OUT_OF_MEMORY = {"state": "failed", "cause": "out_of_memory", "memory_peak_mib": 250}
TINY = Resources(250, 256, 0)


def fail(world: World, agent: Agent, job: int, **how: object) -> None:
    (key,) = [each for each in agent.held if each[0] == job]
    agent.end(key, world.now_ms, **how)  # type: ignore[arg-type]
    world.talk(agent)


def class_of(world: World, job: int) -> JobClass:
    return world.state.classes[ClassId(world.job(job).class_id)]


def told(world: World, job: int) -> list[tuple[str, str]]:
    with world.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "select kind, text from events where object = ? order by sequence", (f"job/{job}",)
        )
        return [(kind, text) for kind, text in rows]


def test_each_out_of_memory_doubles_the_request_up_to_the_limit_and_counts_against_no_retries(
    world: World,
) -> None:
    policy = RetryPolicy(memory_factor=2, memory_max_mib=800)
    _, agent = world.ready_worker()
    (job,) = world.submit(1, job_class(request=TINY, retry=policy))
    asked = []
    for _ in range(3):
        world.talk(agent)
        asked.append(class_of(world, job).request.memory_mib)
        world.crash()
        fail(world, agent, job, **OUT_OF_MEMORY)
    row = world.job(job)
    assert asked == [256, 512, 800]
    assert (JobState(row.state), row.cause, row.attempts, row.failures) == (
        JobState.FAILED,
        "out_of_memory",
        3,
        1,
    )
    assert told(world, job) == [
        (
            "job.memory_raised",
            f"Job {job} ran out of memory with 256 MiB, so its next attempt requests 512 MiB.",
        ),
        (
            "job.memory_raised",
            f"Job {job} ran out of memory with 512 MiB, so its next attempt requests 800 MiB.",
        ),
        (
            "job.memory_exhausted",
            f"Job {job} ran out of memory with 800 MiB, its memory_max, so it is not tried again.",
        ),
    ]
    assert not world.state.retried_as


def test_what_an_attempt_costs_is_by_what_it_requested(world: World) -> None:
    """The rules that the fixture looks over compute every bill anew."""
    _, agent = world.ready_worker()
    (job,) = world.submit(1, job_class(request=TINY, retry=RetryPolicy(memory_factor=4)))
    world.talk(agent)
    world.now_ms += 3_600_000
    fail(world, agent, job, **OUT_OF_MEMORY)
    world.now_ms += 3_600_000
    fail(world, agent, job, state="succeeded")
    assert world.job_state(job) is JobState.SUCCEEDED
    assert class_of(world, job).request.memory_mib == 1024


def test_other_failures_and_jobs_that_do_not_ask_for_it_keep_their_memory(world: World) -> None:
    _, agent = world.ready_worker()
    (plain,) = world.submit(1, job_class(request=TINY, retry=RetryPolicy(retries=1)))
    (grows,) = world.submit(1, job_class(request=TINY, retry=RetryPolicy(retries=1, memory_factor=2)))
    world.talk(agent)
    fail(world, agent, plain, **OUT_OF_MEMORY)
    fail(world, agent, grows, state="failed", cause="exit_code", exit_code=1)
    assert [class_of(world, job).request.memory_mib for job in (plain, grows)] == [256, 256]
    assert [world.job(job).failures for job in (plain, grows)] == [1, 1]


def test_nothing_is_requested_that_no_worker_has(world: World) -> None:
    _, agent = world.ready_worker()
    world.state.largest_memory_mib = lambda asks: 300
    (job,) = world.submit(1, job_class(request=TINY, retry=RetryPolicy(memory_factor=2)))
    world.talk(agent)
    fail(world, agent, job, **OUT_OF_MEMORY)
    assert class_of(world, job).request.memory_mib == 300
    fail(world, agent, job, **OUT_OF_MEMORY)
    assert world.job_state(job) is JobState.FAILED
    assert told(world, job)[-1] == (
        "job.memory_exhausted",
        f"Job {job} ran out of memory with 300 MiB, as much as the largest worker for it has, so it is not tried again.",
    )


def test_one_that_may_not_be_tried_again_is_told_nothing_of_a_next_attempt(world: World) -> None:
    _, agent = world.ready_worker()
    policy = RetryPolicy(attempts_max=1, memory_factor=2)
    (job,) = world.submit(1, job_class(request=TINY, retry=policy))
    world.talk(agent)
    fail(world, agent, job, **OUT_OF_MEMORY)
    assert world.job_state(job) is JobState.FAILED
    assert told(world, job) == []


def test_its_class_is_known_also_to_who_read_its_row_before(world: World) -> None:
    _, agent = world.ready_worker()
    (job,) = world.submit(1, job_class(request=TINY, retry=RetryPolicy(memory_factor=2)))
    world.talk(agent)
    before = ClassId(world.job(job).class_id)
    fail(world, agent, job, **OUT_OF_MEMORY)
    assert class_now(world.state, job, before) == world.job(job).class_id != before
    fail(world, agent, job, state="succeeded")
    assert not world.state.retried_as


SPOT = replace(POOL, name="cheap", templates=(replace(TEMPLATE, spot=SpotUse.PREFER),))


def spot_worker(world: World, number: int) -> tuple[WorkerLife, Agent]:
    worker, agent = world.ready_worker(number)
    worker.spec = replace(worker.spec, spot=True, labels=(("spot", "true"),))
    world.state.dirty_workers[worker.spec.name] = worker
    world.commit()
    return worker, agent


def lose_spot_worker(world: World, job: JobId, number: int) -> None:
    """It gets one, works there, and the provider takes it back."""
    worker, agent = spot_worker(world, number)
    world.until_running(job, agent)
    assert world.state.live[job].worker == worker.spec.name
    machine_gone(world.state, world.changes, worker, world.now_ms)
    world.commit()


def test_after_so_many_spot_workers_it_runs_on_others_only(world: World) -> None:
    policy = RetryPolicy(on_demand_after=2)
    (job,) = world.submit(1, job_class(retry=policy))
    lose_spot_worker(world, job, 1)
    world.crash()
    assert world.state.retried_as[job].taken_back == 1
    lose_spot_worker(world, job, 2)
    assert [each.cause for each in world.attempts(job)] == ["preempted", "preempted"]
    _, spot = spot_worker(world, 3)
    world.seconds(5, spot)
    assert job not in world.state.live, "there is only spot"
    world.crash()
    _, other = world.ready_worker(4)
    world.until_running(job, spot, other)
    assert world.state.live[job].worker == other.worker
    assert told(world, job) == [
        (
            "job.leaves_spot",
            f"Job {job} has lost 2 spot workers, so from now on it runs on other workers only.",
        )
    ]
    world.talk(other)
    fail(world, other, job, state="succeeded")


def test_where_there_is_only_spot_it_is_tried_there_again(world: World) -> None:
    world.state.largest_memory_mib = lambda asks: 0 if asks.affinity.required else 4096
    (job,) = world.submit(1, job_class(retry=RetryPolicy(on_demand_after=1)))
    lose_spot_worker(world, job, 1)
    lose_spot_worker(world, job, 2)
    _, agent = spot_worker(world, 3)
    world.until_running(job, agent)
    assert told(world, job) == [
        (
            "job.stays_on_spot",
            f"Job {job} has lost 1 spot worker, and no pool has other workers for it, so it is tried on spot again.",
        )
    ]
    world.talk(agent)
    fail(world, agent, job, state="succeeded")


def test_a_preemption_for_another_job_and_a_loss_of_another_worker_do_not_count(world: World) -> None:
    (job,) = world.submit(1, job_class(retry=RetryPolicy(on_demand_after=1)))
    worker, agent = world.ready_worker(1)
    world.until_running(job, agent)
    machine_gone(world.state, world.changes, worker, world.now_ms)
    world.commit()
    assert world.attempts(job)[-1].cause == Cause.WORKER_LOST
    assert not world.state.retried_as


def test_a_cancelled_batch_forgets_what_its_jobs_had(world: World) -> None:
    batch = world.batch()
    (job,) = world.add(batch, [job_class(request=TINY, retry=RetryPolicy(memory_factor=2))])
    world.commit_batch(batch)
    _, agent = world.ready_worker()
    world.talk(agent)
    world.state.workers[agent.worker].cordoned = True
    fail(world, agent, job, **OUT_OF_MEMORY)
    assert job in world.state.retried_as
    world.cancel_batch(batch)
    world.commit()
    assert job not in world.state.retried_as
