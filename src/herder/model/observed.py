"""What the planner looks at: a frozen picture with the age of each part. Built by `control/`, read by `decide/`."""

from dataclasses import dataclass

from herder.model.ids import ClassId, PlanNumber, PoolName, WorkerName
from herder.model.job import JobClass
from herder.model.pool import PoolSpec
from herder.model.resources import Resources
from herder.model.worker import WorkerSpec, WorkerState


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedWorker:
    """One worker that has not ended. `free` and `free_slots` are what placement may still use (all, while in flight)."""

    spec: WorkerSpec
    state: WorkerState
    cordoned: bool = False
    free: Resources
    free_slots: int
    live_attempts: int = 0
    requested_at_ms: int
    idle_since_ms: int | None = None
    """Since when it has had nothing to do; None while it works or is not ready."""
    expires_at_ms: int | None = None
    standing: bool = False
    """Made by hand (a scale request): not removed for being idle before it expires."""

    @property
    def name(self) -> WorkerName:
        return self.spec.name

    @property
    def usable(self) -> bool:
        """Takes new work now, or will when it has booted."""
        return not self.cordoned and (self.state is WorkerState.READY or self.state.in_flight)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedClass:
    """Jobs of one class that are ready and have no attempt."""

    class_id: ClassId
    job_class: JobClass
    count: int
    oldest_ready_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolHistory:
    """What the planner must remember about a pool between cycles: for cooldowns and back-off after failed creations."""

    last_grown_at_ms: int | None = None
    last_shrunk_at_ms: int | None = None
    create_failures: int = 0
    """Failed creations since the last success."""
    last_create_failure_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """`*_as_of_ms`: when that section was last known to be true; None = never seen, and then nothing is decided on it."""

    plan_number: PlanNumber
    pools: tuple[PoolSpec, ...]
    workers: tuple[ObservedWorker, ...]
    workers_as_of_ms: int | None
    queued: tuple[QueuedClass, ...]
    queued_as_of_ms: int | None
    history: tuple[tuple[PoolName, PoolHistory], ...] = ()
