"""Warnings about times to live, maintenance windows and disruption budgets. Used by `lint`; pure.

A window without a duration or that never comes is refused by the reader already.
"""

from collections.abc import Iterator

from herder.model.fleet.pool import Consolidation, PoolSpec
from herder.model.fleet.upkeep import Disruption, DisruptionBudget, TimeWindow, budgets_of
from herder.settings.syntax.cron import around
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.problems import Severity

Finding = tuple[Severity, str, str, str]
"""(severity, setting, message, remedy)."""

#: Starts of a window that are looked at; from Monday, 1 January 2024.
_STARTS, _FROM_MINUTE = 12, 28_401_120


def upkeep_findings(pool: PoolSpec) -> Iterator[Finding]:
    yield from _ttl(pool)
    yield from _windows(pool)
    yield from _budgets(pool)


def _ttl(pool: PoolSpec) -> Iterator[Finding]:
    ttl, soft, warning = pool.lifetime.ttl_s, pool.lifetime.ttl_soft_s, pool.lifetime.ttl_warning_s
    if ttl is not None and warning >= ttl:
        yield (
            Severity.WARNING,
            "ttl_warning",
            f"ttl {format_duration(ttl)} is not longer than ttl_warning {format_duration(warning)}, so each worker is announced "
            "as expiring when it is ready.",
            "Make ttl_warning shorter than ttl; 0s turns it off.",
        )
    if ttl is not None and soft is not None and soft >= ttl:
        yield (
            Severity.WARNING,
            "ttl_soft",
            f"ttl_soft {format_duration(soft)} never takes effect, because workers end after {format_duration(ttl)} (ttl).",
            "Make ttl_soft shorter than ttl.",
        )
    if soft is not None and soft < pool.lifetime.boot_timeout_s:
        yield (
            Severity.WARNING,
            "ttl_soft",
            f"ttl_soft {format_duration(soft)} is shorter than a boot may take (boot_timeout "
            f"{format_duration(pool.lifetime.boot_timeout_s)}), so workers can be replaced without end.",
            "Make ttl_soft longer than boot_timeout, usually days.",
        )


def _windows(pool: PoolSpec) -> Iterator[Finding]:
    windows = pool.upkeep.maintenance_windows
    if windows and not pool.upkeep.replace_drifted and pool.lifetime.ttl_soft_s is None:
        yield (
            Severity.WARNING,
            "maintenance_windows",
            "maintenance_windows have no effect, because replace_drifted is false and there is no ttl_soft.",
            "Set ttl_soft or replace_drifted: true, or remove maintenance_windows.",
        )
    for window in windows:
        if _never_closes(window):
            yield (
                Severity.WARNING,
                "maintenance_windows",
                f"Window {window} never closes: it starts again before its duration of {format_duration(window.duration_s)} is over.",
                "Set a shorter duration, or remove maintenance_windows to allow replacements at any time.",
            )


def _never_closes(window: TimeWindow) -> bool:
    start_ms = around(window.cron, window.timezone, _FROM_MINUTE)[1]
    for _ in range(_STARTS):
        following = None if start_ms is None else around(window.cron, window.timezone, start_ms // 60_000)[1]
        if start_ms is None or following is None or following - start_ms > window.duration_s * 1000:
            return False
        start_ms = following
    return True


def _budgets(pool: PoolSpec) -> Iterator[Finding]:
    """A budget of 0 that holds for ever."""
    closed = [each for each in budgets_of(pool.scale_down.disruption_budget) if _always_zero(each)]
    for cause, effect, remedy in _ACTS:
        if _acts(pool, cause) and any(each.covers(cause) for each in closed):
            yield (Severity.WARNING, "disruption_budget", f"disruption_budget 0 means that {effect}.", remedy)


def _always_zero(budget: DisruptionBudget) -> bool:
    return budget.window is None and budget.most(1) == 0


def _acts(pool: PoolSpec, cause: Disruption) -> bool:
    return {
        Disruption.CONSOLIDATION: pool.scale_down.consolidation is not Consolidation.OFF,
        Disruption.DRIFTED: pool.upkeep.replace_drifted,
        Disruption.SOFT_TTL: pool.lifetime.ttl_soft_s is not None,
        Disruption.EXPIRED: pool.lifetime.ttl_s is not None,
    }[cause]


_ACTS = (
    (Disruption.CONSOLIDATION, "no worker is ever consolidated", "Set 1 or more."),
    (
        Disruption.DRIFTED,
        "no worker is ever replaced that differs from the pool's settings",
        "Set 1 or more, or replace_drifted: false.",
    ),
    (
        Disruption.SOFT_TTL,
        "no worker is ever replaced because of ttl_soft",
        "Set 1 or more, or remove ttl_soft.",
    ),
    (
        Disruption.EXPIRED,
        "busy workers are never removed at the end of their ttl",
        "Set 1 or more, or remove `expired` from the reasons.",
    ),
)
