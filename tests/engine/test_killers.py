"""A job that kills its agent is stopped after a few workers, and its neighbours are not blamed for it."""

import pytest

from herder.engine.attempts.worker_health import ALONE_MAX_MS
from herder.engine.jobs.backoff import BLAMED_WITHIN_MS, WORKERS_KILLED_MAX
from herder.engine.memory.state import WorkerLife
from herder.engine.workers.worker import machine_gone, terminated
from herder.model.fleet.worker import WorkerState
from herder.model.values.resources import Resources
from herder.model.work.job import AttemptState, Cause, JobState
from tests.support.engine_world import Agent, World, job_class

TINY = job_class(request=Resources(100, 64, 0))


class Fleet:
    """Some workers; who dies is replaced. `killers`: jobs whose start is the end of their worker."""

    def __init__(self, world: World, size: int, killers: set[int]) -> None:
        self.world, self.killers, self.deaths = world, killers, 0
        self.pairs: list[tuple[WorkerLife, Agent]] = []
        self.number = 0
        self.run_ms: dict[tuple[int, int], int] = {}
        for _ in range(size):
            self.make()

    def make(self) -> None:
        self.number += 1
        self.pairs.append(self.world.ready_worker(self.number))

    def seconds(self, count: int, run_s: int = 5) -> None:
        for _ in range(count):
            self.world.seconds(1, *(agent for _, agent in self.pairs if not agent.gone))
            for worker, agent in list(self.pairs):
                if any(job in self.killers for job, _ in agent.held):
                    self.die(worker, agent)
                    continue
                for key in list(agent.held):
                    began = self.run_ms.setdefault(key, self.world.now_ms)
                    if self.world.now_ms - began >= run_s * 1000:
                        agent.end(key, self.world.now_ms)

    def die(self, worker: WorkerLife, agent: Agent) -> None:
        self.deaths += 1
        self.pairs.remove((worker, agent))
        machine_gone(self.world.state, self.world.changes, worker, self.world.now_ms)
        terminated(self.world.state, self.world.changes, worker, self.world.now_ms)
        self.make()


@pytest.mark.parametrize("size", [1, 2, 6])
@pytest.mark.parametrize("slot", [0, 5, 19])
def test_it_takes_three_workers_and_nobody_else_is_blamed(world: World, size: int, slot: int) -> None:
    jobs = world.submit(20, TINY)
    killer = jobs[slot]
    fleet = Fleet(world, size, {killer})
    fleet.seconds(200)
    assert fleet.deaths == WORKERS_KILLED_MAX
    row = world.job(killer)
    assert (row.state, row.cause) == (JobState.FAILED, Cause.KILLED_WORKERS)
    last = world.attempts(killer)[-1]
    assert (last.state, last.cause) == (AttemptState.LOST, Cause.WORKER_LOST)
    for each in world.attempts(killer):
        assert each.worker in last.message
    assert "nothing else ran" in last.message
    others = [world.job_state(job) for job in jobs if job != killer]
    assert others == [JobState.SUCCEEDED] * 19
    assert not world.state.faults


def test_it_is_stopped_also_when_the_server_was_restarted_between(world: World) -> None:
    (killer,) = world.submit(1, TINY)
    world.commit()
    fleet = Fleet(world, 1, {killer})
    while world.job_state(killer) is not JobState.FAILED:
        fleet.seconds(1)
        world.commit()
        world.crash()
        fleet.pairs = [(world.state.workers[worker.spec.name], agent) for worker, agent in fleet.pairs]
        assert fleet.deaths <= WORKERS_KILLED_MAX
    assert world.job(killer).cause == Cause.KILLED_WORKERS


def test_a_suspect_gets_a_worker_to_itself_even_when_all_are_busy(world: World) -> None:
    """It waits until one has emptied, which takes nothing new meanwhile; the others go on."""
    (killer,) = world.submit(1, TINY)
    fleet = Fleet(world, 2, {killer})
    while fleet.deaths < WORKERS_KILLED_MAX - 1:
        fleet.seconds(1)
    world.submit(400, TINY)
    fleet.killers = set()  # it is harmless after all
    fleet.seconds(40, run_s=9)
    kept = [worker for worker, _ in fleet.pairs if worker.alone_for == killer]
    assert len(kept) <= 1
    fleet.seconds(200)
    assert world.job_state(killer) is JobState.SUCCEEDED
    assert world.state.counts[JobState.SUCCEEDED] == 401
    assert all(worker.alone_for is None for worker in world.state.workers.values())


def test_a_suspect_does_not_keep_a_worker_for_ever(world: World) -> None:
    (suspect,) = world.submit(1, TINY)
    fleet = Fleet(world, 1, {suspect})
    while fleet.deaths < WORKERS_KILLED_MAX - 1:
        fleet.seconds(1)
    fleet.killers = set()
    while suspect not in world.state.live:
        fleet.seconds(1, run_s=10_000)
    (other,) = world.submit(1, TINY)
    fleet.seconds(ALONE_MAX_MS // 1000 - 10, run_s=10_000)
    assert other not in world.state.live
    fleet.seconds(20, run_s=10_000)
    assert other in world.state.live


@pytest.mark.parametrize("how", ["late", "spot", "preempted"])
def test_deaths_that_say_nothing_of_a_job_do_not_count(world: World, how: str) -> None:
    (job,) = world.submit(1, TINY)
    worker, agent = world.ready_worker(1)
    world.commit()
    world.talk(agent)
    if how == "late":
        world.now_ms += BLAMED_WITHIN_MS
        worker.last_seen_at_ms = world.now_ms
    else:
        object.__setattr__(worker.spec, "spot", True)
    machine_gone(world.state, world.changes, worker, world.now_ms)
    world.commit()
    faults = world.state.faults.get(job)
    assert faults is None or faults.deaths == 0


def test_a_suspect_that_is_cancelled_gives_its_worker_back(world: World) -> None:
    (killer,) = world.submit(1, TINY)
    fleet = Fleet(world, 1, {killer})
    while fleet.deaths < WORKERS_KILLED_MAX - 1:
        fleet.seconds(1)
    blocked = world.submit(40, TINY)
    fleet.killers = set()
    while not any(worker.alone_for == killer for worker in world.state.workers.values()):
        fleet.seconds(1, run_s=10_000)
    if killer in world.state.delayed:
        world.cancel_job(killer)
    fleet.seconds(30)
    assert all(worker.alone_for is None for worker in world.state.workers.values())
    assert all(worker.state is WorkerState.READY for worker in world.state.workers.values())
    assert any(world.job_state(job) is JobState.SUCCEEDED for job in blocked)
