"""One disk or one worker must not take a queue down: back-off, other workers, exclusion, tests and replacement."""

from dataclasses import replace

import pytest

from herder.control.planning.observation import queued
from herder.engine.attempts.attempt import lose
from herder.engine.attempts.worker_health import FAULTS_MOST, health_of
from herder.engine.jobs.backoff import FIRST_PAUSE_MS, LONGEST_PAUSE_MS, pause_ms
from herder.engine.memory.state import WorkerLife
from herder.model.fleet.repair import Condition
from herder.model.fleet.worker import Health, WorkerState
from herder.model.values.resources import Resources
from herder.model.work.job import AttemptState, Cause, JobState
from herder.model.work.sharing import Limits, Sharing, UserQuota
from tests.support.engine_world import POOL, Agent, World, job_class

#: As the default ladder and its breaker have it.
TROUBLED_MAX_MS = int(POOL.repair.of(Condition.NOT_READY)[0].after_s * 1000)
REPLACE_EVERY_MS = int(POOL.repair.breaker.window_s * 1000)
TINY = job_class(request=Resources(250, 256, 0))
NO_DISK = {"state": "failed", "cause": "infrastructure", "message": "No space left on device"}


def kinds(world: World, worker: WorkerLife) -> list[str]:
    """Of its events, in order."""
    with world.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "select kind from events where object = ? order by sequence", (f"worker/{worker.spec.name}",)
        )
        return [kind for (kind,) in rows]


def fail_all(world: World, agent: Agent) -> int:
    """Everything it holds fails at once; answers how many attempts that were."""
    keys = list(agent.held)
    for key in keys:
        agent.end(key, world.now_ms, **NO_DISK)
    world.talk(agent)
    return len(keys)


def test_pauses_double_up_to_a_limit() -> None:
    assert [pause_ms(n) for n in (1, 2, 3, 4)] == [FIRST_PAUSE_MS * times for times in (1, 2, 4, 8)]
    assert pause_ms(9) == pause_ms(1_000) == LONGEST_PAUSE_MS


def test_a_worker_that_fails_everything_does_not_take_the_queue_down(world: World) -> None:
    """600 jobs, two workers, the disk of one full: see 10.1 of the faults."""
    sick, on_sick = world.ready_worker(1)
    _, on_well = world.ready_worker(2)
    jobs = world.submit(600, TINY)
    world.commit()
    failed = 0
    for _ in range(2_000):
        if world.state.counts[JobState.SUCCEEDED] == len(jobs):
            break
        for key in list(on_well.held):
            on_well.end(key, world.now_ms)
        failed += fail_all(world, on_sick)
        world.seconds(0.5, *(agent for agent in (on_sick, on_well) if not agent.gone))
    assert world.state.counts[JobState.SUCCEEDED] == 600
    assert world.state.counts[JobState.FAILED] == 0
    assert failed <= POOL.templates[0].slots + FAULTS_MOST
    assert "worker.excluded" in kinds(world, sick)
    assert sick.state is not WorkerState.READY


def test_a_job_goes_to_another_worker_after_a_pause(world: World) -> None:
    _, bad = world.ready_worker(1)
    (job,) = world.submit(1, TINY)
    world.commit()
    world.talk(bad)
    _, good = world.ready_worker(2)
    world.commit()
    fail_all(world, bad)
    assert job not in world.state.live
    assert world.until_running(job, bad, good) == pytest.approx(FIRST_PAUSE_MS / 1000, abs=0.5)
    assert world.state.live[job].worker == good.worker


def test_it_waits_longer_each_time_and_its_attempts_are_not_used_up(world: World) -> None:
    """Alone with the only worker there is, it goes there again: better than nowhere."""
    _, agent = world.ready_worker(1)
    (job,) = world.submit(1, TINY)
    world.commit()
    waits = []
    for _ in range(2):
        world.talk(agent)
        fail_all(world, agent)
        waits.append(world.until_running(job, agent))
    assert waits == [1, 2]
    world.talk(agent)
    fail_all(world, agent)
    began, tries = world.now_ms, world.state.tried[job][0]
    world.seconds(60, agent)
    assert world.state.live[job].number == tries + 1  # the test after the exclusion
    assert world.now_ms - began == 60_000


def test_the_pause_outlasts_a_restart(world: World) -> None:
    _, bad = world.ready_worker(1)
    (job,) = world.submit(1, TINY)
    world.commit()
    for _ in range(3):
        world.talk(bad)
        fail_all(world, bad)
        if _ < 2:
            world.until_running(job, bad)
    world.commit()
    not_before_ms = world.state.delayed[job].not_before_ms
    assert not_before_ms == world.job(job).not_before_ms == world.now_ms + 4_000
    world.crash()  # two seconds later
    world.commit()
    assert world.state.delayed[job].not_before_ms == not_before_ms
    assert world.state.faults[job].count == 3
    assert world.until_running(job, bad) == pytest.approx(2, abs=0.5)
    assert world.job(job).not_before_ms is None


