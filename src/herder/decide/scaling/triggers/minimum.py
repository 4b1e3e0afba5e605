"""The minimum trigger: a pool below its minimum requests the missing workers. A schedule may set the minimum.

Called by the planner. Workers in flight count, workers that leave do not, and those made for the queue count too. Nor do workers count whose
ttl ends before a worker that is created now would be ready (`signals/endings.py`), so that a hard expiry takes no pool below its minimum.
"""

from collections.abc import Set

from herder.decide.scaling.proposals import WorkerRequest
from herder.decide.scaling.signals.endings import ending, lead_ms
from herder.decide.scaling.snapshot import PoolView
from herder.model.ids import WorkerName
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import agree, counted
from herder.model.values.times import iso, span


def ask(view: PoolView, leaving: Set[WorkerName], for_queue: int, now_ms: int) -> WorkerRequest | None:
    """`leaving`: workers that this plan drains, or that take no more work; `for_queue`: how many it makes for queued jobs."""
    remaining = [each for each in view.staying if not each.quarantined and each.name not in leaving]
    remain, ends = len(remaining), ending(view, now_ms) - leaving
    missing = view.spec.size.min_workers - (remain - len(ends)) - for_queue
    if missing <= 0 or not view.spec.templates:
        return None
    soon = len(ends) if remain + for_queue >= view.spec.size.min_workers else 0
    return WorkerRequest(pool=view.spec.name, count=missing, reason=_reason(view, remain, soon), minimum=True)


def _reason(view: PoolView, remain: int, soon: int) -> Reason:
    """`soon`: how many of them end before a new worker is ready."""
    name, least, window = view.spec.name, view.spec.size.min_workers, view.window
    evidence: tuple[tuple[str, int | float | str], ...] = (("workers", remain), ("min_workers", least))
    text = f"{remain} of {least} workers exist or are starting"
    if soon:
        text = _ending_text(view, remain, soon)
        evidence = (*evidence, ("ending", soon), ("boot_s", round(view.history.boot_s or 0.0, 1)))
    below = "will be below" if soon else "is below"
    if window is None:
        said, kind, flips = (
            f"Pool {name} {below} its minimum: {text}.",
            ReasonKind.BELOW_MINIMUM,
            f"min_workers below {least}",
        )
        return Reason(kind=kind, text=said, evidence=(*evidence, ("flips", flips)))
    schedule = window.schedule
    said = (
        f"Pool {name} {below} its scheduled minimum: {text} (schedule {schedule.cron!r}, {schedule.timezone}, "
        f"from {iso(window.start_ms)})."
    )
    ends = "the next start of a schedule" if window.end_ms is None else iso(window.end_ms)
    return Reason(
        kind=ReasonKind.SCHEDULED,
        text=said,
        evidence=(*evidence, ("cron", schedule.cron), ("start_ms", window.start_ms), ("flips", f"at {ends}")),
    )


def _ending_text(view: PoolView, remain: int, soon: int) -> str:
    boot_s = view.history.boot_s or 0.0
    ends = f"{soon} of {counted(remain, 'worker')} {agree(soon, 'reaches', 'reach')} the end of {agree(soon, 'its', 'their')} ttl"
    return f"{ends} within {span(lead_ms(boot_s))}, and a boot takes about {span(int(boot_s * 1000))}"
