"""A server's state with a long queue, in memory: workers that are ready and full, and many classes of many users that wait.

Made for the measurements of decisions; nothing runs and nothing is stored. The same numbers give the same state.
"""

from bench.packing.quality import Draw
from herder.decide.forecast.run_times import kinds_of
from herder.engine.jobs.job import make_ready
from herder.engine.memory.state import EngineState, WorkerLife
from herder.model.fleet.pool import PoolSize, PoolSpec, Template
from herder.model.fleet.worker import WorkerSpec, WorkerState
from herder.model.ids import ClassId, PoolName, UserName, WorkerName
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.values.money import PICO_PER_USD, PicoUsd
from herder.model.values.resources import Resources
from herder.model.work.job import JobClass, JobState
from herder.scheduler.placement import Placer

POOL = PoolName("bench")
NOW_MS = 1_700_000_000_000
SIZE = Resources(64_000, 256 * 1024, 0, 0)
#: Passes after which nothing that waits fits any more.
PASSES = 20


def waiting_world(seed: int, *, jobs: int, users: int, workers: int) -> tuple[EngineState, Placer]:
    """One class for each user. Workers are empty; `fill` puts work on them."""
    draw = Draw(seed)
    state, placer = EngineState(), Placer()
    template = Template(
        name="large", allocatable=SIZE, price_pico_per_hour=PicoUsd(3 * PICO_PER_USD), slots=110
    )
    state.pools[POOL] = PoolSpec(name=POOL, templates=(template,), size=PoolSize(max_workers=2 * workers))
    for number in range(workers):
        _add_worker(state, template, number)
    each = max(1, jobs // users)
    for number in range(users):
        cores = 1 + draw.below(16)
        request = Resources(cores * 1000, cores * 1024 * (1 + draw.below(4)), 0, 0)
        job_class, class_id = (
            JobClass(user=UserName(f"user-{number:03}"), request=request),
            ClassId(number + 1),
        )
        state.classes[class_id], state.class_ids[job_class] = job_class, class_id
        state.counts[JobState.READY] += each
        make_ready(state, None, class_id, range(number * each + 1, (number + 1) * each + 1), NOW_MS)
        for _ in range(4):
            placer.run_times.learn(kinds_of(job_class), 10_000 * (1 + draw.below(1_000)))
    state.next_job, state.next_class = users * each + 1, users + 1
    return state, placer


def _add_worker(state: EngineState, template: Template, number: int) -> None:
    spec = WorkerSpec(
        name=WorkerName(f"worker-{number:05}"),
        pool=POOL,
        template=template.name,
        driver="pretend",
        allocatable=template.allocatable,
        slots=template.slots,
        price_pico_per_hour=template.price_pico_per_hour,
    )
    state.workers[spec.name] = WorkerLife(
        spec=spec,
        state=WorkerState.READY,
        requested_at_ms=NOW_MS - 600_000 + number,
        ready_at_ms=NOW_MS - 480_000 + number,
        reason_made=Reason(kind=ReasonKind.REQUESTED, text="for a measurement"),
        free=spec.allocatable,
        free_slots=spec.slots,
    )
    state.open_workers.add(spec.name)


def fill(state: EngineState, placer: Placer) -> None:
    for _ in range(PASSES):
        placer.run(state, Changes(), NOW_MS)