def test_delayed_jobs_are_ready_ones_and_workers_are_wanted_for_them(world: World) -> None:
    _, bad = world.ready_worker(1)
    (job,) = world.submit(1, TINY)
    world.commit()
    world.talk(bad)
    fail_all(world, bad)
    world.commit()
    assert world.job_state(job) is JobState.READY
    assert world.state.counts[JobState.READY] == 1
    assert [(each.count, each.oldest_ready_at_ms) for each in queued(world.state, world.now_ms)] == [
        (1, world.job(job).ready_at_ms)
    ]


@pytest.mark.parametrize("whole_batch", [False, True], ids=["the job", "its batch"])
def test_a_delayed_job_can_be_cancelled(world: World, whole_batch: bool) -> None:
    _, bad = world.ready_worker(1)
    batch = world.batch()
    (job, child) = world.add(batch, [TINY, TINY], {1: [0]})
    world.commit_batch(batch)
    world.commit()
    world.talk(bad)
    fail_all(world, bad)
    world.commit()
    assert job in world.state.delayed
    if whole_batch:
        world.cancel_batch(batch)
    else:
        world.cancel_job(job)
    world.commit()
    world.sweep()
    assert world.job_state(job) is JobState.CANCELLED
    assert world.job_state(child) in (JobState.CANCELLED, JobState.SKIPPED)
    assert not {**world.state.delayed, **world.state.due, **world.state.faults, **world.state.batches}


def test_quotas_hold_for_jobs_that_are_tried_again(world: World) -> None:
    _, bad = world.ready_worker(1)
    (job,) = world.submit(1, TINY)
    world.commit()
    world.talk(bad)
    _, good = world.ready_worker(2)
    fail_all(world, bad)
    (other,) = world.submit(1, TINY)
    world.commit()
    world.state.sharing = Sharing(users=(UserQuota(user=TINY.user, limits=Limits(jobs=1)),))
    world.seconds(20, bad, good)
    assert set(world.state.live) == {other}
    key = next(iter((*bad.held, *good.held)))
    (bad if key in bad.held else good).end(key, world.now_ms)
    world.talk(bad), world.talk(good)
    world.seconds(1, bad, good)
    assert set(world.state.live) == {job}


def test_an_excluded_worker_is_tested_and_comes_back(world: World) -> None:
    worker, agent = world.ready_worker(1)
    world.submit(8, TINY)
    world.commit()
    world.talk(agent)
    assert fail_all(world, agent) == 8
    assert worker.state is WorkerState.UNHEALTHY
    world.talk(agent)
    assert worker.state is WorkerState.UNHEALTHY  # being heard of is not enough
    world.seconds(29, agent)
    assert not worker.live
    world.seconds(2, agent)
    assert worker.state is WorkerState.READY
    assert len(worker.live) == 1  # of eight that wait
    (key,) = agent.held
    agent.end(key, world.now_ms)
    world.talk(agent)
    world.seconds(1, agent)
    assert len(worker.live) == 7
    assert kinds(world, worker)[-3:] == ["worker.excluded", "worker.tested", "worker.recovered"]


def test_a_test_that_runs_for_a_while_is_passed(world: World) -> None:
    worker, agent = world.ready_worker(1)
    world.submit(8, TINY)
    world.commit()
    world.talk(agent)
    fail_all(world, agent)
    world.seconds(31, agent)
    assert len(worker.live) == 1
    world.seconds(31, agent)
    assert len(worker.live) == 8


