"""Warnings about times to live, maintenance windows and disruption budgets. Used by `lint`; pure.

A window without a duration or that never comes is refused by the reader already.
"""

from collections.abc import Iterator, Sequence

from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.lifetime import TTL_SHORTEST_S
from herder.model.fleet.pool import Consolidation, PoolSpec
from herder.model.fleet.upkeep import Disruption, DisruptionBudget, TimeWindow, budgets_of
from herder.model.values.phrases import counted
from herder.settings.syntax.cron import around
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.problems import Severity

Finding = tuple[Severity, str, str, str]
"""(severity, setting, message, remedy)."""

#: Starts of a window that are looked at; from Monday, 1 January 2024.
_STARTS, _FROM_MINUTE = 12, 28_401_120
#: How far budgets and windows are compared, and how many starts of one window: beyond that nothing is found.
_LOOKED_AT_MS, _STARTS_MOST = 35 * 86_400_000, 200


def upkeep_findings(pool: PoolSpec) -> Iterator[Finding]:
    yield from _lives(pool)
    yield from _ttl(pool)
    yield from _ttl_and_minimum(pool)
    yield from _windows(pool)
    yield from _budgets(pool)


def _lives(pool: PoolSpec) -> Iterator[Finding]:
    ttl, idle, longest = pool.lifetime.ttl_s, pool.scale_down.idle_timeout_s, pool.lifetime.ttl_max_s
    if ttl is not None and idle is not None and idle > ttl:
        yield (
            Severity.WARNING,
            "idle_timeout",
            f"idle_timeout {format_duration(idle)} never takes effect, because workers end after {format_duration(ttl)} (ttl).",
            "Make idle_timeout shorter than ttl.",
        )
    if (
        ttl is not None
        and longest is not None
        and ttl + pool.lifetime.extension_s * pool.lifetime.extensions_max > longest
    ):
        yield (
            Severity.WARNING,
            "extensions_max",
            f"{pool.lifetime.extensions_max} extensions of {format_duration(pool.lifetime.extension_s)} would pass ttl_max "
            f"({format_duration(longest)}).",
            "Allow fewer or shorter extensions, or raise ttl_max.",
        )
    if ttl is None and longest is not None:
        yield (
            Severity.NOTE,
            "ttl_max",
            "ttl_max without ttl only applies to workers that are requested with a time to live.",
            "Set ttl.",
        )
    if pool.lifetime.drain_grace_s > 24 * 3600:
        yield (Severity.WARNING, "drain_grace", "drain_grace is longer than a day.", "Write for example 5m.")
    if pool.lifetime.on_blocked is OnBlocked.WAIT and ttl is not None:
        yield (
            Severity.NOTE,
            "on_blocked",
            f"With on_blocked: wait, a running job keeps its worker past the ttl of {format_duration(ttl)}.",
            "Give jobs a timeout, or write on_blocked: force.",
        )


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


