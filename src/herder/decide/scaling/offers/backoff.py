"""Which offers of a pool may be tried now, and at what price, after their recent failures.

Called by the planner for each pool, before anything asks for workers. An offer that failed rests; then one worker of it is
tried, and until that one has come or failed no other. The price of a flaky offer counts as what a worker costs in tries. It
changes no memory: the engine does that when creations end.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from functools import partial
from math import inf

from herder.decide.scaling.snapshot import PoolView
from herder.model.fleet.offer import FailureCause, Offer, OfferMemory, OfferName
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import at_limit, counted, seconds_until, sentences
from herder.model.values.times import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferLimit:
    """`limit`: workers of this offer that may be made now, None for no limit of its own; `reason` says why there is one.
    `price`: what counts when offers are compared."""

    offer: OfferName
    limit: int | None
    price: int
    reason: Reason | None = None

    def at_most(self, workers: int) -> int:
        return workers if self.limit is None else min(workers, self.limit)


#: A limit, and why.
Bound = tuple[int, Reason]
#: Driver, zone, and whether it is spot.
Market = tuple[str, str, bool]


def offer_limits(
    view: PoolView, now_ms: int, leaving: Set[WorkerName] = frozenset()
) -> tuple[OfferLimit, ...]:
    """Beside the templates of the pool. `leaving`: workers that this plan drains, which are no trial any more."""
    markets = _markets(view, now_ms, leaving)
    return tuple(
        _room(view, offer, memory, now_ms, leaving, markets.get(_market_of(view, offer), ()))
        for offer, memory in zip(view.templates, view.memories, strict=True)
    )


def pool_circuit(view: PoolView, now_ms: int, leaving: Set[WorkerName] = frozenset()) -> Bound | None:
    """The limit of the whole pool after a failure that any of its offers would meet: refused credentials of its only driver, and a quota where
    all are sold in one zone and market."""
    sold = _sold(view)
    found, quotas, drivers = [], len(sold) <= 1, len({driver for driver, _, _ in sold}) <= 1
    for memory in view.memories:
        if memory is not None and memory.cause is not None and memory.cause.of_pool:
            limit = _limit(view, memory, now_ms, leaving, lambda _: True)
            everywhere = quotas if memory.cause is FailureCause.QUOTA_EXCEEDED else drivers
            if limit is not None and everywhere:
                found.append((limit, _reason(view, memory, limit, now_ms)))
    return min(found, key=lambda circuit: circuit[0], default=None)


def _market_of(view: PoolView, offer: Offer) -> Market:
    return offer.driver or view.spec.driver, offer.zone, offer.spot


def _sold(view: PoolView) -> set[Market]:
    return {_market_of(view, offer) for offer in view.templates}


def _markets(view: PoolView, now_ms: int, leaving: Set[WorkerName]) -> dict[Market, tuple[Bound, ...]]:
    """A quota met in one holds for every template that is sold there, refused credentials for all markets of their driver; others are left
    alone."""
    found: dict[Market, tuple[Bound, ...]] = {}
    sold = _sold(view)
    several = len({driver for driver, _, _ in sold}) > 1
    for memory in view.memories if len(sold) > 1 else ():
        if memory is None or memory.cause is None or not memory.cause.of_pool:
            continue
        quota = memory.cause is FailureCause.QUOTA_EXCEEDED
        if not quota and not several:
            continue  # the whole pool has the limit
        key = memory.key
        alike = {
            market
            for market in sold
            if market[0] == key.driver and (not quota or market[1:] == (key.zone, key.spot))
        }
        limit = _limit(view, memory, now_ms, leaving, partial(_sold_in, alike))
        if limit is not None:
            bound = limit, _reason(view, memory, limit, now_ms)
            found.update((market, (*found.get(market, ()), bound)) for market in alike)
    return found


def all_resting(growth_limits: tuple[OfferLimit, ...]) -> tuple[int, Reason] | None:
    """The limit of a pool all whose offers have one: their sum, for the reason of the one that may be tried soonest."""
    limits = [growth_limit.limit for growth_limit in growth_limits if growth_limit.limit is not None]
    reasons = [growth_limit.reason for growth_limit in growth_limits if growth_limit.reason is not None]
    if not growth_limits or len(limits) < len(growth_limits) or not reasons:
        return None
    return sum(limits), soonest(reasons)


def soonest(reasons: list[Reason]) -> Reason:
    """What has no time of its own (a quota that is written down) comes last."""

    def key(reason: Reason) -> tuple[float, str]:
        until = dict(reason.evidence).get("until_ms", inf)
        return (inf if isinstance(until, str) else until), reason.text

    return min(reasons, key=key)


def cheapest_first(
    view: PoolView, growth_limits: tuple[OfferLimit, ...], used: Mapping[OfferName, int]
) -> list[OfferLimit]:
    """The offers that may still be used, after so many workers of each."""
    left = [
        growth_limit
        for growth_limit in growth_limits
        if growth_limit.limit is None or growth_limit.limit > used.get(growth_limit.offer, 0)
    ]
    return sorted(left, key=lambda growth_limit: (growth_limit.price, growth_limit.offer))


def _room(
    view: PoolView,
    offer: Offer,
    memory: OfferMemory | None,
    now_ms: int,
    leaving: Set[WorkerName],
    market: tuple[Bound, ...],
) -> OfferLimit:
    bounds = [*market, *_quota(view, offer)]
    price = int(offer.price_pico_per_hour)
    if memory is not None:
        price = int(price / memory.success_rate(now_ms))
        limit = _limit(view, memory, now_ms, leaving, lambda spec: spec.offer == offer.id)
        if limit is not None:
            bounds.append((limit, _reason(view, memory, limit, now_ms)))
    least, reason = min(bounds, key=lambda bound: bound[0], default=(None, None))
    return OfferLimit(offer=offer.id, limit=least, price=price, reason=reason)


def _sold_in(markets: Set[Market], spec: WorkerSpec) -> bool:
    return (spec.driver, spec.zone, spec.spot) in markets


def _quota(view: PoolView, offer: Offer) -> list[Bound]:
    """What is written down for the zone: everything that has not ended counts."""
    if offer.most is None:
        return []
    there = sum(worker.spec.offer == offer.id for worker in view.workers)
    text = f"{at_limit(f'Template {offer.id} of pool {view.spec.name}', there, offer.most)}."
    flips = f"max_workers of the zone above {offer.most}"
    evidence = (("workers", there), ("zone_max_workers", offer.most), ("flips", flips))
    return [(max(0, offer.most - there), Reason(kind=ReasonKind.AT_MAXIMUM, text=text, evidence=evidence))]


def _limit(
    view: PoolView,
    memory: OfferMemory,
    now_ms: int,
    leaving: Set[WorkerName],
    alike: Callable[[WorkerSpec], bool],
) -> int | None:
    """None: nothing is held against it. `alike`: whose success or failure would tell about it."""
    until = memory.rests_until_ms(view.spec.scale_up.offer_backoff_s, view.spec.scale_up.offer_backoff_max_s)
    if until is None or memory.failed_at_ms is None:
        return None
    if now_ms < until:
        return 0
    tried = sum(
        worker.state.in_flight
        and worker.requested_at_ms > memory.failed_at_ms
        and worker.name not in leaving
        and alike(worker.spec)
        for worker in view.workers
    )
    return max(0, 1 - tried)


_WORDS = {
    FailureCause.OUT_OF_CAPACITY: "out of capacity",
    FailureCause.INTERRUPTED: "taken back by the provider",
    FailureCause.QUOTA_EXCEEDED: "provider quota exceeded",
    FailureCause.UNAUTHORISED: "credentials refused",
    FailureCause.INVALID_REQUEST: "request refused as invalid",
    FailureCause.UNAVAILABLE: "provider does not answer",
    FailureCause.STEP_TIMEOUT: "creation timed out",
    FailureCause.STEP_FAILED: "creation failed at the provider",
    FailureCause.BOOT_TIMEOUT: "boot timed out",
    FailureCause.OTHER: "creation failed",
}


def _reason(view: PoolView, memory: OfferMemory, limit: int, now_ms: int) -> Reason:
    until = (
        memory.rests_until_ms(view.spec.scale_up.offer_backoff_s, view.spec.scale_up.offer_backoff_max_s)
        or now_ms
    )
    cause = memory.cause or FailureCause.OTHER
    times = "once" if memory.failed_in_row == 1 else f"{counted(memory.failed_in_row, 'time')} in a row"
    what = f"Template {memory.key.name} of pool {view.spec.name} failed {times} ({_WORDS[cause]})"
    if now_ms < until:
        text = sentences(what, f"The next try is in {seconds_until(until, now_ms)}")
        flips = f"at {iso(until)}, or when the template is changed"
    elif limit:
        text, flips = sentences(what, "One worker may be tried now"), "its success"
    else:
        text, flips = sentences(what, "One worker is being tried now"), "the success of that one"
    return Reason(
        kind=ReasonKind.QUOTA_EXCEEDED if cause is FailureCause.QUOTA_EXCEEDED else ReasonKind.OFFER_RESTING,
        text=text,
        evidence=(
            ("template", memory.key.template),
            *((("zone", memory.key.zone),) if memory.key.zone else ()),
            *((("spot", 1),) if memory.key.spot else ()),
            ("cause", cause.value),
            ("failed_in_row", memory.failed_in_row),
            ("success_rate", round(memory.success_rate(now_ms), 3)),
            ("until_ms", until),
            ("flips", flips),
        ),
    )
