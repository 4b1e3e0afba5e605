"""Pools and templates, as herder.yaml defines them."""

from dataclasses import dataclass, replace
from enum import StrEnum

from herder.model.fleet.creation import DEFAULT_STEPS, StepTimeouts
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.membership import EXCHANGE, Membership
from herder.model.fleet.metric import Metric
from herder.model.fleet.pressure import Pressure
from herder.model.fleet.repair import DEFAULT_POLICY, RepairPolicy
from herder.model.fleet.schedule import Schedule
from herder.model.fleet.upkeep import USUAL_BUDGET, Budgets, TimeWindow
from herder.model.ids import PoolName
from herder.model.values.money import PicoUsd
from herder.model.values.resources import ZERO, Resources


class TaintEffect(StrEnum):
    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Taint:
    key: str
    value: str = ""
    effect: TaintEffect = TaintEffect.NO_SCHEDULE


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Toleration:
    """Tolerates a taint of this key (all keys when empty) with this value (any when None) and effect (any when None)."""

    key: str = ""
    value: str | None = None
    effect: TaintEffect | None = None

    def tolerates(self, taint: Taint) -> bool:
        return (
            self.key in ("", taint.key)
            and self.value in (None, taint.value)
            and self.effect in (None, taint.effect)
        )


class SpotUse(StrEnum):
    """Whether workers may be spot: cheaper, and taken back by the provider when it likes."""

    NO = "no"
    YES = "yes"
    """Only spot."""
    PREFER = "prefer"
    """Spot, and on-demand where spot is short or dearer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A place where the provider sells a template. Prices of None are the template's."""

    name: str
    price_pico_per_hour: PicoUsd | None = None
    spot_price_pico_per_hour: PicoUsd | None = None
    max_workers: int | None = None
    """The quota there: most workers of the template at a time, spot and on-demand each."""


class PriceSource(StrEnum):
    """Where the prices of a template come from."""

    FILE = "file"
    PROVIDER = "provider"
    """The zones have what its driver reports; the price of the template holds where nothing was reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Shape and price of a worker to be. `allocatable` is what jobs may use of it. See `offer.offers_of` for what is sold."""

    name: str
    allocatable: Resources
    price_pico_per_hour: PicoUsd
    labels: tuple[tuple[str, str], ...] = ()
    slots: int = 110
    """Most attempts at a time on one worker, whatever their size (Kubernetes' default of pods on a node)."""
    driver: str = ""
    """Which creates its workers; empty: the pool's."""
    driver_options: tuple[tuple[str, str], ...] = ()
    """Passed on to the driver unread; in addition to the pool's where the driver is the pool's as well."""
    zones: tuple[Zone, ...] = ()
    """Empty: the driver's own choice, or it has none."""
    spot: SpotUse = SpotUse.NO
    spot_price_pico_per_hour: PicoUsd | None = None
    """None: `offer.SPOT_PERCENT` of the price."""
    max_spot_price_pico_per_hour: PicoUsd | None = None
    """Dearer spot is not bought."""
    prices: PriceSource = PriceSource.FILE
    gpu_model: str = ""
    gpu_parts: int = 1
    """Equal parts that each device is split into (time slicing, MIG). Above 1, `allocatable.gpu` counts parts, and only jobs
    that ask for a share of a GPU run there."""


def with_prices_of(template: Template, before: Template | None) -> Template:
    """With the prices that a provider has reported for `before`, where the template is still the same to it."""
    if before is None or template.prices is not PriceSource.PROVIDER:
        return template
    if (before.driver, before.driver_options) != (template.driver, template.driver_options):
        return template
    known = {zone.name: zone for zone in before.zones}
    zones = tuple(_priced_as(zone, known.get(zone.name, zone)) for zone in template.zones)
    return replace(template, zones=zones)


def _priced_as(zone: Zone, known: Zone) -> Zone:
    """What was not reported stays as it is written."""
    plain, spot = known.price_pico_per_hour, known.spot_price_pico_per_hour
    return replace(
        zone,
        price_pico_per_hour=zone.price_pico_per_hour if plain is None else plain,
        spot_price_pico_per_hour=zone.spot_price_pico_per_hour if spot is None else spot,
    )


class CpuLimit(StrEnum):
    """What a job's CPU means to the machine it runs on, where the worker can make cgroups."""

    WEIGHT = "weight"  # its share when CPU is short; what is idle may be used
    HARD = "hard"  # never more


