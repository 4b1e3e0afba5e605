"""What a ScaledObject cannot say of a pool, one finding for each setting. Pure; called by `scaled_objects`."""

from collections.abc import Iterator, Sequence

from herder.memberships.none import MEMBERSHIP as NONE
from herder.model.fleet.metric import Metric
from herder.model.fleet.pool import PoolSpec
from herder.settings.imports.result import Finding, Kind
from herder.settings.keda.crons import windows
from herder.settings.sections.pool.pools import pool_from_plain, pool_to_plain
from herder.settings.syntax.durations import format_duration

#: Of HPA: the longest stabilization window, and the longest period of a policy.
WINDOW_MAX_S, PERIOD_MAX_S = 3600, 1800
_KEPT = frozenset(
    {
        "name", "membership", "description", "frozen", "min_workers", "max_workers", "idle_timeout", "metrics", "schedules",
        "scale_down_fraction", "scale_down_period",
    }
)  # fmt: skip
_OF_MACHINES = "A Deployment has its own image, size and nodes."
_REASONS = {
    **dict.fromkeys(
        ("driver", "driver_options", "labels", "taints", "bootstrap", "containers", "cpu_limit"), _OF_MACHINES
    ),
    "new_workers_per_cycle": "An HPA adds at most 4 replicas, or doubles them, in 15 s.",
    "scale_up_cooldown": "KEDA has no such time for scale-up.",
    "scale_down_cooldown": "KEDA has one time for scale-down, which is idle_timeout.",
    "headroom": "KEDA keeps no spare replicas; raise min_workers, or lower per_worker.",
    "ttl": "A replica has no time to live.",
}
_NO_SETTING = "KEDA has no such setting."


def left_out(pool: PoolSpec) -> Iterator[Finding]:
    """Also what Herder goes on doing for the pool."""
    at = f"pools.{pool.name}"
    if not pool.frozen:
        text = f"Herder creates workers for this pool, too. Set frozen: true if only KEDA is to scale {pool.name}."
        yield Finding(kind=Kind.TO_DO, path=f"{at}.frozen", text=text)
    for key in _changed(pool):
        yield _not_taken(f"{at}.{key}", _REASONS.get(key, _NO_SETTING))
    yield from _of_metrics(f"{at}.metrics", pool.scale_up.metrics)
    yield from _of_schedules(f"{at}.schedules", pool)
    idle_s = pool.scale_down.idle_timeout_s
    if idle_s is not None and idle_s > WINDOW_MAX_S:
        text = f"An HPA keeps a replica for at most 1 h; only the last one is kept for {format_duration(idle_s)}."
        yield _not_taken(f"{at}.idle_timeout", text)
    fraction = pool.scale_down.fraction
    if fraction is not None and abs(fraction * 100 - max(1, round(fraction * 100))) > 1e-9:
        yield _not_taken(
            f"{at}.scale_down_fraction", "An HPA has whole percentages; the nearest was written."
        )
    if fraction is not None and pool.scale_down.period_s > PERIOD_MAX_S:
        yield _not_taken(
            f"{at}.scale_down_period", "The longest period of an HPA is 30 min, which was written."
        )


def _of_metrics(at: str, metrics: Sequence[Metric]) -> Iterator[Finding]:
    usual = Metric(name="", query="", per_worker=1.0)
    if len({each.every_s for each in metrics}) > 1:
        yield _not_taken(
            f"{at}.every",
            "KEDA asks for all metrics of a ScaledObject at one pace; the shortest was written.",
        )
    for each in metrics:
        if each.tolerance != usual.tolerance:
            yield _not_taken(
                f"{at}.{each.name}.tolerance",
                "The tolerance of an HPA is that of its cluster, 10 % by default.",
            )
        if each.keep_s != max(usual.keep_s, each.every_s):
            yield _not_taken(
                f"{at}.{each.name}.keep", "While a query fails, KEDA leaves the replicas as they are."
            )


def _of_schedules(at: str, pool: PoolSpec) -> Iterator[Finding]:
    for schedule, window in zip(pool.size.schedules, windows(pool.size.schedules), strict=True):
        path = f"{at}.{schedule.cron}"
        if schedule.min_workers <= pool.size.min_workers:
            yield _not_taken(
                path, f"KEDA cannot lower minReplicaCount {pool.size.min_workers} at certain times."
            )
        elif window is None:
            text = "KEDA needs a window with one start a day and an end before the next start, on the same days. Write one time of day and a duration."
            yield _not_taken(path, text)
        if schedule.max_workers is not None:
            yield _not_taken(f"{path}.max_workers", "KEDA has one maxReplicaCount for all times.")


def _changed(pool: PoolSpec) -> list[str]:
    """Settings that differ from the defaults, also by a preset, and have no place in a ScaledObject."""
    usual = pool_to_plain(
        pool_from_plain({"name": pool.name, "membership": NONE.name, "templates": ["small"]})
    )
    plain = pool_to_plain(pool)
    return [
        key for key, value in plain.items() if key not in {*_KEPT, "templates"} and value != usual.get(key)
    ]


def _not_taken(path: str, text: str) -> Finding:
    return Finding(kind=Kind.NOT_TAKEN, path=path, text=text)