def test_one_that_fails_its_test_is_replaced_but_only_one_of_a_pool_at_a_time(world: World) -> None:
    pairs = [world.ready_worker(number) for number in (1, 2)]
    world.submit(16, TINY)
    world.commit()
    agents = [agent for _, agent in pairs]
    for _ in range(2):
        for agent in agents:
            world.talk(agent)
            fail_all(world, agent)
        world.seconds(31, *agents)
    for agent in agents:
        world.talk(agent)
        fail_all(world, agent)
    world.seconds(1, *agents)
    going = (WorkerState.DRAINING, WorkerState.TERMINATING)
    gone = [worker for worker, _ in pairs if worker.state in going]
    assert len(gone) == 1
    assert gone[0].reason_removed is not None
    assert "as a test" in gone[0].reason_removed.text
    (left,) = [(worker, agent) for worker, agent in pairs if worker is not gone[0]]
    for _ in range(REPLACE_EVERY_MS // 500 + 60):
        fail_all(world, left[1])
        world.seconds(0.5, left[1])
    assert left[0].state in going


def test_successes_of_before_the_faults_say_nothing(world: World) -> None:
    worker, agent = world.ready_worker(1)
    world.submit(4, TINY)
    world.commit()
    world.talk(agent)
    early, *others = list(agent.held)
    world.now_ms += 1_000
    for key in others[:2]:
        agent.end(key, world.now_ms, **NO_DISK)
        world.talk(agent)
    agent.end(early, world.now_ms)
    world.talk(agent)
    assert worker.faults == 2
    agent.end(others[2], world.now_ms, **NO_DISK)
    world.talk(agent)
    assert worker.state is WorkerState.UNHEALTHY


def test_a_success_in_between_clears_a_worker(world: World) -> None:
    worker, agent = world.ready_worker(1)
    for _ in range(4):
        world.submit(2, TINY)
        world.seconds(1, agent)
        first, *others = list(agent.held)
        agent.end(first, world.now_ms, **NO_DISK)
        world.talk(agent)
        for key in others:
            agent.end(key, world.now_ms)
        world.talk(agent)
    assert worker.state is WorkerState.READY
    assert worker.faults == 0


def test_own_failures_say_nothing_of_the_worker(world: World) -> None:
    worker, agent = world.ready_worker(1)
    world.submit(8, TINY)
    world.commit()
    world.talk(agent)
    for key in list(agent.held):
        agent.end(key, world.now_ms, "failed", cause="exit_code", exit_code=1)
    world.talk(agent)
    assert (worker.state, worker.faults) == (WorkerState.READY, 0)


def test_troubles_that_the_agent_tells_keep_work_away_and_replace_it_after_minutes(world: World) -> None:
    worker, agent = world.ready_worker(1)
    agent.troubles = worker.troubles = ("the work folder cannot be written: No space left on device",)
    (job,) = world.submit(1, TINY)
    world.commit()
    assert job not in world.state.live  # at once, before any tick
    world.seconds(1, agent)
    assert worker.state is WorkerState.UNHEALTHY
    agent.troubles = worker.troubles = ()
    world.seconds(1, agent)
    assert job in world.state.live
    assert kinds(world, worker)[-2:] == ["worker.unhealthy", "worker.recovered"]
    agent.troubles = worker.troubles = ("no file descriptors are left",)
    world.seconds(TROUBLED_MAX_MS / 1000 - 1, agent)
    assert worker.state is WorkerState.UNHEALTHY
    world.seconds(3, agent)
    assert worker.state is WorkerState.DRAINING
    agent.end((job, 1), world.now_ms)
    world.talk(agent)
    world.seconds(0.5)
    assert worker.state is WorkerState.TERMINATING


def test_how_a_worker_does_is_told_whatever_its_state(world: World) -> None:
    """A sick worker may be ready for a moment, and one on test is."""
    worker, agent = world.ready_worker(1)

    def told() -> tuple[Health | None, str]:
        return health_of(worker, world.now_ms)

    assert told() == (Health.HEALTHY, "")
    agent.troubles = worker.troubles = ("no file descriptors are left",)
    assert (worker.state, told()[0]) == (WorkerState.READY, Health.TROUBLED)
    assert told()[1].endswith("takes no work: its agent reports: no file descriptors are left.")
    agent.troubles = worker.troubles = ()
    world.submit(8, TINY)
    world.commit()
    world.talk(agent)
    fail_all(world, agent)
    assert told()[0] is Health.EXCLUDED
    assert told()[1].endswith("8 attempts in a row failed on it. It gets a test attempt in 30 s.")
    world.seconds(31, agent)
    assert (worker.state, told()[0]) == (WorkerState.READY, Health.ON_TEST)
    world.seconds(31, agent)
    assert told() == (Health.HEALTHY, "")
    world.seconds(POOL.lifetime.dead_after_s / 2)
    assert (worker.state, told()[0]) == (WorkerState.UNHEALTHY, Health.SILENT)
    world.seconds(POOL.lifetime.dead_after_s)
    assert told() == (None, "")


def test_a_frozen_pool_keeps_its_sick_workers(world: World) -> None:
    worker, agent = world.ready_worker(1)
    world.state.pools[POOL.name] = replace(POOL, frozen=True)
    agent.troubles = worker.troubles = ("no file descriptors are left",)
    world.seconds(TROUBLED_MAX_MS / 1000 + 5, agent)
    assert worker.state is WorkerState.UNHEALTHY


@pytest.mark.parametrize("how", ["preempted", "drained"])
def test_who_was_preempted_or_drained_goes_on_at_once(world: World, how: str) -> None:
    worker, agent = world.ready_worker(1)
    (job,) = world.submit(1, TINY)
    world.commit()
    world.talk(agent)
    world.now_ms += 2000
    lose(world.state, world.changes, worker.live[job], Cause(how), "test", world.now_ms)
    world.commit()
    assert world.faults() == []  # given again in the same commit: its row says since when it waits
    assert world.state.live[job].number == 2
    assert world.attempts(job)[0].state == AttemptState.LOST
    assert not world.state.faults