class Consolidation(StrEnum):
    """Whether work is moved together so that a worker falls empty and can go."""

    OFF = "off"
    BREAK_EVEN = "break_even"


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """Free capacity to keep for work that has not come yet: so many workers with nothing to do, and so much in sum."""

    workers: int = 0
    free: Resources = ZERO

    @property
    def wanted(self) -> bool:
        return self.workers > 0 or any(self.free)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSize:
    """How many workers there may be."""

    min_workers: int = 0
    max_workers: int = 10
    """Everything that has not ended counts, also what drains: it still costs."""
    max_live_workers: int | None = None
    """Of these, the ones that are not draining; below `max_workers` it keeps room for successors of what drains."""
    new_workers_per_cycle: int = 10
    """Most workers made by one plan: bounds the damage of a wrong demand figure. 10 as in Hail Batch."""
    schedules: tuple[Schedule, ...] = ()

    @property
    def most_workers(self) -> int:
        """The lower of the two maxima."""
        return (
            self.max_workers
            if self.max_live_workers is None
            else min(self.max_workers, self.max_live_workers)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleUp:
    """When more workers are made, besides what queued jobs need, and how often."""

    cooldown_s: float = 0.0
    headroom: Headroom = Headroom()
    target_utilisation: float | None = None
    """Part of the capacity that should be in use; more workers are made above it. None: only queued work counts."""
    queue_threshold: int | None = None
    """So many jobs wait for a worker that exists before others are made for them; None: they do not."""
    pending_pods: int | None = 5
    """So many pods of its cluster must have waited for `pending_pods_for_s` before workers are made for them; None: none ever are."""
    pending_pods_for_s: float = 120.0
    cpu_pressure: Pressure | None = None
    """More workers when they really use more CPU than this; None: what they use is not asked for."""
    memory_pressure: Pressure | None = None
    grows_after: tuple[str, ...] = ()
    """Pools that grow for pressure first; this one does when none of them can, and counts their workers as well."""
    metrics: tuple[Metric, ...] = ()
    """Figures of other systems that say how many workers are wanted; the one that wants most counts."""
    wait_cost: int | None = None
    """How many seconds of an idle worker one second of a job's waiting is worth; None: idle workers are not weighed. Off, because
    only people know what waiting costs them, and because it makes workers that nothing queued asks for."""
    preempts_spot: bool = False
    """Whether spot workers of the same driver are drained when the minimum finds no capacity."""
    offer_backoff_s: float = 15.0
    """How long an offer is passed over after a failed creation, doubled by each further one. Short: most shortages last minutes."""
    offer_backoff_max_s: float = 1800.0
    """The longest, as in cluster-autoscaler."""

    @property
    def measured(self) -> bool:
        """Whether plans see what workers really use."""
        return self.cpu_pressure is not None or self.memory_pressure is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleDown:
    """When workers are removed, and how many at a time."""

    cooldown_s: float = 0.0
    idle_timeout_s: float | None = 1800.0
    fraction: float | None = None
    """At most this part of the pool is removed in `period_s`, at least one. None: idle workers are removed at once."""
    period_s: float = 1800.0
    consolidation: Consolidation = Consolidation.OFF
    """Off, because a moved job begins anew unless it can continue from a checkpoint, and Herder cannot know."""
    disruption_budget: Budgets = USUAL_BUDGET
    """Most workers at a time that are drained although they work, or that are replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLifetime:
    """How long a worker may take for each part of its life. None: without limit."""

    ttl_s: float | None = None
    ttl_max_s: float | None = None
    ttl_soft_s: float | None = None
    """A worker that is older is replaced, in a maintenance window and under the disruption budget."""
    ttl_warning_s: float = 300.0
    """How long before the end of the ttl it is told; 0: not at all."""
    ttl_grace_s: float = 300.0
    """How long after it attempts run on, without new work, before the worker drains. Until then it can be extended."""
    ttl_jitter: float = 0.05
    """By at most this part a ttl is shortened, each worker's by another (see `lifetime`)."""
    extension_s: float = 7200.0
    extensions_max: int = 3
    drain_grace_s: float = 300.0
    """How long running attempts may go on after a drain began, unless the order says otherwise."""
    eviction_grace_s: float | None = None
    """How long an evicted pod may take to end; None: as the pod says."""
    evictions_at_once: int = 5
    notice_margin_s: float = 5.0
    """So long before a provider takes a machine back, its attempts are ended; at most half of a notice."""
    on_blocked: OnBlocked = OnBlocked.FORCE
    """What happens then to those that still run. Force, because every attempt may be retried, and a worker that must go costs."""
    boot_timeout_s: float = 750.0
    """From the driver's first call to ready; then the creation has failed. The sum of the documented provisioning steps."""
    step_timeouts: StepTimeouts | None = None
    """None: the usual ones, longer where `boot_timeout_s` is longer."""
    provision_alert_s: float = 600.0
    """A creation that takes longer is told in an event; 0: none is."""
    dead_after_s: float = 45.0
    """Silence after which a worker counts as dead and its attempts are retried."""

    heartbeat_max_s: float = 10.0
    """Workers are heard of at least this often, however long a pool waits before it counts one as dead."""

    @property
    def steps(self) -> StepTimeouts:
        if self.step_timeouts is not None:
            return self.step_timeouts
        return DEFAULT_STEPS.stretched(max(1.0, self.boot_timeout_s / DEFAULT_STEPS.total_s))

    @property
    def heartbeat_s(self) -> float:
        """How often a worker must be heard of: often enough to miss two within `dead_after_s`."""
        return min(self.heartbeat_max_s, self.dead_after_s / 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """When workers are replaced that still work."""

    maintenance_windows: tuple[TimeWindow, ...] = ()
    """Empty: at any time."""
    replace_drifted: bool = True
    """On, because a pool that keeps old workers for ever does not become what its settings say; few at a time, idle ones first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRules:
    """What holds for the jobs of a pool."""

    default_eligible: bool = True
    """Whether jobs that name no pool may run here."""
    one_per_worker: bool = False
    """A worker takes one job, and is removed when that has ended. Its templates have one slot then."""
    cpu_limit: CpuLimit = CpuLimit.WEIGHT
    """Of jobs that do not say it themselves. A weight, because idle CPU that nobody may use is paid for all the same."""
    containers: bool = False
    """Whether the machines of its workers have a container engine, so that jobs with an image may run there."""
    minimum_run_s: float | None = None
    """No attempt is preempted here before it has run so long; None: as `Preemption` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSpec:
    """One pool as it is wanted. Times in seconds; a limit of None means there is none."""

    name: PoolName
    description: str = ""
    driver: str = "local"
    """Of the templates that name no driver of their own."""
    driver_options: tuple[tuple[str, str], ...] = ()
    """Settings of the pool's driver, passed on to it unread."""
    membership: Membership = EXCHANGE
    """What its workers join: what work they take and how one knows that they live."""
    cluster: str = ""
    """Which cluster its workers are nodes of; empty: of none."""
    bootstrap: str = ""
    """Which of `bootstraps:` makes its machines join; empty: none, they join by themselves."""
    templates: tuple[Template, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[Taint, ...] = ()
    size: PoolSize = PoolSize()
    scale_up: ScaleUp = ScaleUp()
    scale_down: ScaleDown = ScaleDown()
    lifetime: WorkerLifetime = WorkerLifetime()
    upkeep: Upkeep = Upkeep()
    repair: RepairPolicy = DEFAULT_POLICY
    jobs: JobRules = JobRules()
    frozen: bool = False
    bootstrap_fingerprint: str = ""
    """What its bootstrap would make now; like the next three, only in snapshots. Empty: unknown."""
    bootstrap_refused: str = ""
    """Why its bootstrap's credentials are refused: it creates no workers until they are accepted."""
    unseen: str = ""
    """Why nothing is known of its cluster now; like the next, only in snapshots, of a pool that is shown as frozen."""
    driver_frozen: str = ""
    """Why one of its drivers is frozen. Not a setting: only the snapshot that plans are made from says it, of a pool that is shown as frozen."""
    frozen_driver: str = ""
    """Which one that is; empty in snapshots of before pools could have several."""

    @property
    def stopped_by(self) -> str:
        """The driver that is frozen, where one is."""
        return self.frozen_driver or self.driver

    @property
    def drivers(self) -> tuple[str, ...]:
        """Those that create its workers."""
        return tuple(sorted({each.driver or self.driver for each in self.templates})) or (self.driver,)

    def creates(self, template: str, driver: str) -> bool:
        """Whether this driver creates the workers of this template."""
        return any(
            each.name == template and (each.driver or self.driver) == driver for each in self.templates
        )

    def options_of(self, driver: str, own: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """What the driver is told of a template that has these options itself."""
        if driver not in ("", self.driver):
            return own
        return tuple({**dict(self.driver_options), **dict(own)}.items()) if own else self.driver_options

    @property
    def by_driver(self) -> tuple["PoolSpec", ...]:
        """As pools of one driver and its options each, with the templates that they create."""
        parts: dict[tuple[str, tuple[tuple[str, str], ...]], list[Template]] = {}
        for each in self.templates:
            look = each.driver or self.driver, self.options_of(each.driver, each.driver_options)
            parts.setdefault(look, []).append(each)
        return tuple(
            replace(self, driver=driver, driver_options=options, templates=tuple(templates))
            for (driver, options), templates in parts.items()
        ) or (self,)
