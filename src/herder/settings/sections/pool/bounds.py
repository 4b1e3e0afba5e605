"""The smallest and the largest value of each setting of a pool, for what people write.

Called by `lint` for files and by the server's `apply`. The reader of pools must not call it: it also reads stored pools, and a server must
start with a pool that an older version has accepted. A bound that the reader itself has (steps, heartbeat, tries) is not repeated here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from herder.model.fleet.lifetime import TTL_SHORTEST_S
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.repair import COUNTED
from herder.settings.sections.pool.label_syntax import Fault, label_faults
from herder.settings.syntax.durations import LONGEST_S, format_duration
from herder.settings.syntax.values import join

_MINUTE_S, _HOUR_S, _DAY_S = 60.0, 3_600.0, 86_400.0
WORKERS_MOST = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """`low` to `high`, both allowed; seconds where `seconds`."""

    low: float
    high: float
    seconds: bool = True

    def text(self, value: float) -> str:
        return format_duration(value) if self.seconds else f"{value:,.0f}"

    def __str__(self) -> str:
        return f"{self.text(self.low)} to {self.text(self.high)}"


def _numbers(low: int, high: int) -> Bound:
    return Bound(low=low, high=high, seconds=False)


_WORKERS = _numbers(0, WORKERS_MOST)
_LIFE = Bound(low=TTL_SHORTEST_S, high=LONGEST_S)
_WINDOW = Bound(low=_MINUTE_S, high=31 * _DAY_S)
_SUSTAINED = Bound(low=0, high=_DAY_S)

#: By key: the attribute of a pool, and its bound. null is allowed where the reader allows it.
BOUNDS: dict[str, tuple[str, Bound]] = {
    "min_workers": ("size.min_workers", _WORKERS),
    "max_workers": ("size.max_workers", _WORKERS),
    "max_live_workers": ("size.max_live_workers", _WORKERS),
    "new_workers_per_cycle": ("size.new_workers_per_cycle", _numbers(1, 10_000)),
    "scale_up_cooldown": ("scale_up.cooldown_s", Bound(low=0, high=7 * _DAY_S)),
    "scale_down_cooldown": ("scale_down.cooldown_s", Bound(low=0, high=7 * _DAY_S)),
    "idle_timeout": ("scale_down.idle_timeout_s", Bound(low=0, high=365 * _DAY_S)),
    "wait_cost": ("scale_up.wait_cost", _numbers(0, 1_000_000)),
    "queue_threshold": ("scale_up.queue_threshold", _numbers(0, 1_000_000)),
    "pending_pods": ("scale_up.pending_pods", _numbers(1, 1_000_000)),
    "pending_pods_for": ("scale_up.pending_pods_for_s", _SUSTAINED),
    "eviction_grace": ("lifetime.eviction_grace_s", Bound(low=0, high=_DAY_S)),
    "offer_backoff": ("scale_up.offer_backoff_s", Bound(low=1, high=_DAY_S)),
    "offer_backoff_max": ("scale_up.offer_backoff_max_s", Bound(low=1, high=7 * _DAY_S)),
    "scale_down_period": ("scale_down.period_s", Bound(low=0, high=30 * _DAY_S)),
    "ttl": ("lifetime.ttl_s", _LIFE),
    "ttl_max": ("lifetime.ttl_max_s", _LIFE),
    "ttl_soft": ("lifetime.ttl_soft_s", _LIFE),
    "ttl_warning": ("lifetime.ttl_warning_s", Bound(low=0, high=30 * _DAY_S)),
    "ttl_grace": ("lifetime.ttl_grace_s", Bound(low=0, high=30 * _DAY_S)),
    "extension": ("lifetime.extension_s", Bound(low=_MINUTE_S, high=365 * _DAY_S)),
    "extensions_max": ("lifetime.extensions_max", _numbers(0, 1_000)),
    "drain_grace": ("lifetime.drain_grace_s", Bound(low=0, high=30 * _DAY_S)),
    "boot_timeout": ("lifetime.boot_timeout_s", Bound(low=1, high=_DAY_S)),
    "dead_after": ("lifetime.dead_after_s", Bound(low=1, high=_DAY_S)),
    "quarantine_age": ("repair.quarantine_age_s", Bound(low=_MINUTE_S, high=7 * _DAY_S)),
    "clock_skew": ("repair.clock_skew_s", Bound(low=1, high=_HOUR_S)),
    "minimum_run_time": ("jobs.minimum_run_s", Bound(low=0, high=30 * _DAY_S)),
}
#: Of the rows and mappings inside a setting: (setting, key in it).
INNER: dict[tuple[str, str], Bound] = {
    ("schedules", "min_workers"): _WORKERS,
    ("schedules", "max_workers"): _WORKERS,
    ("schedules", "lead_time"): Bound(low=0, high=7 * _DAY_S),
    ("schedules", "duration"): Bound(low=_MINUTE_S, high=366 * _DAY_S),
    ("headroom", "workers"): _WORKERS,
    ("cpu_pressure", "for"): _SUSTAINED,
    ("memory_pressure", "for"): _SUSTAINED,
    ("metrics", "every"): Bound(low=1, high=_DAY_S),
    ("metrics", "keep"): Bound(low=1, high=7 * _DAY_S),
    ("maintenance_windows", "duration"): _WINDOW,
    ("disruption_budget", "workers"): _WORKERS,
    ("disruption_budget", "duration"): _WINDOW,
    ("repair", "after"): Bound(low=1, high=7 * _DAY_S),
    ("repair_breaker", "workers"): _numbers(0, 10_000),
    ("repair_breaker", "window"): Bound(low=1, high=7 * _DAY_S),
}


def faults_of(pool: PoolSpec) -> Iterator[Fault]:
    """Every value that is outside its bound, and every label and taint that Kubernetes would refuse."""
    for key, (attribute, bound) in BOUNDS.items():
        yield from _outside(key, attrgetter(attribute)(pool), bound)
    for setting, number, key, value in _inner(pool):
        where = setting if number is None else join(setting, number)
        yield from _outside(join(where, key), value, INNER[setting, key])
    yield from label_faults(pool)


def _outside(key: str, value: float | None, bound: Bound) -> Iterator[Fault]:
    if value is None or bound.low <= value <= bound.high:
        return
    name, shown = key.rpartition(".")[2], bound.text(value)
    if key == "ttl" and value < bound.low:
        message = f"ttl {shown} is below the minimum of {bound.text(bound.low)}, so workers would be created and removed without end."
        yield key, message, f"Write {bound.text(bound.low)} or more, usually hours, or remove ttl."
    elif value < bound.low:
        message = f"{name} {shown} is below the minimum of {bound.text(bound.low)}."
        yield key, message, f"Write a value from {bound}."
    else:
        message = f"{name} {shown} is above the maximum of {bound.text(bound.high)}."
        yield key, message, f"Write a value from {bound}."


def _inner(pool: PoolSpec) -> Iterator[tuple[str, int | None, str, Any]]:
    """(setting, place in its list, key, value)."""
    for at, each in enumerate(pool.size.schedules):
        yield "schedules", at, "min_workers", each.min_workers
        yield "schedules", at, "max_workers", each.max_workers
        yield "schedules", at, "lead_time", each.lead_time_s
        yield "schedules", at, "duration", each.duration_s
    yield "headroom", None, "workers", pool.scale_up.headroom.workers
    for name, pressure in (
        ("cpu_pressure", pool.scale_up.cpu_pressure),
        ("memory_pressure", pool.scale_up.memory_pressure),
    ):
        yield name, None, "for", None if pressure is None else pressure.for_s
    for at, metric in enumerate(pool.scale_up.metrics):
        yield "metrics", at, "every", metric.every_s
        yield "metrics", at, "keep", metric.keep_s
    yield from _upkeep(pool)
    for at, rule in enumerate(pool.repair.rules):
        yield "repair", at, "after", None if rule.condition in COUNTED else rule.after_s
    yield "repair_breaker", None, "workers", pool.repair.breaker.workers
    yield "repair_breaker", None, "window", pool.repair.breaker.window_s


def _upkeep(pool: PoolSpec) -> Iterator[tuple[str, int | None, str, Any]]:
    for at, window in enumerate(pool.upkeep.maintenance_windows):
        yield "maintenance_windows", at, "duration", window.duration_s
    budgets = pool.scale_down.disruption_budget
    if isinstance(budgets, int):
        yield "disruption_budget", None, "workers", budgets
        return
    for at, budget in enumerate(budgets):
        yield "disruption_budget", at, "workers", budget.workers
        yield (
            "disruption_budget",
            at,
            "duration",
            None if budget.window is None else budget.window.duration_s,
        )
