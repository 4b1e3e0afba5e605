"""The observation: the planner's input, frozen, with the age of each part. Made by `control/`, read by `decide/`."""

from dataclasses import dataclass

from herder.model.fleet.metric import MetricReading
from herder.model.fleet.offer import OfferMemory
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.pressure import Measured, WorkerUse
from herder.model.fleet.schedule import Window
from herder.model.fleet.upkeep import Opening
from herder.model.fleet.worker import WorkerSpec, WorkerState
from herder.model.ids import PlanNumber, PoolName, UserName, WorkerName
from herder.model.planning.budgets import NO_BUDGETS, BudgetsLeft, RestrictedClass, SpotOnly, UnpaidClass
from herder.model.planning.cluster import NotConsidered
from herder.model.planning.demand_rises import Rises
from herder.model.values.resources import Dimension, Resources
from herder.model.work.apart import GroupCount
from herder.model.work.demand import DemandGroup
from herder.model.work.job import JobClass
from herder.model.work.sharing import NO_SHARING, Amounts, Sharing


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningClass:
    """Live attempts of one class on one worker. `started_sum_ms` is the sum over them, for the work that a move would lose."""

    job_class: JobClass
    count: int
    started_sum_ms: int
    last_start_ms: int
    ends_at_ms: int | None = None
    """When the last of them is expected to end; None: unknown."""


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
    quarantined: bool = False
    """Kept for inspection: it counts towards the maximum and not towards the minimum."""
    manual: bool = False
    """Made by hand (a scale request): not removed for being idle before it expires."""
    running: tuple[RunningClass, ...] | None = None
    """What runs on it; None where the pool's settings do not ask for it."""
    use: WorkerUse | None = None
    """What it said last that it really uses; None: not known, or the pool's settings do not ask for it."""
    ready_at_ms: int | None = None
    extended: bool = False
    """Whether a person has extended its time to live."""
    extendable: bool = True
    """Whether its pool allows one more extension."""
    agent_version: str = ""
    """Of its agent; empty: it has none, or has not said."""

    @property
    def name(self) -> WorkerName:
        return self.spec.name

    @property
    def works(self) -> bool:
        """It has booted, and counts towards the minimum."""
        return not self.state.in_flight and not self.quarantined

    @property
    def usable(self) -> bool:
        """Takes new work now, or will when it has booted."""
        return not self.cordoned and (self.state is WorkerState.READY or self.state.in_flight)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedClass(DemandGroup):
    """Jobs of one class that are ready and have no attempt."""

    job_class: JobClass

    @property
    def asks(self) -> JobClass:
        return self.job_class


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolHistory:
    """What the planner must remember about a pool between cycles: for cooldowns and gradual shrinking."""

    last_grown_at_ms: int | None = None
    last_shrunk_at_ms: int | None = None
    removals_ms: tuple[int, ...] = ()
    """When workers were drained because less was needed, within the pool's `scale_down_period_s`."""
    boot_s: float | None = None
    """How long workers took lately from request to ready; None: none has."""
    pods_since_ms: int | None = None
    """Since when enough pods have been pending for the pool without a break (`pending_pods`)."""
    pressed_since_ms: tuple[tuple[Measured, int], ...] = ()
    """Since when the threshold of a pressure is passed without a break."""
    rises: tuple[tuple[str, Rises], ...] = ()
    """By template, what was learned of sudden demand; only in pools that weigh waiting against idle workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """`*_as_of_ms`: when that section was last known to be true; None = never seen, and then nothing is decided on it."""

    plan_number: PlanNumber
    declared: tuple[Dimension, ...] = ()
    """What the server declares: its vectors have a place for each of these."""
    pools: tuple[PoolSpec, ...]
    workers: tuple[ObservedWorker, ...]
    workers_as_of_ms: int | None
    demand: tuple[DemandGroup, ...]
    demand_as_of_ms: int | None
    demand_left_out: int = 0
    """Classes of jobs that wait too, and are too many to be looked at now."""
    history: tuple[tuple[PoolName, PoolHistory], ...] = ()
    offers: tuple[OfferMemory, ...] = ()
    windows: tuple[tuple[PoolName, tuple[Window, ...]], ...] = ()
    metrics: tuple[MetricReading, ...] = ()
    sharing: Sharing = NO_SHARING
    held: tuple[tuple[UserName, str, Amounts], ...] = ()
    """What live attempts have, by user and project; only where there are quotas."""
    running_types: tuple[tuple[str, int], ...] = ()
    """Live attempts by job type; only where there are quotas or types."""
    weights: tuple[tuple[UserName, int], ...] = ()
    """Of users who are not like all others; only where there are quotas."""
    aged_ms: int | None = None
    """Who was ready before has waited long: quotas keep room for it. None: nobody has."""
    openings: tuple[tuple[PoolName, tuple[Opening, ...]], ...] = ()
    """Of the windows that pools name for maintenance and budgets: each that is open, and the next."""
    not_considered: tuple[tuple[str, NotConsidered], ...] = ()
    """By cluster: pending pods that are no demand."""
    counted: tuple[GroupCount, ...] = ()
    """Bound pods of the groups that rules of pending pods name, by worker and by zone."""
    budgets: BudgetsLeft = NO_BUDGETS
    """Of pools that have one."""
    unpaid: tuple[UnpaidClass, ...] = ()
    """Of the demand: jobs that budgets of users and projects do not pay."""
    restricted: tuple[RestrictedClass, ...] = ()
    """Of the demand: jobs that actions of alerts keep from starting."""
    spot_only: tuple[SpotOnly, ...] = ()
    """Pools for which actions of alerts let only spot workers be created."""
    agent_version: str = ""
    """Of the agents that this server comes with; empty: versions of agents are not compared."""
    agent_since_plan: PlanNumber = PlanNumber(0)
    """The first plan of this server: workers of this plan and later ones were created by it."""
