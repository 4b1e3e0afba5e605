"""The fleet of a chaos run: three pools (steady, burst, spot) for a given number of workers, and their providers.

Two providers: `metal` has on-demand machines only, `cloud` has two zones and a spot market. Heartbeats are rare, as in a large fleet.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from herder.drivers.kubernetes_jobs import KubernetesJobsSettings
from herder.drivers.pretend.settings import PretendSettings
from herder.model.fleet.creation import CreationLimits
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.pool import (
    Consolidation,
    PoolSize,
    PoolSpec,
    ScaleDown,
    ScaleUp,
    SpotUse,
    Template,
    WorkerLifetime,
    Zone,
)
from herder.model.ids import PoolName
from herder.model.values.money import PICO_PER_USD, PicoUsd
from herder.model.values.resources import Resources
from herder.model.work.callbacks import CallbackRules
from herder.model.work.job_type import KNOWN
from herder.settings.sections.jobs.job_types import job_types_to_plain
from herder.simulate.chaos.actors.producers import INTAKE

GIB = 1024
#: dead_after of all pools: three heartbeats of a minute.
DEAD_AFTER_S = 200.0
HEARTBEAT_S = 60.0


def template(
    name: str, cpu: int, cents: int, zones: tuple[Zone, ...] = (), spot: SpotUse = SpotUse.NO
) -> Template:
    return Template(
        name=name,
        allocatable=Resources(cpu * 1000, cpu * 4 * GIB, 100 * GIB),
        price_pico_per_hour=PicoUsd(cents * PICO_PER_USD // 100),
        zones=zones,
        spot=spot,
    )


def _lifetime(*, ttl_s: float | None = None, on_blocked: OnBlocked = OnBlocked.FORCE) -> WorkerLifetime:
    return WorkerLifetime(
        dead_after_s=DEAD_AFTER_S,
        heartbeat_max_s=HEARTBEAT_S,
        boot_timeout_s=750.0,
        drain_grace_s=300.0,
        on_blocked=on_blocked,
        ttl_s=ttl_s,
        ttl_max_s=None if ttl_s is None else 3 * ttl_s,
    )


#: A user with a quota, and the quota in cores.
LIMITED_USER, LIMITED_CPU = "cyd", 12
#: Few jobs of each type run at once, and few of all types together.
JOB_TYPES = {
    each.name: each
    for each in (
        replace(KNOWN["pipeline_execution"], max_concurrent=3, cpu="500m", memory="256Mi"),
        replace(KNOWN["ml_inference"], max_concurrent=2, memory="256Mi"),
    )
}
JOB_SLOTS = 4
_DEFAULTS = {"runtime": "noop", "command": ["python", "pipeline.py"], "retries": 2}
#: Settings about sharing: jobs of the class `high` preempt others.
SHARING: dict[str, Any] = {
    "priority_classes": {"high": {"value": 3, "preempts": True}},
    "users": {LIMITED_USER: {"quota": {"cpu": LIMITED_CPU}}},
    "fair_share": {
        "preemption": {"minimum_run_time": "2m", "wait_first": "30s"},
        "job_types": {"slots": JOB_SLOTS},
    },
    "job_types": {
        name: {**each, **_DEFAULTS} for name, each in job_types_to_plain(JOB_TYPES.values()).items()
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    pools: tuple[PoolSpec, ...]
    providers: dict[str, PretendSettings]
    job_drivers: dict[str, KubernetesJobsSettings] = field(default_factory=dict)
    """Those whose workers are Kubernetes Jobs."""
    budgets: dict[str, dict[str, Any]] = field(default_factory=dict)
    """As herder.yaml has them."""


def fleet_of(workers: int) -> Fleet:
    """Pools with a maximum of `workers` workers together; at least 4."""
    most = max(4, workers)
    steady, burst = max(1, most * 3 // 10), max(1, most * 3 // 10)
    spot = max(1, most - steady - burst)
    zones = (Zone(name="a", max_workers=max(2, burst)), Zone(name="b"))
    return Fleet(
        pools=(
            PoolSpec(
                name=PoolName("steady"),
                driver="metal",
                templates=(template("medium", 8, 24),),
                size=PoolSize(min_workers=max(1, steady // 3), max_workers=steady),
                scale_up=ScaleUp(cooldown_s=120.0),
                scale_down=ScaleDown(idle_timeout_s=1800.0, fraction=0.2, period_s=1800.0, cooldown_s=300.0),
                lifetime=_lifetime(on_blocked=OnBlocked.WAIT),
            ),
            PoolSpec(
                name=PoolName("burst"),
                driver="cloud",
                templates=(template("small", 4, 12, zones), template("large", 16, 48, zones)),
                size=PoolSize(max_workers=burst),
                scale_down=ScaleDown(idle_timeout_s=900.0),
                lifetime=_lifetime(ttl_s=4 * 3600.0),
            ),
            PoolSpec(
                name=PoolName("spot"),
                driver="cloud",
                templates=(template("medium", 8, 24, zones, SpotUse.PREFER),),
                size=PoolSize(max_workers=spot, max_live_workers=max(1, spot - 1)),
                scale_down=ScaleDown(idle_timeout_s=1200.0, consolidation=Consolidation.BREAK_EVEN),
                lifetime=_lifetime(),
            ),
        ),
        providers={
            "metal": PretendSettings(
                create_s=12.0,
                configure_s=4.0,
                start_s=6.0,
                delete_s=10.0,
                boot_s=45.0,
                boot_spread=0.5,
                machines_most=steady + 2,
                repairs=True,
            ),
            "cloud": PretendSettings(
                create_s=8.0,
                delete_s=15.0,
                boot_s=60.0,
                boot_spread=0.8,
                machines_most=burst + spot + 4,
                spot_machines_most=max(2, spot * 2 // 3),
                announces=True,
            ),
        },
    )


#: `metal` makes few machines at a time, one after another; `cloud` has the usual limits.
LIMITS = {
    "metal": CreationLimits(create_retry_pause_s=10.0, parallel_creates=3, pause_between_starts_s=5.0),
    "cloud": CreationLimits(create_retry_pause_s=5.0),
}
#: Periods of the server's loops: longer than the defaults, so that days take minutes of CPU.
CORE_SETTINGS = {
    "poll_s": 60.0,
    "scale_period_s": 30.0,
    "scale_settle_s": 1.0,
    "lifecycle_period_s": 5.0,
    "readings_period_s": 60.0,
    "sweep_period_s": 30.0,
    "observations_bytes_max": 0,
    "intakes": (INTAKE,),
    "intakes_period_s": 20.0,
    # Clocks are set by hours: no message is given up for that.
    "callbacks": CallbackRules(give_up_s=3650 * 86_400.0),
    "creation_limits": LIMITS,
}
