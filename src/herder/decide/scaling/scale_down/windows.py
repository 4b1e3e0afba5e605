"""Whether a maintenance window of a pool is open, and why a replacement waits when none is. Asked by `replacement` and by checks of plans."""

from herder.decide.scaling.snapshot import PoolView
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.upkeep import Opening
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import sentences
from herder.model.values.times import iso


def is_open(spec: PoolSpec, openings: tuple[Opening, ...], now_ms: int) -> bool:
    """A pool without windows may always be maintained."""
    windows = spec.upkeep.maintenance_windows
    return not windows or any(each.window in windows and each.open(now_ms) for each in openings)


def next_opening(spec: PoolSpec, openings: tuple[Opening, ...], now_ms: int) -> Opening | None:
    windows = spec.upkeep.maintenance_windows
    coming = (each for each in openings if each.window in windows and each.start_ms > now_ms)
    return min(coming, key=lambda each: each.start_ms, default=None)


def closed(view: PoolView, what: str, now_ms: int) -> Reason | None:
    """None when one is open. `what` waits: a sentence without its full stop."""
    if is_open(view.spec, view.openings, now_ms):
        return None
    coming = next_opening(view.spec, view.openings, now_ms)
    if coming is None:
        text = sentences(what, f"No maintenance window of pool {view.spec.name} opens within a year")
        flips = "another maintenance_windows"
        return Reason(kind=ReasonKind.MAINTENANCE_WINDOW, text=text, evidence=(("flips", flips),))
    text = sentences(
        what,
        f"The next maintenance window of pool {view.spec.name}, {coming.window}, opens at {iso(coming.start_ms)}",
    )
    return Reason(
        kind=ReasonKind.MAINTENANCE_WINDOW,
        text=text,
        evidence=(
            ("window", str(coming.window)),
            ("opens_at_ms", coming.start_ms),
            ("flips", f"at {iso(coming.start_ms)}"),
        ),
    )
