"""The invariants of the engine's memory. Checked by tests, by the simulation after each step, and by the admin command.

The same for what is in the store stands in `store/invariants.py`, recomputed from the rows alone.
"""

from collections import Counter
from collections.abc import Iterator

from herder.engine.memory.group_invariants import group_violations
from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.memory.worker_repair import Step
from herder.model.fleet.creation import Step as CreationStep
from herder.model.fleet.repair import RESTARTS
from herder.model.fleet.worker import WorkerState
from herder.model.values.resources import ZERO
from herder.model.work.job import JobState
from herder.model.work.sharing import NOTHING, Amounts, amounts_of


def violations(state: EngineState, *, groups: bool = True) -> list[str]:
    """Every broken rule as a sentence; empty when all is well. `groups`: with those of job groups."""
    return [
        *_workers(state),
        *_drains(state),
        *_notices(state),
        *_attempts(state),
        *_counts(state),
        *_delayed(state),
        *_accepting(state),
        *(group_violations(state) if groups else ()),
        *_users(state),
    ]


def _workers(state: EngineState) -> Iterator[str]:
    for name, worker in state.workers.items():
        yield from _node(worker) if worker.node is not None else _capacity(state, worker)
        if min(worker.free) < 0 or worker.free_slots < 0:
            yield f"worker {name} is oversubscribed: free {worker.free}, {worker.free_slots} slots"
        if worker.state.ended:
            yield f"worker {name} has ended and is still in memory"
        if worker.expired_ms not in (None, worker.expires_at_ms):
            yield f"worker {name} is marked as expired at {worker.expired_ms}, and it expires at {worker.expires_at_ms}"
        if not set(worker.unacked) <= set(worker.live):
            yield f"worker {name}: unconfirmed attempts that are not live"
        yield from _health(worker)
        yield from _creation(state, worker)


def _capacity(state: EngineState, worker: WorkerLife) -> Iterator[str]:
    name, used = worker.spec.name, ZERO
    for attempt in worker.live.values():
        used = used.plus(state.classes[attempt.class_id].request)
    if any(used.plus(worker.free).minus(worker.spec.allocatable)):
        yield f"worker {name}: used {used} and free {worker.free} are not its {worker.spec.allocatable}"
    if worker.free_slots + len(worker.live) != worker.spec.slots:
        yield f"worker {name}: {len(worker.live)} attempts and {worker.free_slots} free slots of {worker.spec.slots}"


def _node(worker: WorkerLife) -> Iterator[str]:
    """A node takes part when it has been marked; what is free on it follows its pods; and it is not empty before it is cordoned."""
    name, node = worker.spec.name, worker.node
    if node is None:
        return
    if worker.ready_at_ms is None and node.cordoned:
        yield f"the node of worker {name} is cordoned before it was ready"
    if not worker.spec.cluster:
        yield f"worker {name} is node {node.name} of no cluster"
    if any(worker.free.minus(worker.spec.allocatable).not_below_zero()):
        yield f"worker {name}: {worker.free} are free, more than its {worker.spec.allocatable}"
    if node.emptied and not worker.cordoned and worker.drain is None and worker.health.repair is None:
        yield f"node {node.name} of worker {name} counts as emptied, and it is not being drained"


def _creation(state: EngineState, worker: WorkerLife) -> Iterator[str]:
    """A claim has asked nothing of its driver, what has begun is in a step that its driver has, and what has joined is in none."""
    name, creation = worker.spec.name, worker.creation
    if creation is None:
        return
    if worker.state in (WorkerState.READY, WorkerState.UNHEALTHY, WorkerState.DRAINING):
        yield f"worker {name} is {worker.state} and still in step {creation.step} of its creation"
    if (creation.step is CreationStep.CLAIM) != (creation.begun_ms is None):
        yield f"worker {name} is in step {creation.step} and its creation began at {creation.begun_ms}"
    steps = state.driver_steps.get(worker.spec.driver)
    if worker.state is WorkerState.PROVISIONING and steps is not None and creation.step not in steps:
        yield f"worker {name} is in step {creation.step}, which driver {worker.spec.driver} does not have"


