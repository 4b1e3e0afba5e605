"""Settings and limits of a running server, made by `server/runtime.py` from options, environment and herder.yaml. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from herder.analysis.optimisation.recommendations import Rules
from herder.control.kernel.bounds.limits import (
    LOG_BYTES_PER_ATTEMPT,
    QUEUED_BYTES_PER_USER,
    QUEUED_JOBS_PER_USER,
)
from herder.control.kernel.driver_calls import PLACES
from herder.decide.placement.ageing import Ageing
from herder.model.fleet.creation import CreationLimits
from herder.model.stored.retention import Retention
from herder.model.work.alerts import AlertRules
from herder.model.work.callbacks import CallbackRules
from herder.secrets.sealing import KeyRing
from herder.settings.sections.jobs.intakes import IntakeSettings
from herder.settings.sections.jobs.object_stores import ObjectStore
from herder.settings.sections.server import MetricSource


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreSettings:
    """Bounds of a server. Seconds."""

    server_url: str
    installation: str
    secret: str
    poll_s: float = 20.0
    """How long an exchange is held open when there is nothing to say: below the usual idle limits of proxies (30–60 s)."""
    self_delete_after_s: float = 600.0
    """How long a worker that cannot reach the server lives on."""
    scale_period_s: float = 1.0
    """The planner runs at least this often, and at once when the demand changes."""
    scale_settle_s: float = 0.05
    """It waits this long after a change, so that jobs submitted together are seen together."""
    lifecycle_period_s: float = 0.5
    """How often deadlines are looked at."""
    readings_period_s: float = 0.25
    """How often it is looked which custom metrics are due."""
    interruptions_period_s: float = 15.0
    """How often drivers are asked which machines their providers take back."""
    quotas_period_s: float = 0.0
    """How often drivers are asked for quotas, networks, offers and prices; 0: never, as in simulated worlds."""
    stop_grace_s: float = 0.2
    """Between telling a worker to go and having the driver remove it."""
    budget_quantum_s: float = 900.0
    """For how long workers, and the jobs of an account, reserve their cost at a time: what a budget may be overspent by, at most. Longer than the
    minimum that a provider bills for a machine."""
    sweep_period_s: float = 5.0
    """How often the drivers' machines are compared with our workers."""
    sweep_delay_s: float = 30.0
    """So long a machine must have been without a row, in every listing, before it is removed: a stale listing shows what is gone already."""
    sweep_missing_delay_s: float = 5.0
    """So long a machine must have been absent from complete listings before its provider is asked for it and its row is closed."""
    driver_calls: int = PLACES
    """Calls at a time of each driver; more wait. Providers throttle clients that send many more at once."""
    creation_limits: Mapping[str, CreationLimits] = field(default_factory=dict)
    """By driver, where they are not the usual ones: how many machines are made at a time, and how often that is tried."""
    removals_least: int = 3
    """When one sweep or one minute would close or remove more of a driver's machines than this, and more than the next part of them,
    nothing is removed, the driver is frozen, and a person is asked: a wrong listing looks the same as a lost zone."""
    removals_part: float = 0.2
    """The other half of that bound: for a driver with many machines."""
    observations_kept_s: float = 7 * 86_400.0
    """How long what plans were made from is kept, so that they can be made again (`herder simulate verify`): a week of questions."""
    observations_bytes_max: int = 256 * 2**20
    """And at most so much of it, the newest: as much as the log of a few busy days. 0: none is recorded."""
    retention: Retention = field(default_factory=Retention)
    """How long what has ended is kept."""
    callbacks: CallbackRules = field(default_factory=CallbackRules)
    """Where messages about ended batches may go, and how long they are tried."""
    alerts: AlertRules = field(default_factory=AlertRules)
    recommendations: Rules = field(default_factory=Rules)
    jobs_queued_max: int = 20_000_000
    """Above so many jobs that have not ended, submissions are refused: 8 bytes each stay in memory, more of those with parents."""
    queued_jobs_per_user: int = QUEUED_JOBS_PER_USER
    queued_bytes_per_user: int = QUEUED_BYTES_PER_USER
    """Above these a user's submissions are refused until some of the jobs have started."""
    log_bytes_per_attempt: int = LOG_BYTES_PER_ATTEMPT
    """Output that is kept of an attempt, head and tail together."""
    ageing: Ageing = field(default_factory=Ageing)
    """Where `fair_share` of herder.yaml says nothing of it; each bound says why it is so."""
    stale_after_s: Mapping[str, float] = field(default_factory=dict)
    """By cluster: how old its picture may be."""
    intakes: tuple[IntakeSettings, ...] = ()
    intakes_period_s: float = 0.5
    """Between two looks at an empty queue of an intake, and at the states of the jobs that came from it."""
    metric_sources: tuple[MetricSource, ...] = ()
    """Where custom metrics are asked for. Only the server's own files name them: they hold addresses and secrets."""
    object_stores: tuple[ObjectStore, ...] = ()
    """For which URLs of jobs' data the server signs; with the names of its secrets, so its own files only name them."""
    secret_keys: KeyRing | None = None
    """What secrets of users and projects are encrypted with; None: this server keeps none."""
