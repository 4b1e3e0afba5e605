"""How many workers a pool may create now, and which limit applies.

Called by the planner before anything asks for workers, because demand that one pool may not serve goes on to the next.
A limit of a pool is never exceeded for any reason; which one binds is always named.
"""

from collections.abc import Set
from dataclasses import dataclass, replace

from herder.decide.scaling.offers.backoff import OfferLimit, all_resting, offer_limits, pool_circuit, soonest
from herder.decide.scaling.snapshot import PoolView
from herder.decide.scaling.spending import limits_of_budget, offers_within_budget
from herder.model.fleet.lifetime import CHURN_PAUSE_S, TTL_SHORTEST_S
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import WorkerName
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import at_limit, counted, seconds_until, sentences
from herder.model.values.times import iso, span


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthLimit:
    """`workers` may be made for demand and `for_minimum` to restore the minimum, which a cooldown does not hold up; both
    together never more than the larger. `binding` and `binding_minimum` are the limits that say so. `offers` stands beside
    the templates of the pool and may hold further limits."""

    workers: int
    binding: Reason
    for_minimum: int
    binding_minimum: Reason
    offers: tuple[OfferLimit, ...] = ()


def growth_limit(view: PoolView, now_ms: int, leaving: Set[WorkerName] = frozenset()) -> GrowthLimit:
    """`leaving`: workers that this plan drains whatever the demand."""
    offers = offer_limits(view, now_ms, leaving)
    hard = [
        *_frozen(view),
        *_circuit(view, offers, now_ms, leaving),
        *_maximum(view, now_ms),
        *_churn(view, now_ms),
        *limits_of_budget(view),
        _per_cycle(view, now_ms),
    ]
    for_minimum, binding_minimum = min(hard, key=lambda limit: limit[0])
    workers, binding = min([*hard, *_cooldown(view, now_ms)], key=lambda limit: limit[0])
    return GrowthLimit(
        workers=workers,
        binding=binding,
        for_minimum=for_minimum,
        binding_minimum=binding_minimum,
        offers=offers_within_budget(view, offers, max(workers, for_minimum)),
    )


#: Limits that do not pass with the next cycle.
_LASTING = frozenset(
    {
        ReasonKind.AT_MAXIMUM,
        ReasonKind.AT_LIVE_MAXIMUM,
        ReasonKind.FROZEN,
        ReasonKind.WAITING_ON_OBSERVATION,
        ReasonKind.OFFER_RESTING,
        ReasonKind.QUOTA_EXCEEDED,
        ReasonKind.BUDGET,
    }
)


def can_grow(growth_limit: GrowthLimit) -> bool:
    """Now, or when a cooldown or a cycle has passed."""
    return growth_limit.for_minimum > 0 or growth_limit.binding_minimum.kind not in _LASTING


def none(view: PoolView, reason: Reason) -> GrowthLimit:
    """Of a pool in which nothing may be made, for this reason."""
    offers = tuple(
        OfferLimit(offer=offer.id, limit=0, price=int(offer.price_pico_per_hour), reason=reason)
        for offer in view.templates
    )
    return GrowthLimit(workers=0, binding=reason, for_minimum=0, binding_minimum=reason, offers=offers)


def without(growth_limit: GrowthLimit, refused: tuple[Reason | None, ...]) -> GrowthLimit:
    """With no room for the offers (by place) that have a reason against them."""
    offers = tuple(
        offer if reason is None else replace(offer, limit=0, reason=reason)
        for offer, reason in zip(growth_limit.offers, refused, strict=True)
    )
    limit = all_resting(offers)
    if limit is None:
        return replace(growth_limit, offers=offers)
    most, binding = limit
    if most < growth_limit.workers:
        growth_limit = replace(growth_limit, workers=most, binding=binding)
    if most < growth_limit.for_minimum:
        growth_limit = replace(growth_limit, for_minimum=most, binding_minimum=binding)
    return replace(growth_limit, offers=offers)


def binding_for(growth_limit: GrowthLimit, templates: Set[int]) -> Reason:
    """What binds demand that only these templates (by place) can take: their own rests, if the pool itself has room."""
    own = [
        growth_limit.offers[place].reason for place in sorted(templates) if place < len(growth_limit.offers)
    ]
    rests = [reason for reason in own if reason is not None]
    return (
        soonest(rests)
        if growth_limit.workers > 0 and rests and len(rests) == len(own)
        else growth_limit.binding
    )


def may_make(growth_limit: GrowthLimit, templates: Set[int]) -> int:
    """How many workers of these templates may be made now."""
    offers = [offer for place, offer in enumerate(growth_limit.offers) if place in templates]
    return min(growth_limit.workers, sum(offer.at_most(growth_limit.workers) for offer in offers))


_Limit = tuple[int, Reason]


def _frozen(view: PoolView) -> list[_Limit]:
    if not view.spec.frozen:
        return _refused(view.spec)
    text, flips = (
        f"Pool {view.spec.name} is frozen: no worker is created or removed.",
        f"herder pool unfreeze {view.spec.name}",
    )
    if view.spec.driver_frozen:
        text = sentences(f"Pool {view.spec.name} creates and removes no workers", view.spec.driver_frozen)
        flips = f"herder driver unfreeze {view.spec.stopped_by}"
    kind = ReasonKind.FROZEN
    if view.spec.unseen:
        kind = ReasonKind.WAITING_ON_OBSERVATION
        text = sentences(f"Pool {view.spec.name} creates and removes no workers", view.spec.unseen)
        flips = f"a picture of cluster {view.spec.cluster}"
    return [
        (
            0,
            Reason(
                kind=kind,
                text=text,
                evidence=(("frozen", 1), ("flips", flips)),
            ),
        )
    ]


