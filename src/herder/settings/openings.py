"""The openings of maintenance windows and of the windows of disruption budgets that matter now. Called for each observation.

Calendars are a library's job (`settings/syntax/cron`); the planner sees only times. Of each window two openings matter at most: the one
that is open and the next one.
"""

from collections.abc import Iterable, Iterator

from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.upkeep import Opening, TimeWindow, windows_named
from herder.model.ids import PoolName
from herder.settings.syntax.cron import around

_MINUTE_MS = 60_000


def openings_shown(
    pools: Iterable[PoolSpec], now_ms: int
) -> tuple[tuple[PoolName, tuple[Opening, ...]], ...]:
    """Of the pools that have windows."""
    found = ((pool.name, openings(pool, now_ms)) for pool in pools)
    return tuple(sorted((name, mine) for name, mine in found if mine))


def openings(pool: PoolSpec, now_ms: int) -> tuple[Opening, ...]:
    named = windows_named(pool.scale_down.disruption_budget, pool.upkeep.maintenance_windows)
    return tuple(opening for window in named for opening in _of(window, now_ms))


def _of(window: TimeWindow, now_ms: int) -> Iterator[Opening]:
    for start_ms in around(window.cron, window.timezone, now_ms // _MINUTE_MS):
        if start_ms is not None and start_ms + int(window.duration_s * 1000) > now_ms:
            yield Opening(window=window, start_ms=start_ms, end_ms=start_ms + int(window.duration_s * 1000))
