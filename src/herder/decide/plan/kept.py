"""The rules that keep workers of a pool beyond the queue's demand: requests of people, schedules, the minimum, the idle timeout.

Called by `report` for pools in which nothing is to do, so that a plan and `why pool` name the rule and not only the count. It decides
nothing: `scaling/scale_down` has applied these rules already.
"""

from herder.decide.scaling.scale_down.idle import cooldown_until
from herder.decide.scaling.signals.warm_workers import idle_timeout_s
from herder.decide.scaling.snapshot import PoolView
from herder.model.fleet.worker import WorkerState
from herder.model.planning.observed import ObservedWorker
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import agree, at_limit, counted, seconds_until
from herder.model.values.times import iso


def why_kept(view: PoolView, now_ms: int) -> tuple[Reason, ...]:
    """Nothing for a pool without workers, nor for one that is frozen, which says so itself."""
    if view.spec.frozen or not view.staying:
        return ()
    rules = (_by_hand(view), _minimum(view), _cordoned(view), _idle(view, now_ms), _maximum(view))
    return tuple(rule for rule in rules if rule is not None)


def _by_hand(view: PoolView) -> Reason | None:
    count = sum(worker.manual for worker in view.staying)
    if not count:
        return None
    stay = agree(
        count,
        "was requested by hand and stays until it expires or is removed",
        "were requested by hand and stay until they expire or are removed",
    )
    text = f"{counted(count, 'worker')} {stay}."
    return Reason(kind=ReasonKind.REQUESTED, text=text, evidence=(("manual", count),))


def _minimum(view: PoolView) -> Reason | None:
    least, window = view.spec.size.min_workers, view.window
    if least <= 0:
        return None
    evidence: tuple[tuple[str, int | float | str], ...] = (("min_workers", least),)
    if window is None:
        text = f"At least {counted(least, 'worker')} {agree(least, 'is', 'are')} kept (min_workers)."
        return Reason(kind=ReasonKind.BELOW_MINIMUM, text=text, evidence=evidence)
    schedule = window.schedule
    until = "the next start of a schedule" if window.end_ms is None else iso(window.end_ms)
    text = (
        f"At least {counted(least, 'worker')} {agree(least, 'is', 'are')} kept until {until} "
        f"(schedule {schedule.cron!r}, {schedule.timezone})."
    )
    return Reason(kind=ReasonKind.SCHEDULED, text=text, evidence=(*evidence, ("cron", schedule.cron)))


def _cordoned(view: PoolView) -> Reason | None:
    count = sum(worker.cordoned for worker in view.staying)
    if not count:
        return None
    stay = agree(
        count,
        "is cordoned and stays until it is uncordoned or removed",
        "are cordoned and stay until they are uncordoned or removed",
    )
    text = f"{counted(count, 'worker')} {stay}."
    return Reason(kind=ReasonKind.BY_HAND, text=text, evidence=(("cordoned", count),))


def _idle(view: PoolView, now_ms: int) -> Reason | None:
    """When the first idle worker that no other rule keeps is due. Above the minimum only."""
    due = [at for at in (_due_ms(view, worker) for worker in view.staying) if at is not None]
    ready = sum(not worker.state.in_flight for worker in view.staying)
    if not due or ready <= view.spec.size.min_workers or max(due) <= now_ms:
        return None
    first = min(at for at in due if at > now_ms)
    rule, until = "idle_timeout", cooldown_until(view)
    if until is not None and until > first:
        rule, first = "scale-down cooldown", until
    text = (
        f"{counted(len(due), 'idle worker')} {agree(len(due), 'is', 'are')} kept for at least another "
        f"{seconds_until(first, now_ms)} ({rule})."
    )
    return Reason(kind=ReasonKind.IDLE, text=text, evidence=(("idle", len(due)), ("until_ms", first)))


def _due_ms(view: PoolView, worker: ObservedWorker) -> int | None:
    if worker.state is not WorkerState.READY or worker.manual or worker.cordoned:
        return None
    timeout_s = idle_timeout_s(view.spec, view.history.boot_s, worker.spec.price_pico_per_hour)
    if worker.idle_since_ms is None or worker.live_attempts > 0 or timeout_s is None:
        return None
    return worker.idle_since_ms + int(timeout_s * 1000)


def _maximum(view: PoolView) -> Reason | None:
    total, most = len(view.workers), view.spec.size.max_workers
    if total < most:
        return None
    text = f"{at_limit(f'Pool {view.spec.name}', total, most)}."
    return Reason(kind=ReasonKind.AT_MAXIMUM, text=text, evidence=(("max_workers", most),))
