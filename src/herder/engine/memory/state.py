"""The engine's state in memory: everything that has not ended. Rebuilt from the store at start (`control/recovery/recover.py`).

Changed only by the functions of this package. Queued jobs are numbers in `ReadyQueue`s; only jobs with a live attempt, jobs
that wait for parents and jobs that were tried before have an entry of their own.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from herder.engine.memory.bootstraps import BootstrapLife
from herder.engine.memory.cached_inputs import CachedInputs
from herder.engine.memory.create_history import CreateHistory
from herder.engine.memory.failed_lately import FailedLately
from herder.engine.memory.funds import Funds
from herder.engine.memory.groups import Groups
from herder.engine.memory.keeping import HeldJob, Keeping
from herder.engine.memory.live_usage import LiveUsage
from herder.engine.memory.memory_peaks import MemoryPeaks
from herder.engine.memory.queue import ReadyQueue
from herder.engine.memory.restrictions import Restrictions
from herder.engine.memory.waiting_jobs import DelayedJob, JobFaults, RetriedAs, WaitingJob
from herder.engine.memory.worker_node import ClusterLife, NodeLife
from herder.engine.memory.worker_repair import HealthLife
from herder.model.fleet.creation import Creation, Step
from herder.model.fleet.drain import Drain
from herder.model.fleet.driver import FrozenDriver
from herder.model.fleet.metric import MetricReading
from herder.model.fleet.notice import NoticeSource
from herder.model.fleet.offer import OfferKey, OfferMemory
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.pressure import WorkerUse
from herder.model.fleet.repair import Condition, Outcome, Rung
from herder.model.fleet.upkeep import Opening
from herder.model.fleet.worker import WorkerSpec, WorkerState
from herder.model.ids import BatchId, ClassId, JobId, PoolName, UserName, WorkerName
from herder.model.planning.budgets import SpotOnly
from herder.model.planning.observed import ObservedWorker, QueuedClass
from herder.model.planning.plan import Reason
from herder.model.stored.incarnation import Incarnation
from herder.model.stored.service_records import PipelineRecord, ScheduleRecord
from herder.model.values.resources import PLAIN, ZERO, Dimensions, Resources
from herder.model.work.job import AttemptState, JobClass, JobState
from herder.model.work.sharing import NO_SHARING, Amounts, Sharing
from herder.model.work.usage import Machine, machine_of


@dataclass(slots=True, kw_only=True)
class LiveAttempt:
    """An attempt that has not ended. Only reports that name this job, this number and this worker count."""

    job: JobId
    number: int
    failures: int
    class_id: ClassId
    batch: BatchId | None
    worker: WorkerName
    state: AttemptState
    assigned_at_ms: int
    ready_at_ms: int
    """When the job first became ready: its place in the queue, should it be tried again."""
    started_at_ms: int | None = None
    cancelling: bool = False
    preempted_for: str = ""
    """Why it was asked to stop for another job; empty when it was not."""
    preempted: int = 0
    """How many earlier attempts of the job were preempted."""
    hand_over: int = 0
    """Which hand-over to the store carries it: told to the worker only once that one is durable."""
    log_bytes: int = 0
    """Output that came from its worker, repeats included, since the server started."""


@dataclass(slots=True, kw_only=True)
class BatchLife:
    id: BatchId
    user: UserName
    project: str
    name: str
    state: str  # open, running, then succeeded, failed or cancelled
    attributes: str
    created_at_ms: int
    cancel_after_failures: int | None = None
    committed_at_ms: int | None = None
    ended_at_ms: int | None = None
    cancelled: bool = False
    jobs: int = 0
    counts: dict[int, int] = field(default_factory=dict)
    held: list[tuple[ClassId, range]] = field(default_factory=list)
    """Jobs without parents that start when the batch is committed."""
    waiting: dict[JobId, WaitingJob] = field(default_factory=dict)
    children: dict[JobId, list[JobId]] = field(default_factory=dict)
    keys: dict[str, JobId] = field(default_factory=dict)
    """Names of jobs, while the batch is open."""
    tried: dict[JobId, tuple[int, int]] = field(default_factory=dict)
    """Its queued jobs that were tried before: (attempts, own failures)."""
    preempted: dict[JobId, int] = field(default_factory=dict)
    """Its queued jobs that were preempted, and how often."""
    bunches: list[tuple[int, JobId, int]] = field(default_factory=list)
    """(first position, first job, count), while the batch is open."""
    accepts: bool = False
    """Jobs may be added also when it runs, and it does not end before it is closed."""
    outcomes: bytearray | None = None
    """Of one that runs and accepts jobs, by position: see `engine/jobs/outcomes.py`."""
    keeping: Keeping | None = None
    """Of a batch that was held, or of which only so many jobs may run at once."""
    groups: Groups | None = None
    """Of a batch that has job groups."""
    callback: str = ""
    """The URL that is called at its end; empty: none."""
    request: str | None = None
    """The request that made it, as USER/KEY, when it had a key; `fingerprint`: what was asked for."""
    fingerprint: str | None = None


@dataclass(slots=True, kw_only=True)
class WorkerLife:
    spec: WorkerSpec
    state: WorkerState
    requested_at_ms: int
    reason_made: Reason
    manual: bool = False
    cordoned: bool = False
    handle: str = ""
    phase: str = ""
    """`model.fleet.driver.Phase` of its machine, as the driver said last; empty: not asked yet."""
    operation: str = ""
    creation: Creation | None = None
    """How far its creation is, or was when it failed; None: it has become a worker."""
    provisioned_at_ms: int | None = None
    ready_at_ms: int | None = None
    draining_at_ms: int | None = None
    """When a drain began that ends with its removal."""
    drain: Drain | None = None
    """The drain that is under way, or after which it stays."""
    ended_at_ms: int | None = None
    last_seen_at_ms: int | None = None
    excused_ms: int = 0
    """Of its creation since its turn came, or of its drain: how long the server was suspended meanwhile. That time does not count."""
    expires_at_ms: int | None = None
    extensions: int = 0
    warned_expiry_ms: int | None = None
    """The expiry that was announced: see `engine/workers/expiry.py`."""
    expired_ms: int | None = None
    """The expiry that has come, while the worker is still there: it takes no work any more."""
    agent_version: str = ""
    idle_since_ms: int | None = None
    node: NodeLife | None = None
    """Which node of its cluster it is; None: of none, or it has not been seen yet."""
    attempts_done: int = 0
    reason_removed: Reason | None = None
    token_hash: str | None = None
    activation_hash: str | None = None
    activation_nonce: str | None = None
    free: Resources = ZERO
    free_slots: int = 0
    live: dict[JobId, LiveAttempt] = field(default_factory=dict)
    unacked: dict[JobId, int] = field(default_factory=dict)
    """Attempts the worker has not confirmed, with the number of the last answer that carried them (0: none yet)."""
    cancels: set[tuple[JobId, int]] = field(default_factory=set)
    told: WorkerState | None = None
    """The state it had when it was last answered."""
    exchange_number: int = 0
    answer_number: int = 0
    troubles: tuple[str, ...] = ()
    """What its agent says is wrong with it; it takes no work while there is anything."""
    health: HealthLife = field(default_factory=HealthLife)
    """Its conditions and its repair."""
    faults: int = 0
    """Attempts in a row that failed on it through no fault of theirs. This and what follows is in memory only: see `engine/attempts/worker_health.py`."""
    faulty_since_ms: int = 0
    probe_at_ms: int | None = None
    """It takes no work until then, and one attempt afterwards."""
    probing: bool = False
    probes_failed: int = 0
    alone_for: JobId | None = None
    """Only this job runs here, or is to when the others have ended."""
    machine: Machine = field(init=False, compare=False, repr=False)
    """What its attempts use a part of."""
    use: WorkerUse | None = None
    """What it said last that it really uses. In memory only: a sample is worth nothing after half a minute."""
    seen: tuple[object, ObservedWorker] | None = field(default=None, compare=False, repr=False)
    """How it was last shown to the planner, and what it looked like then: most have not changed from plan to plan."""

    def __post_init__(self) -> None:
        self.machine = machine_of(self.spec)

    @property
    def busy(self) -> int:
        """Attempts and workload pods on it, as far as is known."""
        return len(self.live) + (0 if self.node is None else self.node.pods)

    @property
    def occupied(self) -> bool:
        """Whether removing it may end work. A node is known to be empty only when it was cordoned before."""
        return bool(self.live) or (self.node is not None and not self.node.emptied)

    @property
    def takes_work(self) -> bool:
        return (  # `serves` written out: it is asked of many workers in each pass
            self.state is WorkerState.READY
            and not self.cordoned
            and self.expired_ms is None
            and self.free_slots > 0
            and self.alone_for is None
            and not self.troubles
            and not (self.probing and self.live)
            and self.spec.membership.takes_jobs
        )

    @property
    def serves(self) -> bool:
        """Open for anybody's work, if not now then when others have ended."""
        return (
            self.state is WorkerState.READY
            and not self.cordoned
            and self.expired_ms is None
            and self.alone_for is None
            and not self.troubles
            and self.spec.membership.takes_jobs
        )

    @property
    def sick(self) -> bool:
        """Being heard of is not enough for it to take work again."""
        return bool(self.troubles) or self.probe_at_ms is not None or self.health.blocks