def _health(worker: WorkerLife) -> Iterator[str]:
    """A machine is restarted only when nothing runs on it; what is kept for inspection gets no work."""
    name, health, repair = worker.spec.name, worker.health, worker.health.repair
    if worker.state is WorkerState.READY and health.blocks:
        yield f"worker {name} is ready in spite of {[str(each) for _, each in health.conditions]} and repair {repair}"
    if repair is not None and repair.step is Step.DUE and repair.rung in RESTARTS and worker.live:
        yield f"worker {name} is to be restarted ({repair.rung}) and has {len(worker.live)} attempts"
    if repair is not None and repair.blocked_at_ms is not None and repair.step is not Step.DRAINING:
        yield f"the repair of worker {name} waits for attempts in step {repair.step}"
    if health.quarantined_at_ms is not None and not worker.cordoned:
        yield f"worker {name} is kept for inspection and not cordoned"


def _notices(state: EngineState) -> Iterator[str]:
    for name, worker in state.workers.items():
        open_to_work = worker.state in (WorkerState.READY, WorkerState.UNHEALTHY)
        if worker.health.interrupted and open_to_work:
            yield f"the machine of worker {name} is taken back, and the worker is {worker.state} and not being drained"


def _drains(state: EngineState) -> Iterator[str]:
    for name, worker in state.workers.items():
        drain = worker.drain
        if worker.state is WorkerState.DRAINING and (drain is None or drain.keep):
            yield f"worker {name} is draining, but it has no drain that ends with its removal"
        if drain is None or not drain.keep or worker.state is WorkerState.TERMINATING:
            continue
        if not worker.cordoned or worker.state.leaving:
            yield f"worker {name} stays after its drain, but it is {worker.state} or takes work"
        if drain.empty_at_ms is not None and worker.live:
            yield f"worker {name} is drained, but it has {len(worker.live)} attempts"


def _attempts(state: EngineState) -> Iterator[str]:
    for job, attempt in state.live.items():
        worker = state.workers.get(attempt.worker)
        if worker is None or worker.live.get(job) is not attempt:
            yield f"job {job} has a live attempt on {attempt.worker}, which does not have it"
        if job in state.queue(attempt.class_id) or job in state.delayed:
            yield f"job {job} is queued and has a live attempt"
    held = sum(len(worker.live) for worker in state.workers.values())
    if held != len(state.live):
        yield f"workers have {held} attempts, {len(state.live)} are live"


def _counts(state: EngineState) -> Iterator[str]:
    kept = [(batch, batch.keeping) for batch in state.batches.values() if batch.keeping is not None]
    queued = sum(queue.count for queue in state.queues.values()) + len(state.delayed)
    queued += sum(keeping.waiting for _, keeping in kept)
    held = sum(keeping.count for _, keeping in kept if keeping.hold) + len(state.held_jobs)
    if state.counts[JobState.HELD] != held:
        yield f"{state.counts[JobState.HELD]} jobs counted held, {held} kept back"
    yield from _kept(state)
    if state.counts[JobState.READY] != queued:
        yield f"{state.counts[JobState.READY]} jobs counted ready, {queued} queued"
    if state.counts[JobState.RUNNING] != len(state.live):
        yield f"{state.counts[JobState.RUNNING]} jobs counted running, {len(state.live)} live attempts"
    waiting = sum(len(batch.waiting) for batch in state.batches.values())
    if state.counts[JobState.BLOCKED] != waiting:
        yield f"{state.counts[JobState.BLOCKED]} jobs counted blocked, {waiting} waiting for parents"
    running = Counter(attempt.batch for attempt in state.live.values())
    for batch_id, batch in state.batches.items():
        if sum(batch.counts.values()) != batch.jobs:
            yield f"batch {batch_id}: counts {batch.counts} do not sum to its {batch.jobs} jobs"
        if batch.counts.get(JobState.RUNNING, 0) != running[batch_id]:
            yield f"batch {batch_id}: {batch.counts.get(JobState.RUNNING, 0)} counted running, {running[batch_id]} live"


