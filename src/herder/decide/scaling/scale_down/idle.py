"""Which workers are removed because they are idle or under-used, and why other idle workers are kept.

Called by the planner after demand is packed: what the queue would use stays. Workers that drain already are not looked at.
Idleness never takes a pool below its minimum.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from herder.decide.scaling.scale_down import gradual
from herder.decide.scaling.scale_down.order import dearest_youngest
from herder.decide.scaling.signals.endings import ending
from herder.decide.scaling.signals.utilisation import load_of
from herder.decide.scaling.signals.warm_workers import Stock, idle_timeout_s
from herder.decide.scaling.snapshot import PoolView, age
from herder.decide.scaling.triggers import warm_workers as stock_words
from herder.model.fleet.worker import WorkerState
from herder.model.ids import WorkerName
from herder.model.planning.observed import ObservedWorker
from herder.model.planning.plan import DrainWorker, Reason, ReasonKind
from herder.model.values.phrases import agree, counted, seconds_until
from herder.model.values.resources import ZERO, Resources
from herder.model.values.times import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleResult:
    """`held_back`: why idle workers stay although their time is over."""

    drains: tuple[DrainWorker, ...] = ()
    held_back: tuple[Reason, ...] = ()


def idle(
    view: PoolView,
    leaving: Set[WorkerName],
    used: Set[WorkerName],
    now_ms: int,
    taken: Resources = ZERO,
    stocks: Mapping[str, Stock] | None = None,
) -> IdleResult:
    """`used`: workers that queued demand of now would use; `taken`: how much of the pool it takes; `stocks`: by template, the
    idle workers that are worth their price."""
    if view.spec.frozen:
        return IdleResult()
    overdue = [
        worker for worker in view.staying if _overdue(view, worker, now_ms) and worker.name not in leaving
    ]
    free_to_go = [worker for worker in overdue if worker.name not in used]
    busy = gradual.under_used(view, leaving, used, now_ms)
    candidates = [*free_to_go, *(worker for worker in busy if worker not in free_to_go)]
    candidates, in_stock = _beyond_stock(view, leaving, used, candidates, stocks or {})
    if not candidates:
        return IdleResult(held_back=in_stock)
    until = cooldown_until(view)
    if until is not None and now_ms < until:
        count, word = len(free_to_go) or len(candidates), "idle" if free_to_go else "under-used"
        text = (
            f"Pool {view.spec.name} is in its scale-down cooldown for another {seconds_until(until, now_ms)}; until then "
            f"{counted(count, f'{word} worker')} {agree(count, 'is', 'are')} kept."
        )
        evidence = ((word, count), ("until_ms", until), ("flips", f"at {iso(until)}"))
        return IdleResult(held_back=(Reason(kind=ReasonKind.COOLDOWN, text=text, evidence=evidence),))
    # Workers in flight do not count here: one that works is not given up for one that may fail to boot.
    there = sum(worker.works and worker.name not in leaving for worker in view.staying)
    spare = max(0, there - view.spec.size.min_workers)
    order = gradual.soonest_empty(view, now_ms) if gradual.is_gradual(view) else dearest_youngest
    load = load_of(view, leaving, used, taken, in_flight=False)
    candidates = _beyond_endings(view, leaving, sorted(candidates, key=order), now_ms)
    chosen = gradual.choose(view, candidates, used, load, spare, leaving, now_ms)
    late = {worker.name for worker in free_to_go}
    return IdleResult(
        drains=tuple(
            _drain(
                view,
                worker,
                _idle_reason(view, worker, now_ms)
                if worker.name in late
                else gradual.reason(view, worker, load, now_ms),
            )
            for worker in sorted(chosen.going, key=age)
        ),
        held_back=(*in_stock, *chosen.held_back),
    )


def _beyond_endings(
    view: PoolView, leaving: Set[WorkerName], candidates: list[ObservedWorker], now_ms: int
) -> list[ObservedWorker]:
    """Without those that the minimum needs when the ttl of others ends; none before the successors are ready."""
    ends = ending(view, now_ms) - leaving
    if not ends:
        return candidates
    lasting = sum(
        worker.works and worker.name not in leaving and worker.name not in ends for worker in view.staying
    )
    spare = lasting - view.spec.size.min_workers
    if spare < 0:
        return []
    staying = [worker for worker in candidates if worker.name not in ends][:spare]
    return [worker for worker in candidates if worker.name in ends or worker in staying]


def _beyond_stock(
    view: PoolView,
    leaving: Set[WorkerName],
    used: Set[WorkerName],
    candidates: list[ObservedWorker],
    stocks: Mapping[str, Stock],
) -> tuple[list[ObservedWorker], tuple[Reason, ...]]:
    """The candidates that may go, dearest and youngest first, without those that are worth their price idle; and why they stay."""
    held: set[WorkerName] = set()
    reasons = []
    empties = stock_words.empties_of(view, leaving, used) if stocks else {}
    for template, stock in stocks.items():
        idle_now = [worker for worker in empties.get(template, ()) if worker.state is WorkerState.READY]
        names = {worker.name for worker in idle_now}
        mine = sorted((each for each in candidates if each.name in names), key=dearest_youngest)
        staying = mine[max(0, len(idle_now) - stock.count) :]
        if staying:
            held |= {worker.name for worker in staying}
            reasons.append(stock_words.kept(view, template, stock, len(idle_now)))
    return [worker for worker in candidates if worker.name not in held], tuple(reasons)


def _overdue(view: PoolView, worker: ObservedWorker, now_ms: int) -> bool:
    """Idle for the pool's timeout. Standing workers stay until they expire, cordoned ones until a person decides."""
    if worker.state is not WorkerState.READY or worker.manual or worker.cordoned:
        return False
    timeout_s = _timeout_s(view, worker)
    if worker.idle_since_ms is None or worker.live_attempts > 0 or timeout_s is None:
        return False
    return now_ms - worker.idle_since_ms >= int(timeout_s * 1000)


def _timeout_s(view: PoolView, worker: ObservedWorker) -> float | None:
    return idle_timeout_s(view.spec, view.history.boot_s, worker.spec.price_pico_per_hour)


def cooldown_until(view: PoolView) -> int | None:
    last = view.history.last_shrunk_at_ms
    return None if last is None else last + int(view.spec.scale_down.cooldown_s * 1000)


def _drain(view: PoolView, worker: ObservedWorker, reason: Reason) -> DrainWorker:
    return DrainWorker(worker=worker.name, pool=view.spec.name, reason=reason)


def _idle_reason(view: PoolView, worker: ObservedWorker, now_ms: int) -> Reason:
    idle_s = (now_ms - (worker.idle_since_ms or now_ms)) // 1000
    limit = _timeout_s(view, worker) or 0.0
    text = f"{worker.name} has been idle for {idle_s:,} s (idle_timeout {limit:g} s)."
    return Reason(kind=ReasonKind.IDLE, text=text, evidence=(("idle_s", idle_s), ("idle_timeout_s", limit)))
