"""The minimum trigger: a pool below its minimum requests the missing workers. A schedule may set the minimum.

Called by the planner. Workers in flight count, workers that leave do not, and those made for the queue count too.
"""

from herder.decide.scaling.proposals import WorkerRequest
from herder.decide.scaling.snapshot import PoolView
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.times import iso


def ask(view: PoolView, leaving: int, for_queue: int) -> WorkerRequest | None:
    """`leaving`: how many more workers this plan drains; `for_queue`: how many it makes for queued jobs."""
    remain = sum(not worker.quarantined for worker in view.staying) - leaving
    missing = view.spec.size.min_workers - remain - for_queue
    if missing <= 0 or not view.spec.templates:
        return None
    return WorkerRequest(pool=view.spec.name, count=missing, reason=_reason(view, remain), minimum=True)


def _reason(view: PoolView, remain: int) -> Reason:
    name, least, window = view.spec.name, view.spec.size.min_workers, view.window
    have = f"{remain} of {least} workers exist or are starting"
    text = f"Pool {name} is below its minimum: {have}."
    evidence: tuple[tuple[str, int | float | str], ...] = (("workers", remain), ("min_workers", least))
    if window is None:
        flips = f"min_workers below {least}"
        return Reason(kind=ReasonKind.BELOW_MINIMUM, text=text, evidence=(*evidence, ("flips", flips)))
    schedule = window.schedule
    said = (
        f"Pool {name} is below its scheduled minimum: {have} (schedule {schedule.cron!r}, {schedule.timezone}, "
        f"from {iso(window.start_ms)})."
    )
    ends = "the next start of a schedule" if window.end_ms is None else iso(window.end_ms)
    return Reason(
        kind=ReasonKind.SCHEDULED,
        text=said,
        evidence=(*evidence, ("cron", schedule.cron), ("start_ms", window.start_ms), ("flips", f"at {ends}")),
    )