def _refused(pool: PoolSpec) -> list[_Limit]:
    """Its workers stay, expire and are removed as ever."""
    if not pool.bootstrap_refused:
        return []
    text = sentences(f"Pool {pool.name} creates no workers", pool.bootstrap_refused)
    flips = f"herder bootstrap check {pool.bootstrap}"
    return [(0, Reason(kind=ReasonKind.FROZEN, text=text, evidence=(("refused", 1), ("flips", flips))))]


def _circuit(
    view: PoolView, offers: tuple[OfferLimit, ...], now_ms: int, leaving: Set[WorkerName]
) -> list[_Limit]:
    return [
        limit for limit in (pool_circuit(view, now_ms, leaving), all_resting(offers)) if limit is not None
    ]


def _cooldown(view: PoolView, now_ms: int) -> list[_Limit]:
    last = view.history.last_grown_at_ms
    if last is None:
        return []
    until = last + int(view.spec.scale_up.cooldown_s * 1000)
    if now_ms >= until:
        return []
    text = f"Pool {view.spec.name} is in its scale-up cooldown for another {seconds_until(until, now_ms)}."
    return [
        (
            0,
            Reason(
                kind=ReasonKind.COOLDOWN,
                text=text,
                evidence=(("until_ms", until), ("flips", f"at {iso(until)}")),
            ),
        )
    ]


def _churn(view: PoolView, now_ms: int) -> list[_Limit]:
    """Workers that end as soon as they are ready are asked for again at once. Nobody may write such a ttl, but a store may hold one."""
    last, life = view.history.last_grown_at_ms, view.spec.lifetime
    lives = [
        (each, name)
        for each, name in ((life.ttl_s, "ttl"), (life.ttl_soft_s, "ttl_soft"))
        if each is not None and each < TTL_SHORTEST_S
    ]
    if last is None or not lives:
        return []
    until = last + int(CHURN_PAUSE_S * 1000)
    if now_ms >= until:
        return []
    shortest, name = min(lives)
    text = (
        f"Pool {view.spec.name} creates workers at most once in {span(int(CHURN_PAUSE_S * 1000))}, because its {name} of {shortest:g} s is below "
        f"{TTL_SHORTEST_S:g} s. Raise {name}, or remove it; the next workers are created in {seconds_until(until, now_ms)}."
    )
    evidence = ((f"{name}_s", shortest), ("until_ms", until), ("flips", f"a longer {name}"))
    return [(0, Reason(kind=ReasonKind.COOLDOWN, text=text, evidence=evidence))]


def _maximum(view: PoolView, now_ms: int) -> list[_Limit]:
    total, most, live = len(view.workers), view.spec.size.max_workers, view.spec.size.max_live_workers
    leave = total - len(view.staying)
    drained = ", including those being drained" if leave and total >= most > 0 else ""
    text = f"{at_limit(f'Pool {view.spec.name}', total, most)}{drained}.{_scheduled_maximum(view)}"
    flips = f"max_workers above {most}" + (", or the end of a worker that is being drained" if leave else "")
    evidence = (("live", total), ("max_workers", most), ("flips", flips))
    found: list[_Limit] = [
        (max(0, most - total), Reason(kind=ReasonKind.AT_MAXIMUM, text=text, evidence=evidence))
    ]
    if live is not None:
        # What this very cycle drains frees a place in the next one: a plan that was applied needs no other.
        staying = max(len(view.staying), live if view.history.last_shrunk_at_ms == now_ms else 0)
        text = f"{at_limit(f'Pool {view.spec.name}', staying, live)}, not counting those being drained (max_live_workers)."
        staying_evidence = (
            ("staying", staying),
            ("max_live_workers", live),
            ("flips", f"max_live_workers above {live}"),
        )
        kind = ReasonKind.AT_LIVE_MAXIMUM
        found.append((max(0, live - staying), Reason(kind=kind, text=text, evidence=staying_evidence)))
    return found


def _scheduled_maximum(view: PoolView) -> str:
    window = view.window
    if window is None or window.schedule.max_workers is None:
        return ""
    return f" The limit is that of the schedule {window.schedule.cron!r} ({window.schedule.timezone})."


def _per_cycle(view: PoolView, now_ms: int) -> _Limit:
    """A plan of the same millisecond as the last growth belongs to the same cycle, which has had its workers."""
    most = view.spec.size.new_workers_per_cycle
    now_made = view.history.last_grown_at_ms == now_ms
    text = (
        f"Pool {view.spec.name} creates at most {counted(most, 'worker')} per cycle (new_workers_per_cycle). "
        "The next cycle creates more."
    )
    evidence = (
        ("new_workers_per_cycle", most),
        ("made_this_cycle", int(now_made)),
        ("flips", "the next cycle"),
    )
    return 0 if now_made else max(0, most), Reason(
        kind=ReasonKind.PER_CYCLE_LIMIT, text=text, evidence=evidence
    )
