"""Jobs and attempts. A job is a unit of work; an attempt is one try of it on one worker, fenced by its number.

A `JobClass` holds everything about a job that scheduling may look at. Jobs of one class are interchangeable to every
algorithm, so queues, counts and plans work on classes; a queued job is then only its number.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from herder.model.fleet.pool import CpuLimit, Toleration
from herder.model.ids import UserName
from herder.model.values.resources import Resources
from herder.model.work.demand import NO_AFFINITY, Affinity, Work


class JobState(IntEnum):
    """Stored as numbers: below ENDED the job still has a future."""

    PENDING = 0  # accepted, its batch is not committed yet
    BLOCKED = 1  # waits for parents
    READY = 2  # may start
    RUNNING = 3  # has a live attempt
    HELD = 4  # may start, but is held back until a person releases it
    SUCCEEDED = 10
    FAILED = 11
    CANCELLED = 12
    SKIPPED = 13  # a parent did not succeed

    @property
    def ended(self) -> bool:
        return self >= JobState.SUCCEEDED

    @property
    def label(self) -> str:
        return self.name.lower()


class AttemptState(IntEnum):
    ASSIGNED = 0  # recorded and on its way to the worker
    RUNNING = 1
    SUCCEEDED = 10
    FAILED = 11
    CANCELLED = 12
    LOST = 13  # its worker went away, or it was fenced

    @property
    def ended(self) -> bool:
        return self >= AttemptState.SUCCEEDED

    @property
    def label(self) -> str:
        return self.name.lower()


class Cause(StrEnum):
    """Why an attempt ended as it did: the key of the retry policy."""

    NONE = ""
    EXIT_CODE = "exit_code"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    OUT_OF_DISK = "out_of_disk"
    WORKER_LOST = "worker_lost"
    PREEMPTED = "preempted"
    DRAINED = "drained"
    CANCELLED = "cancelled"
    INFRASTRUCTURE = "infrastructure"
    START_FAILED = "start_failed"
    KILLED_WORKERS = "killed_workers"
    """Of a job, never of an attempt: workers died while it ran, at last one on which it ran alone."""
    DEADLINE = "deadline"
    QUEUE_TIMEOUT = "queue_timeout"
    """Of a job, as is `DEADLINE`: it waited too long for its first attempt."""


#: Causes that are not the job's fault: retried without counting against `RetryPolicy.retries`.
NOT_THE_JOBS_FAULT = frozenset({Cause.WORKER_LOST, Cause.PREEMPTED, Cause.DRAINED, Cause.INFRASTRUCTURE})
#: Of these, the causes that speak against the worker: the job waits before it is tried again, and goes to another worker when there
#: is one. Who was preempted or drained goes on at once.
FAULTS_OF_WORKERS = frozenset({Cause.WORKER_LOST, Cause.INFRASTRUCTURE})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """`retries`: more tries after the job's own failures. `attempts_max`: tries in all, whatever the cause but preemption. After a fault
    of a worker the pause before the next try doubles from 1 s to 2 min, so 20 attempts last for more than 20 minutes."""

    retries: int = 0
    attempts_max: int = 20
    memory_factor: float = 1.0
    """After out of memory it is tried again with so many times the memory; 1: with the same. Such a try is none of `retries`."""
    memory_max_mib: int | None = None
    """It never asks for more; None: for as much as the largest worker has."""
    memory_profile: str = ""
    """Its memory is learned from the jobs of its user and project that have the same; empty: it is not learned."""
    on_demand_after: int | None = None
    """When the provider has taken so many spot workers back under it, it only runs on workers that are not spot; None: on all."""

    @property
    def adapts(self) -> bool:
        """Whether an attempt may ask for something else than the one before."""
        return self.memory_factor > 1 or self.on_demand_after is not None


#: Thousandths of a device.
WHOLE_GPU = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobClass:
    """What scheduling sees of a job. `pool` is a pool's name or "auto" (the cheapest that fits)."""

    user: UserName
    project: str = "default"
    pool: str = "auto"
    request: Resources
    priority: int = 0
    runtime: str = "process"
    timeout_s: float | None = None
    queue_timeout_s: float | None = None
    """So long it may wait for its first attempt."""
    deadline_ms: int | None = None
    """When it is cancelled if it has not ended."""
    retry: RetryPolicy = RetryPolicy()
    selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    affinity: Affinity = NO_AFFINITY
    """What labels of a worker must be, beyond the selector."""
    gpu_share_milli: int = WHOLE_GPU
    """What each of the GPUs asked for must be at least, in thousandths of a device. Below 1000: a part of one that is shared."""
    gpu_models: tuple[str, ...] = ()
    """Any of these will do; none named: any at all."""
    always_run: bool = False
    parents_results: bool = False
    """Its parents' results are handed to it when it starts."""
    cpu_limit: CpuLimit | None = None
    """None: as its pool says."""
    secrets: bool = False
    """Its attempts fetch secrets when they start."""
    type: str = ""
    """Which of the server's job types it has; empty: none. Its limits hold over the whole server."""

    @property
    def profile(self) -> tuple[str, str, str]:
        """Of its memory; the name is empty where it has none."""
        return self.user, self.project, self.retry.memory_profile

    @property
    def work(self) -> Work:
        return Work.JOBS

    @property
    def timed(self) -> bool:
        """Whether time alone may end its jobs."""
        return self.deadline_ms is not None or self.queue_timeout_s is not None

    @property
    def cluster(self) -> str:
        """Jobs are bound to none."""
        return ""

    @property
    def gpus_asked(self) -> int | float:
        """As the user wrote it: a whole number, or a share of one."""
        share = self.gpu_share_milli
        return self.request.gpu if share >= WHOLE_GPU or not self.request.gpu else share / WHOLE_GPU


#: What can run an attempt on a worker; `agent/runtimes/` has one module for each.
CONTAINER = "container"
RUNTIMES = frozenset({"process", "noop", CONTAINER})