#: Ends of attempts that wait to be learned from; more than that between two passes, and the oldest teach nothing.
ENDED_RUNS_MAX = 10_000
#: Where nobody has said how large workers are.
MEMORY_UNBOUNDED_MIB = 2**40


@dataclass(slots=True)
class EngineState:
    resources: Dimensions = PLAIN
    """Which resources there are: fixed when the server starts."""
    pools: dict[PoolName, PoolSpec] = field(default_factory=dict)
    weights: dict[UserName, int] = field(default_factory=dict)
    sharing: Sharing = NO_SHARING
    classes: dict[ClassId, JobClass] = field(default_factory=dict)
    class_ids: dict[JobClass, ClassId] = field(default_factory=dict)
    timed: set[ClassId] = field(default_factory=set)
    """Classes that have a deadline, as long as it has not passed, or a queue time-out."""
    next_deadline_ms: int = 0
    """Before it no deadline of `timed` passes."""
    overdue: set[ClassId] = field(default_factory=set)
    """Classes whose deadline has passed, and whose jobs were cancelled."""
    classes_looked_at: int = 0
    """How many there were when it was last looked which can be forgotten: see `engine/jobs/classes.py`."""
    projects: dict[UserName, set[str]] = field(default_factory=dict)
    """Names of projects that each user has used: the ledger has an account for each, and pool."""
    queues: dict[ClassId, ReadyQueue] = field(default_factory=dict)
    batches: dict[BatchId, BatchLife] = field(default_factory=dict)
    workers: dict[WorkerName, WorkerLife] = field(default_factory=dict)
    live: dict[JobId, LiveAttempt] = field(default_factory=dict)
    tried: dict[JobId, tuple[int, int]] = field(default_factory=dict)
    """The same for jobs of no batch."""
    preempted: dict[JobId, int] = field(default_factory=dict)
    faults: dict[JobId, JobFaults] = field(default_factory=dict)
    """At most one for each job that has not ended and has met with a fault of a worker."""
    retried_as: dict[JobId, RetriedAs] = field(default_factory=dict)
    memory_peaks: MemoryPeaks = field(default_factory=MemoryPeaks)
    delayed: dict[JobId, DelayedJob] = field(default_factory=dict)
    """Counted as ready, and in no queue."""
    schedules: dict[str, ScheduleRecord] = field(default_factory=dict)
    pipelines: dict[str, PipelineRecord] = field(default_factory=dict)
    """Without their configurations, which stay in the store."""
    held_jobs: dict[JobId, HeldJob] = field(default_factory=dict)
    """Jobs that are held one by one, and are in no queue."""
    delays: list[tuple[int, JobId]] = field(default_factory=list)
    """A heap of the times of `delayed`; with entries of those that have left, at most as many again."""
    due: dict[JobId, None] = field(default_factory=dict)
    """Those of `delayed` whose time has come, in the order in which they are looked at."""
    failed_lately: FailedLately = field(default_factory=FailedLately)
    live_usage: LiveUsage = field(default_factory=LiveUsage)
    use_sampled_ms: int = 0
    """What live attempts and machines had used by then is in the log of use. Moves with their times when the clock is set."""
    cached_inputs: CachedInputs = field(default_factory=CachedInputs)
    history: dict[PoolName, CreateHistory] = field(default_factory=dict)
    """Of the pools that there are, and of deleted ones until their last worker has gone."""
    offers: dict[OfferKey, OfferMemory] = field(default_factory=dict)
    """At most one for each template of each pool."""
    rungs: dict[str, frozenset[Rung]] = field(default_factory=dict)
    """By driver, what it can do to repair a machine; set by the server at start."""
    largest_memory_mib: Callable[[JobClass], int] = lambda job_class: MEMORY_UNBOUNDED_MIB
    """The memory of the largest worker on which a job could run that has all else that it requests; 0: there is none. Set by the server."""
    driver_steps: dict[str, tuple[Step, ...]] = field(default_factory=dict)
    """By driver: what it reports of a creation; others report one step."""
    bootstraps: dict[str, BootstrapLife] = field(default_factory=dict)
    creation_failures: Counter[tuple[PoolName, str, str]] = field(default_factory=Counter)
    """By pool, cause and step. In memory only: for people and metrics."""
    last_creation_failure: dict[PoolName, str] = field(default_factory=dict)
    """By pool, the sentence of the newest of them. In memory only."""
    clusters: dict[str, ClusterLife] = field(default_factory=dict)
    """By name, those that this server follows (`engine/workers/cluster/nodes.py`). In memory only."""
    openings: dict[PoolName, tuple[Opening, ...]] = field(default_factory=dict)
    """Of the windows of pools whose workers are upgraded in place; in memory only (`control/loops/bootstraps.py`)."""
    frozen_drivers: dict[str, FrozenDriver] = field(default_factory=dict)
    """Drivers that are not called until a person decides (`engine/workers/drivers.py`)."""
    interruptions: dict[tuple[PoolName, NoticeSource], int] = field(default_factory=dict)
    """Notices of the pools that there are, since the server started."""
    repairs: Counter[tuple[PoolName, Condition, Rung, Outcome]] = field(default_factory=Counter)
    """What became of repairs in the pools that there are, since the server started: for metrics."""
    readings: dict[tuple[PoolName, str], MetricReading] = field(default_factory=dict)
    """At most one for each metric of each pool; in memory only: a new server asks anew."""
    counts: dict[int, int] = field(default_factory=lambda: {int(state): 0 for state in JobState})
    waited: dict[str, tuple[int, int]] = field(default_factory=dict)
    """At the start: jobs that had not started, and the bytes of their payloads, by user."""
    retries: int = 0
    """Batches that were retried or deleted since the server started: what was read of ended jobs before is out of date."""
    next_job: int = 1
    next_batch: int = 1
    next_class: int = 1
    next_plan: int = 1
    first_plan: int = 1
    """Of this server: workers of earlier plans were created by another."""
    next_event: int = 1
    next_shape: int = 1
    """Numbers shapes of pods, from -1 down; in memory only."""
    incarnation: Incarnation = field(default_factory=Incarnation)
    """How often the store was put back, and which numbers it may have given in the times that it has forgotten."""
    remembered_ms: int = 0
    """The latest moment that the store remembered when the server started."""
    hand_over: int = 1
    """Number of the next hand-over to the store."""
    durable: int = 0
    """Number of the last hand-over that is durable."""
    answer_base: int = 0
    """Answers to workers are numbered from here on: grows from one server process to the next."""
    # what the next placement pass must look at
    open_workers: set[WorkerName] = field(default_factory=set)
    fresh_demand: bool = False
    stirred_queues: set[ClassId] = field(default_factory=set)
    """Classes that may have more jobs waiting than at the last pass."""
    stirred_users: set[UserName] = field(default_factory=set)
    """Users that hold more or less than at the last pass."""
    funds: Funds | None = None
    """Of users and projects that have a budget; None: none has."""
    restrictions: Restrictions | None = None
    """What alerts keep from starting; None: no such action is in force."""
    spot_only: tuple[SpotOnly, ...] = ()
    """Of alerts: pools that get spot workers only."""
    fleet_version: int = 0
    """Changes whenever a worker comes or goes."""
    ended_runs: "deque[tuple[ClassId, int]]" = field(default_factory=lambda: deque(maxlen=ENDED_RUNS_MAX))
    """Attempts that ended by themselves: how many milliseconds they took from their assignment on."""
    # rows to be written with the next hand-over (`dirty_rows.py`)
    dirty_batches: dict[BatchId, BatchLife] = field(default_factory=dict)
    dirty_workers: dict[WorkerName, WorkerLife] = field(default_factory=dict)
    counts_written: dict[int, int] = field(default_factory=dict)
    """Of `counts` what the store has been given of those that have ended."""

    @property
    def in_use(self) -> Mapping[UserName, Resources]:
        """What live attempts have, by user."""
        return self.live_usage.in_use

    @property
    def held(self) -> Mapping[tuple[UserName, str], Amounts]:
        """The same by user and project, as quotas count it."""
        return self.live_usage.held

    @property
    def running_types(self) -> Mapping[str, int]:
        """Live attempts by job type."""
        return self.live_usage.types

    def tried_of(self, batch: BatchId | None) -> dict[JobId, tuple[int, int]]:
        return self.tried if batch is None else self.batches[batch].tried

    def preempted_of(self, batch: BatchId | None) -> dict[JobId, int]:
        return self.preempted if batch is None else self.batches[batch].preempted

    def queued(self, class_id: ClassId) -> QueuedClass:
        """What waits of a class that has a queue, as decisions see it."""
        queue = self.queues[class_id]
        return QueuedClass(
            class_id=class_id,
            job_class=self.classes[class_id],
            count=queue.count,
            oldest_ready_at_ms=queue.oldest_ready_at_ms,
        )

    def queue(self, class_id: ClassId) -> ReadyQueue:
        self.stirred_queues.add(class_id)
        found = self.queues.get(class_id)
        if found is None:
            found = self.queues[class_id] = ReadyQueue()
        return found


def pool_of(state: EngineState, worker: WorkerLife) -> PoolSpec:
    """The pool of a worker; of a deleted pool the defaults."""
    return state.pools.get(worker.spec.pool) or PoolSpec(name=worker.spec.pool)
