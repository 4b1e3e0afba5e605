"""Workers that are removed whatever the demand is: those past their ttl, and those above the pool's maximum.

Called by the planner before demand is packed, because what leaves is no capacity. A lowered maximum never takes a pool below its
minimum; a time to live does, and the minimum trigger then asks for a successor.
"""

from herder.decide.scaling.scale_down.order import dearest_youngest
from herder.decide.scaling.snapshot import PoolView, age
from herder.model.fleet.worker import WorkerState
from herder.model.planning.observed import ObservedWorker
from herder.model.planning.plan import DrainWorker, Reason, ReasonKind
from herder.model.values.phrases import agree, at_limit


def must_leave(view: PoolView, now_ms: int) -> tuple[DrainWorker, ...]:
    """A frozen pool keeps even these, and its report says so."""
    if view.spec.frozen:
        return ()
    expired = [worker for worker in view.staying if _expired(worker, now_ms)]
    remaining = [worker for worker in view.staying if worker not in expired] if expired else view.staying
    too_many = len(remaining) - max(view.spec.size.most_workers, view.spec.size.min_workers)
    surplus = sorted(remaining, key=_cheapest_loss)[:too_many] if too_many > 0 else []
    return (
        *(_drain(view, worker, _expiry_reason(worker, now_ms)) for worker in expired),
        *(_drain(view, worker, _surplus_reason(view)) for worker in sorted(surplus, key=age)),
    )


def expired_count(view: PoolView, now_ms: int) -> int:
    return sum(_expired(worker, now_ms) for worker in view.staying)


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
    text = f"{worker.name} reached the end of its ttl {(now_ms - at) // 1000:,} s ago."
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