def _accepting(state: EngineState) -> Iterator[str]:
    """A batch that runs and accepts jobs knows how each of its jobs has ended."""
    for batch_id, batch in state.batches.items():
        if batch.outcomes is None:
            if batch.accepts and batch.state != "open":
                yield f"batch {batch_id} accepts jobs and does not know how its jobs have ended"
            continue
        ended = sum(count for number, count in batch.counts.items() if JobState(number).ended)
        noted = len(batch.outcomes) - batch.outcomes.count(0)
        if len(batch.outcomes) != batch.jobs or (noted != ended and not batch.cancelled):
            yield f"batch {batch_id} notes the ends of {noted} of {len(batch.outcomes)} jobs, and {ended} of {batch.jobs} have ended"


def _kept(state: EngineState) -> Iterator[str]:
    """What is kept back is in no queue, and where a batch has a limit, its turn comes."""
    for batch_id, batch in state.batches.items():
        keeping = batch.keeping
        if keeping is None:
            continue
        active = batch.counts.get(JobState.READY, 0) + batch.counts.get(JobState.RUNNING, 0) - keeping.waiting
        if keeping.parked and not keeping.hold and active < (keeping.parallel_max or 1):
            yield f"batch {batch_id} keeps {keeping.count} jobs back, and {active} of at most {keeping.parallel_max} are queued or run"
        if batch.cancelled and keeping.parked:
            yield f"batch {batch_id} is cancelled and keeps {keeping.count} jobs back"
        for class_id, parked in keeping.parked.items():
            if not parked.count:
                yield f"batch {batch_id} keeps an empty queue of class {class_id}"
    for job, held in state.held_jobs.items():
        if job in state.live or job in state.delayed or job in state.queue(held.class_id):
            yield f"job {job} is held, and it is queued or has a live attempt"


def _delayed(state: EngineState) -> Iterator[str]:
    timed = {job for _, job in state.delays}
    for job, waiting in state.delayed.items():
        if job in state.queue(waiting.class_id):
            yield f"job {job} is delayed and queued"
        if job not in state.due and job not in timed:
            yield f"job {job} is delayed and nothing will bring it back"
    if not set(state.due) <= set(state.delayed):
        yield "jobs are due that are not delayed"
    for job, faults in state.faults.items():
        batch = faults.batch
        if (
            job not in state.live
            and job not in state.delayed
            and batch is not None
            and batch not in state.batches
        ):
            yield f"job {job} of batch {batch}, which is over, has faults remembered"
    for job, life in state.retried_as.items():
        attempt = state.live.get(job)
        if attempt is not None and attempt.class_id != life.class_id:
            yield f"job {job} runs in class {attempt.class_id}, but its class is {life.class_id}"
        if attempt is None and life.batch is not None and life.batch not in state.batches:
            yield f"job {job} of batch {life.batch}, which is over, is remembered with its class"


def _users(state: EngineState) -> Iterator[str]:
    in_use = dict.fromkeys(state.in_use, ZERO)
    for attempt in state.live.values():
        job_class = state.classes[attempt.class_id]
        in_use[job_class.user] = in_use.get(job_class.user, ZERO).plus(job_class.request)
    for user, used in in_use.items():
        if any(state.in_use.get(user, ZERO).minus(used)):
            yield f"user {user}: {state.in_use.get(user, ZERO)} counted in use, {used} in fact"
    held: dict[tuple[str, str], Amounts] = {}
    for attempt in state.live.values():
        job_class = state.classes[attempt.class_id]
        whose = (job_class.user, job_class.project)
        held[whose] = held.get(whose, NOTHING).plus(amounts_of(job_class.request))
    if held != state.held:
        yield f"quotas count {state.held} as used, in fact it is {held}"
    types = Counter(state.classes[attempt.class_id].type for attempt in state.live.values())
    del types[""]
    if types != state.running_types:
        yield f"{state.running_types} attempts of job types are counted, in fact it is {dict(types)}"
