"""A job prefers a worker that has the inputs of such jobs in its cache, when that costs nothing else."""

from dataclasses import replace

from herder.engine.memory.cached_inputs import CLASSES_MAX, WORKERS_MAX, CachedInputs
from herder.model.ids import ClassId, WorkerName
from herder.model.values.resources import Resources
from tests.support.engine_world import Agent, World, job_class

HALF = job_class(request=Resources(1000, 1024, 1024))
WHOLE = job_class(request=Resources(2000, 1024, 1024))
OTHER = job_class("bob", request=Resources(2000, 1024, 1024))


def fleet(world: World, count: int) -> list[Agent]:
    agents = [world.ready_worker(number)[1] for number in range(1, count + 1)]
    world.commit()
    return agents


def told(world: World) -> dict[str, list[int]]:
    """The jobs of each worker."""
    return {name: sorted(worker.live) for name, worker in world.state.workers.items()}


def knows(world: World, agent: Agent, wanted: object = HALF) -> None:
    """As after a job of the class with inputs."""
    world.state.cached_inputs.note(world.class_id(wanted), agent.worker, 1000)  # type: ignore[arg-type]


def test_a_job_with_inputs_that_ended_makes_its_worker_the_preferred_one(world: World) -> None:
    first, second = fleet(world, 2)
    (filler,) = world.submit(1, OTHER)
    world.commit()
    world.talk(first)
    (job,) = world.submit(1, HALF)
    world.commit()
    world.talk(second)
    assert told(world)[second.worker] == [job]
    second.end((job, 1), world.now_ms, bytes_in=700, bytes_cached=200, bytes_in_cache=600)
    first.end((filler, 1), world.now_ms)
    for agent in (first, second):
        world.talk(agent)
    world.commit()
    assert dict(world.state.cached_inputs.of(world.class_id(HALF))) == {second.worker: 600}
    (attempt,) = world.attempts(job)
    assert (attempt.bytes_in, attempt.bytes_cached) == (700, 200)
    (again,) = world.submit(1, HALF)
    (other,) = world.submit(1, job_class("carl", request=HALF.request))
    world.commit()
    assert again in told(world)[second.worker]
    assert other in told(world)[first.worker]  # which is the oldest, and where it goes without a preference


def test_it_is_not_preferred_to_a_cordoned_or_a_full_worker_or_one_of_another_kind(world: World) -> None:
    agents = fleet(world, 4)
    first, cordoned, full, other = (world.state.workers[agent.worker] for agent in agents)
    for agent in agents[1:]:
        knows(world, agent, WHOLE)
    plain = other.spec
    cordoned.cordoned, full.free_slots, other.spec = True, 0, replace(plain, labels=(("disk", "ssd"),))
    (job,) = world.submit(1, WHOLE)
    world.commit()
    assert told(world)[first.spec.name] == [job]
    cordoned.cordoned, full.free_slots, other.spec = False, plain.slots, plain


def test_an_idle_worker_stays_idle_when_one_at_work_has_room(world: World) -> None:
    busy, idle = fleet(world, 2)
    (first,) = world.submit(1, HALF)
    world.commit()
    knows(world, idle)
    (second,) = world.submit(1, HALF)
    world.commit()
    assert told(world) == {busy.worker: [first, second], idle.worker: []}


def test_jobs_beyond_the_room_there_go_elsewhere_and_nothing_that_waits_is_left_behind(world: World) -> None:
    agents = fleet(world, 3)
    knows(world, agents[1])
    jobs = world.submit(5, HALF)
    others = world.submit(1, OTHER)
    for _ in range(3):
        world.commit()
    live = told(world)
    assert len(live[agents[1].worker]) == 2
    assert (
        sum(map(len, live.values())) == 5
    )  # two of three workers full, and the third half full or with the other's
    for agent in agents:
        world.talk(agent)
        for key in list(agent.held):
            agent.end(key, world.now_ms)
        world.talk(agent)
    world.commit()
    assert sum(map(len, told(world).values())) == 1
    assert {*jobs, *others} >= {job for live in told(world).values() for job in live}
    assert world.faults() == []


def test_what_is_remembered_is_bounded_and_forgotten_with_the_cache() -> None:
    cached = CachedInputs()
    assert not cached
    for number in range(WORKERS_MAX + 1):
        cached.note(ClassId(1), WorkerName(f"w{number}"), 1)
    assert "w0" not in cached.of(ClassId(1))
    assert len(cached.of(ClassId(1))) == WORKERS_MAX
    cached.note(ClassId(1), WorkerName("w7"), 0)
    assert "w7" not in cached.of(ClassId(1))
    for number in range(2, CLASSES_MAX + 2):
        cached.note(ClassId(number), WorkerName("w"), 1)
    assert not cached.of(ClassId(1))
    assert cached.of(ClassId(2)) == {"w": 1}
    cached.note(ClassId(2), WorkerName("w"), 0)
    assert not cached.of(ClassId(2))
