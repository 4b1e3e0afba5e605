"""Workers that are removed whatever the demand is: those past their ttl, and those above the pool's maximum.

Called by the planner before demand is packed, because what leaves is no capacity. An expired worker is removed at once when it is idle, and
drains after the pool's `ttl_grace` when attempts run on it; until then it takes no new work. A lowered maximum never takes a pool below its
minimum; a time to live does, and the minimum trigger then asks for a successor.
"""

from herder.decide.scaling.scale_down.budgets import draining, in_force
from herder.decide.scaling.scale_down.order import dearest_youngest
from herder.decide.scaling.snapshot import PoolView, age
from herder.model.fleet.upkeep import Disruption
from herder.model.fleet.worker import WorkerState
from herder.model.planning.observed import ObservedWorker
from herder.model.planning.plan import DrainWorker, Reason, ReasonKind
from herder.model.values.phrases import agree, at_limit, counted, seconds_until
from herder.model.values.times import iso


def must_leave(view: PoolView, now_ms: int) -> tuple[DrainWorker, ...]:
    """A frozen pool keeps even these, and its report says so."""
    if view.spec.frozen:
        return ()
    expired = _due(view, now_ms)
    remaining = [worker for worker in view.staying if worker not in expired] if expired else view.staying
    too_many = len(remaining) - max(view.spec.size.most_workers, view.spec.size.min_workers)
    surplus = sorted(remaining, key=_cheapest_loss)[:too_many] if too_many > 0 else []
    return (
        *(_drain(view, worker, _expiry_reason(worker, now_ms)) for worker in expired),
        *(_drain(view, worker, _surplus_reason(view)) for worker in sorted(surplus, key=age)),
    )


def in_grace(view: PoolView, now_ms: int) -> tuple[ObservedWorker, ...]:
    """Expired, and still there because attempts run on it: it takes no new work and is no capacity."""
    if view.spec.frozen:
        return ()
    due = _due(view, now_ms)
    return tuple(worker for worker in view.staying if _expired(worker, now_ms) and worker not in due)


def grace_notes(view: PoolView, now_ms: int) -> tuple[Reason, ...]:
    """For the report: how many there are, and until when."""
    staying = in_grace(view, now_ms)
    if not staying:
        return ()
    first = min(staying, key=lambda worker: (worker.expires_at_ms or 0, *age(worker)))
    drains_ms = (first.expires_at_ms or 0) + int(view.spec.lifetime.ttl_grace_s * 1000)
    past = agree(len(staying), "is past its ttl and takes", "are past their ttl and take")
    text = f"{counted(len(staying), 'worker')} of pool {view.spec.name} {past} no new work."
    if drains_ms > now_ms:
        unless = ", unless it is extended" if first.extendable else ""
        text = f"{text} {first.name} drains in {seconds_until(drains_ms, now_ms)} (ttl_grace){unless}."
        evidence: tuple[tuple[str, int | float | str], ...] = (("flips", f"at {iso(drains_ms)}"),)
        return (_note(text, len(staying), evidence),)
    budget = in_force(view, Disruption.EXPIRED, now_ms)
    most = 0 if budget is None else budget.most
    text = (
        f"{text} {first.name} waits for the disruption budget of {most} ({budget}); {draining(view)} "
        f"{agree(draining(view), 'is', 'are')} being drained."
    )
    return (_note(text, len(staying), (("disruption_budget", most), ("flips", "the end of a drain"))),)


def expired_count(view: PoolView, now_ms: int) -> int:
    return sum(_expired(worker, now_ms) for worker in view.staying)


def _note(text: str, workers: int, evidence: tuple[tuple[str, int | float | str], ...]) -> Reason:
    return Reason(kind=ReasonKind.EXPIRED, text=text, evidence=(("workers", workers), *evidence))


def _due(view: PoolView, now_ms: int) -> list[ObservedWorker]:
    """Whose removal begins now: idle ones, and others when their grace is over, as far as a budget for `expired` allows."""
    grace_ms = int(view.spec.lifetime.ttl_grace_s * 1000)
    expired = [worker for worker in view.staying if _expired(worker, now_ms)]
    busy = [
        worker
        for worker in expired
        if worker.live_attempts and now_ms >= (worker.expires_at_ms or 0) + grace_ms
    ]
    budget = in_force(view, Disruption.EXPIRED, now_ms) if busy else None
    if budget is not None:
        busy.sort(key=lambda worker: (worker.expires_at_ms or 0, *age(worker)))
        busy = busy[: max(0, budget.most - draining(view))]
    return [worker for worker in expired if not worker.live_attempts or worker in busy]


def _expired(worker: ObservedWorker, now_ms: int) -> bool:
    return worker.expires_at_ms is not None and now_ms >= worker.expires_at_ms


def _cheapest_loss(worker: ObservedWorker) -> tuple[object, ...]:
    """What is lost least goes first: broken, in flight, idle, little to do; of equals the dearest, then the youngest."""
    health = 0 if worker.state is WorkerState.UNHEALTHY else 1
    return (
        worker.manual,
        health,
        worker.live_attempts,
        not worker.state.in_flight,
        *dearest_youngest(worker),
    )


def _drain(view: PoolView, worker: ObservedWorker, reason: Reason) -> DrainWorker:
    return DrainWorker(worker=worker.name, pool=view.spec.name, reason=reason)


def _expiry_reason(worker: ObservedWorker, now_ms: int) -> Reason:
    at = worker.expires_at_ms or 0
    ago_s = (now_ms - at) // 1000
    text = f"{worker.name} reached the end of its ttl{f' {ago_s:,} s ago' if ago_s > 0 else ''}."
    return Reason(kind=ReasonKind.EXPIRED, text=text, evidence=(("expires_at_ms", at),))


def _surplus_reason(view: PoolView) -> Reason:
    workers, most = len(view.staying), view.spec.size.most_workers
    text = f"{at_limit(f'Pool {view.spec.name}', workers, most)}, not counting those being drained."
    if most <= 0:
        text = (
            f"Pool {view.spec.name} may have no workers, and {workers} {agree(workers, 'exists', 'exist')}."
        )
    return Reason(
        kind=ReasonKind.ABOVE_MAXIMUM, text=text, evidence=(("workers", workers), ("max_workers", most))
    )