def _ttl_and_minimum(pool: PoolSpec) -> Iterator[Finding]:
    """The workers of a minimum end again and again, so their lives must be longer than what comes before and after them."""
    ttl, life = pool.lifetime.ttl_s, pool.lifetime
    least = max((pool.size.min_workers, *(each.min_workers for each in pool.size.schedules)))
    if ttl is None or not least or ttl < TTL_SHORTEST_S:
        return
    about = life.ttl_warning_s + life.ttl_grace_s
    if ttl < life.boot_timeout_s:
        yield (
            Severity.WARNING,
            "ttl",
            f"ttl {format_duration(ttl)} is shorter than a boot may take (boot_timeout {format_duration(life.boot_timeout_s)}), so the "
            f"{counted(least, 'worker')} of min_workers can be replaced without end.",
            "Make ttl longer than boot_timeout, usually hours, or remove it.",
        )
    elif life.ttl_warning_s < ttl < about:
        yield (
            Severity.WARNING,
            "ttl",
            f"ttl {format_duration(ttl)} is shorter than ttl_warning and ttl_grace together ({format_duration(about)}), so a worker of "
            "min_workers is about to expire during its whole life.",
            "Make ttl longer, or shorten ttl_warning and ttl_grace.",
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
        if window.duration_s < pool.lifetime.boot_timeout_s:
            yield (
                Severity.WARNING,
                "maintenance_windows",
                f"Window {window} is open for {format_duration(window.duration_s)}, less than a boot may take (boot_timeout "
                f"{format_duration(pool.lifetime.boot_timeout_s)}), so it can close before a successor is ready.",
                "Set a longer duration.",
            )
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
    """Budgets of 0 that hold for ever, one alone or several together, or whenever a maintenance window is open."""
    closed = [each for each in budgets_of(pool.scale_down.disruption_budget) if each.most(1) == 0]
    for cause, effect, remedy in _ACTS:
        mine = [each for each in closed if each.covers(cause)]
        if not mine or not _acts(pool, cause):
            continue
        windows = pool.upkeep.maintenance_windows if cause in _MAINTAINED else ()
        if not _open_at_times(mine, ()):
            yield (Severity.WARNING, "disruption_budget", f"disruption_budget 0 means that {effect}.", remedy)
        elif windows and not _open_at_times(mine, windows):
            text = f"disruption_budget is 0 whenever a maintenance window is open, so {effect}."
            yield (
                Severity.WARNING,
                "disruption_budget",
                text,
                "Change the times of the budget or of the windows.",
            )


def _open_at_times(zero: list[DisruptionBudget], windows: tuple[TimeWindow, ...]) -> bool:
    """Whether there is a time without a budget of 0, in a window where there are `windows`. True where too much would have to be
    looked at."""
    if any(each.window is None or _never_closes(each.window) for each in zero):
        return False
    end_ms = _FROM_MINUTE * 60_000 + _LOOKED_AT_MS
    shut = _stretches([each.window for each in zero if each.window is not None], end_ms)
    if windows and not any(_never_closes(each) for each in windows):
        wanted = _stretches(windows, end_ms)
    else:
        wanted = [(_FROM_MINUTE * 60_000, end_ms)]
    if shut is None or not wanted:
        return True
    return any(_uncovered(stretch, shut) for stretch in wanted)


def _stretches(windows: Sequence[TimeWindow], end_ms: int) -> list[tuple[int, int]] | None:
    """When they are open from the first moment to `end_ms`, sorted. None: too often."""
    found: list[tuple[int, int]] = []
    first_ms = _FROM_MINUTE * 60_000
    for window in windows:
        before, start_ms = around(window.cron, window.timezone, _FROM_MINUTE)
        length_ms, many = int(window.duration_s * 1000), len(found) + _STARTS_MOST
        found += [] if before is None else [(before, before + length_ms)]
        while start_ms is not None and start_ms < end_ms:
            if len(found) > many:
                return None
            found.append((start_ms, start_ms + length_ms))
            start_ms = around(window.cron, window.timezone, start_ms // 60_000)[1]
    return sorted((max(start, first_ms), end) for start, end in found if end > first_ms)


def _uncovered(stretch: tuple[int, int], shut: list[tuple[int, int]]) -> bool:
    at_ms, end_ms = stretch
    for start_ms, until_ms in shut:
        if start_ms > at_ms:
            break
        at_ms = max(at_ms, until_ms)
    return at_ms < end_ms


def _acts(pool: PoolSpec, cause: Disruption) -> bool:
    return {
        Disruption.CONSOLIDATION: pool.scale_down.consolidation is not Consolidation.OFF,
        Disruption.DRIFTED: pool.upkeep.replace_drifted,
        Disruption.SOFT_TTL: pool.lifetime.ttl_soft_s is not None,
        Disruption.EXPIRED: pool.lifetime.ttl_s is not None,
    }[cause]


_MAINTAINED = (Disruption.DRIFTED, Disruption.SOFT_TTL)
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
