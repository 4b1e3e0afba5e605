"""What is said of jobs: why one is refused, how a batch goes on, why a call of parents is refused, and who gave way to whom."""

from typing import Any

from sqlalchemy import select

from herder.decide.eligibility.admission import RefusalKind, refusal
from herder.decide.eligibility.matching import CONTAINERS
from herder.engine.jobs.batch import DependencyError
from herder.model.fleet.pool import PoolSpec, Taint
from herder.model.ids import PoolName, UserName
from herder.model.values.resources import Resources
from herder.model.work.demand import Affinity, Expression, Operator
from herder.model.work.job import JobClass
from herder.store.rows import tables as t
from tests.placement.test_preemption import BOTH, full, look, low
from tests.planning.world import ONE_CORE, cores, pool, template
from tests.support.engine_world import World, job_class


def asks(request: Resources, **more: Any) -> JobClass:
    return JobClass(user=UserName("ann"), request=request, **more)


GPUS = Resources(1000, 1024, 0, 1)
SSD = pool("ssd", template("large"), labels=(("disk", "ssd"),))
TAINTED = pool("special", taints=(Taint(key="gpu", value="1"),))

REFUSED: tuple[tuple[JobClass, tuple[PoolSpec, ...]], ...] = (
    (asks(ONE_CORE, pool="standrad"), (pool("standard"),)),
    (asks(ONE_CORE, pool="x"), ()),
    (asks(ONE_CORE), (pool("big", default_eligible=False),)),
    (asks(ONE_CORE), ()),
    (asks(ONE_CORE), (pool("off", max_workers=0), pool("none", max_workers=0))),
    (asks(ONE_CORE, selector=(("disk", "nvme"),)), (SSD, pool("std"))),
    (asks(ONE_CORE), (TAINTED,)),
    (asks(GPUS), (pool("std"),)),
    (
        asks(
            ONE_CORE, affinity=Affinity(required=((Expression(key=CONTAINERS, operator=Operator.EXISTS),),))
        ),
        (pool("std"),),
    ),
    (asks(GPUS, gpu_models=("h100",)), (pool("std"),)),
    (asks(cores(99)), (pool("std"),)),
)


def refusals() -> list[tuple[str, str]]:
    found = []
    for job, pools in REFUSED:
        refused = refusal(job, {PoolName(each.name): each for each in pools})
        assert refused is not None, job
        found.append((str(refused.kind), str(refused)))
    assert {kind for kind, _ in found} == {str(kind) for kind in RefusalKind}
    return found


def dependencies() -> list[tuple[str, str]]:
    found = []
    for references, keys in (
        ({0: ["b"], 1: ["a"]}, ["a", "b"]),
        ({0: [1], 1: [0]}, None),
        ({0: ["nobody"]}, None),
        ({0: [9]}, None),
    ):
        world = World()
        try:
            world.add(world.batch(), [job_class()] * 2, references, keys)  # type: ignore[arg-type]
        except DependencyError as error:
            found.append(("parents", str(error)))
    return found


def batches() -> list[tuple[str, str]]:
    world = World()
    _, agent = world.ready_worker()
    done = world.batch()
    (job,) = world.add(done, [job_class()])
    world.commit_batch(done)
    world.commit()
    world.until_running(job, agent)
    world.seconds(1, agent)
    agent.end((job, 1), world.now_ms)
    world.seconds(1, agent)
    stopped = world.batch()
    world.add(stopped, [job_class()] * 3)
    world.commit_batch(stopped)
    world.cancel_batch(stopped)
    return _events(world)


def preemption() -> list[tuple[str, str]]:
    world, _ = full(low(), low())
    world.submit(1, job_class("bob", BOTH, priority=100))
    world.commit()
    look(world)
    young, _ = full(low(), low(), minutes=0)
    young.submit(1, job_class("bob", BOTH, priority=100))
    young.commit()
    look(young)
    (refused,) = young.preemptor.refused.values()
    return [*_events(world), ("preemption", refused)]


def _events(world: World) -> list[tuple[str, str]]:
    world.commit()
    query = select(t.events.c.kind, t.events.c.text).where(~t.events.c.kind.startswith("worker."))
    with world.engine.connect() as connection:
        return [(row.kind, row.text) for row in connection.execute(query.order_by(t.events.c.sequence))]
