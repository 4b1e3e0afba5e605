"""Gradual scale-down: at most a part of the pool in a period, first the workers whose last job ends soonest.

Called by `idle` for each pool. Pools that do not set `scale_down_fraction` keep the plain rule (idle workers go when
their time is over), but what headroom and target utilisation need stays in every pool. It never takes a pool below its
minimum, nor more workers that work than the disruption budget allows.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass

from herder.decide.scaling import triggers
from herder.decide.scaling.scale_down.budgets import budget_reason, disruptions_left
from herder.decide.scaling.signals.utilisation import Load, is_empty
from herder.decide.scaling.snapshot import PoolView, age
from herder.decide.scaling.triggers.headroom import utilisation
from herder.model.fleet.upkeep import Disruption
from herder.model.fleet.worker import WorkerState
from herder.model.ids import WorkerName
from herder.model.planning.observed import ObservedWorker
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import agree, counted
from herder.model.values.times import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    going: tuple[ObservedWorker, ...]
    held_back: tuple[Reason, ...]


def is_gradual(view: PoolView) -> bool:
    return view.spec.scale_down.fraction is not None


def under_used(
    view: PoolView, leaving: Set[WorkerName], used: Set[WorkerName], now_ms: int
) -> list[ObservedWorker]:
    """Workers that may go before they are idle for long: in gradual pools with a target utilisation. One whose last job is
    expected to outlast the grace stays: its drain would lose work."""
    if not is_gradual(view) or view.spec.scale_up.target_utilisation is None:
        return []
    grace_end = now_ms + int(view.spec.lifetime.drain_grace_s * 1000)
    return [
        worker
        for worker in view.staying
        if worker.state is WorkerState.READY
        and not worker.manual
        and not worker.cordoned
        and worker.name not in leaving
        and worker.name not in used
        and (_ends_ms(worker) or 0) <= grace_end
    ]


def soonest_empty(view: PoolView, now_ms: int) -> Callable[[ObservedWorker], tuple[object, ...]]:
    """Idle ones first, then by the expected end of the last job, then (ends unknown) by the oldest last start."""

    def key(worker: ObservedWorker) -> tuple[object, ...]:
        requested, plan, ordinal, name = age(worker)
        rest = (-worker.spec.price_pico_per_hour, -requested, -plan, -ordinal, name)
        if not worker.live_attempts:
            return (0, 0, *rest)
        ends = _ends_ms(worker)
        if ends is not None:
            return (1, ends, *rest)
        starts = [group.last_start_ms for group in worker.running or ()]
        return (2, max(starts, default=now_ms), *rest)

    return key


def choose(
    view: PoolView,
    candidates: list[ObservedWorker],
    used: Set[WorkerName],
    load: Load,
    spare: int,
    leaving: Set[WorkerName],
    now_ms: int,
) -> Chosen:
    """As many as the minimum, the degree, the budget and what must be kept free allow, in the order given."""
    degree = allowance(view, now_ms)
    budget = disruptions_left(view, Disruption.UNDERUTILISED, now_ms, leaving)
    going: list[ObservedWorker] = []
    held: dict[ReasonKind, Reason] = {}
    for worker in candidates:
        if len(going) >= spare:
            break
        if degree is not None and len(going) >= degree:
            held.setdefault(ReasonKind.GRADUAL_LIMIT, _degree_reason(view, now_ms))
            break
        if worker.live_attempts and budget <= 0:
            held.setdefault(
                ReasonKind.DISRUPTION_BUDGET, budget_reason(view, Disruption.UNDERUTILISED, now_ms)
            )
            continue
        less = load.without(worker, empty=is_empty(worker, used)) if worker.usable else load
        kept = triggers.kept_for(view, less)
        if kept is not None:
            held.setdefault(kept.kind, kept)
            continue
        load = less
        budget -= bool(worker.live_attempts)
        going.append(worker)
    return Chosen(going=tuple(going), held_back=tuple(held.values()))


def allowance(view: PoolView, now_ms: int) -> int | None:
    """How many may go now by the pool's degree; None where there is none. Of the pool as it was when the period began."""
    fraction = view.spec.scale_down.fraction
    if fraction is None:
        return None
    gone = len(_removals(view, now_ms))
    return max(0, max(1, int(fraction * (len(view.staying) + gone))) - gone)


def reason(view: PoolView, worker: ObservedWorker, load: Load, now_ms: int) -> Reason:
    use, target = utilisation(load), view.spec.scale_up.target_utilisation or 1.0
    ends = _ends_ms(worker)
    if not worker.live_attempts:
        when = "it is idle"
    elif ends is None:
        runs = counted(worker.live_attempts, "attempt")
        when = (
            f"the end of its {runs} is unknown, and {agree(worker.live_attempts, 'it', 'they')} began first"
        )
    else:
        when = f"its last job is expected to end in {max(0, ends - now_ms) // 1000} s"
    text = (
        f"The utilisation of pool {view.spec.name} is {use:.0%}, below its target_utilisation of {target:.0%}. "
        f"{worker.name} is removed because {when}."
    )
    evidence = (
        ("utilisation", round(use, 3)),
        ("target_utilisation", target),
        ("live_attempts", worker.live_attempts),
        ("ends_at_ms", "unknown" if ends is None else ends),
        ("flips", f"target_utilisation below {use:.2f}"),
    )
    return Reason(kind=ReasonKind.UNDER_USED, text=text, evidence=evidence)


def _removals(view: PoolView, now_ms: int) -> list[int]:
    since = now_ms - int(view.spec.scale_down.period_s * 1000)
    return sorted(at for at in view.history.removals_ms if at > since)


def _degree_reason(view: PoolView, now_ms: int) -> Reason:
    gone = _removals(view, now_ms)
    period = view.spec.scale_down.period_s
    fraction = view.spec.scale_down.fraction or 0.0
    until = gone[0] + int(period * 1000) if gone else now_ms + int(period * 1000)
    text = (
        f"Pool {view.spec.name} removes at most {fraction:.0%} of its workers (at least one) in {period:g} s "
        f"(scale_down_fraction), and has removed {len(gone)}."
    )
    evidence = (
        ("removed_in_period", len(gone)),
        ("scale_down_fraction", fraction),
        ("until_ms", until),
        ("flips", f"at {iso(until)}"),
    )
    return Reason(kind=ReasonKind.GRADUAL_LIMIT, text=text, evidence=evidence)


def _ends_ms(worker: ObservedWorker) -> int | None:
    """When its last job is expected to end; None when it has none or that is unknown of any."""
    ends = [group.ends_at_ms for group in worker.running or ()]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None
