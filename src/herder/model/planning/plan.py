"""A plan: fully specified actions, and a report with the reasons, also when there are no actions.

Made by `decide/`, recorded before anything is done, applied by `control/`, shown by every face. Reports are data: a
`Reason` has a kind from a closed set, a sentence for people, and evidence as numbers.
"""

from dataclasses import dataclass
from enum import StrEnum

from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PlanNumber, PoolName, WorkerName


class ReasonKind(StrEnum):
    # why workers are made
    BELOW_MINIMUM = "below_minimum"
    QUEUED_JOBS = "queued_jobs"
    PENDING_PODS = "pending_pods"
    QUEUE_THRESHOLD = "queue_threshold"
    SCHEDULED = "scheduled"
    STOCK = "stock"
    HEADROOM = "headroom"
    TARGET_UTILISATION = "target_utilisation"
    CPU_PRESSURE = "cpu_pressure"
    MEMORY_PRESSURE = "memory_pressure"
    CUSTOM_METRIC = "custom_metric"
    REQUESTED = "requested"
    # why workers go
    IDLE = "idle"
    UNDER_USED = "under_used"
    CONSOLIDATED = "consolidated"
    PREEMPTED = "preempted"
    EXPIRED = "expired"
    SOFT_EXPIRED = "soft_expired"
    DRIFTED = "drifted"
    ABOVE_MAXIMUM = "above_maximum"
    POOL_DELETED = "pool_deleted"
    BY_HAND = "by_hand"
    DEAD = "dead"
    INTERRUPTED = "interrupted"
    JOB_DONE = "job_done"
    UNHEALTHY = "unhealthy"
    BOOT_TIMEOUT = "boot_timeout"
    CREATE_FAILED = "create_failed"
    # why less was done than asked
    AT_MAXIMUM = "at_maximum"
    PER_CYCLE_LIMIT = "per_cycle_limit"
    COOLDOWN = "cooldown"
    FROZEN = "frozen"
    NOTHING_FITS = "nothing_fits"
    OFFER_RESTING = "offer_resting"
    YIELDS = "yields"
    QUOTA_EXCEEDED = "quota_exceeded"
    AT_LIVE_MAXIMUM = "at_live_maximum"
    BUDGET = "budget"
    GRADUAL_LIMIT = "gradual_limit"
    DISRUPTION_BUDGET = "disruption_budget"
    NOT_WORTH_MOVING = "not_worth_moving"
    MAINTENANCE_WINDOW = "maintenance_window"
    AWAITS_SUCCESSOR = "awaits_successor"
    KEPT = "kept"
    NOT_CONSIDERED = "not_considered"
    SHAPES_GROUPED = "shapes_grouped"
    TRIGGER_FAILED = "trigger_failed"
    # why a job still waits
    QUOTA = "quota"
    ALERT = "alert"
    AHEAD_IN_QUEUE = "ahead_in_queue"
    FAIR_SHARE = "fair_share"
    IN_FLIGHT = "in_flight"
    # why nothing was done
    ENOUGH_CAPACITY = "enough_capacity"
    NO_DEMAND = "no_demand"
    WAITING_ON_OBSERVATION = "waiting_on_observation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    kind: ReasonKind
    text: str
    evidence: tuple[tuple[str, int | float | str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateWorker:
    """Make this worker. Its name is derived from the plan, so doing it twice makes one worker."""

    spec: WorkerSpec
    expires_at_ms: int | None
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainWorker:
    """Take no new work on this worker, let what runs end (up to the pool's grace), then remove it."""

    worker: WorkerName
    pool: PoolName
    reason: Reason


Action = CreateWorker | DrainWorker


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReport:
    """What the planner saw of one pool and concluded. `reasons` is never empty."""

    pool: PoolName
    actual: int
    in_flight: int
    desired: int
    queued_jobs: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnplacedDemand:
    """Queued jobs of one class that no pool can take now, with the binding reason."""

    class_id: int
    count: int
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    number: PlanNumber
    made_at_ms: int
    actions: tuple[Action, ...]
    pools: tuple[PoolReport, ...]
    unplaced: tuple[UnplacedDemand, ...] = ()
    cost_pico_per_hour: int = 0
    """Of the workers that are made for queued jobs, within the limits of now."""
    bound_pico_per_hour: int = 0
    """No other workers could take these jobs for less: proved, see `decide/packing/bounds/lower_bound.py`."""
    needs: tuple[tuple[PoolName, str, int], ...] = ()
    """(pool, template, how many workers work or are needed by the queue), in pools that learn from it (`wait_cost`)."""

    @property
    def empty(self) -> bool:
        return not self.actions
