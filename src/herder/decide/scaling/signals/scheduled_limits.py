"""The minimum and maximum that apply now: the pool's own, or those of open schedule windows.

Called by `snapshot` for each pool; the windows come from the pool's cron lines (`settings`). It must never read a clock.
"""

from herder.model.fleet.schedule import Window


def limits_in_force(
    min_workers: int, max_workers: int, windows: tuple[Window, ...], now_ms: int
) -> tuple[int, int, Window | None]:
    """(minimum, maximum, the window that says so). Of several active windows the highest minimum and the highest maximum
    hold; a window without a maximum leaves the pool's. The maximum never falls below a minimum that a window asks for."""
    active = [window for window in windows if window.active(now_ms)]
    least, most, decisive = min_workers, max_workers, None
    if active:
        decisive = max(active, key=lambda window: (window.schedule.min_workers, window.start_ms))
        least = decisive.schedule.min_workers
        maxima = [window.schedule.max_workers for window in active]
        most = max(max_workers if given is None else given for given in maxima)
    for window in windows:
        if window.leading(now_ms) and window.schedule.min_workers > least:
            least, decisive = window.schedule.min_workers, window
    return least, max(most, least) if decisive else most, decisive
