"""Which templates of a pool may be tried now, and at what price they count, after what happened to them lately.

Called by the planner for each pool, before anything asks for workers. An offer that failed rests; then one worker of it is
tried, and until that one has come or failed no other. The price of a flaky offer counts as what a worker costs in tries. It
changes no memory: the engine does that when creations end.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from herder.decide.scaling.scene import PoolView
from herder.model.ids import WorkerName
from herder.model.offer import FailureCause, OfferMemory
from herder.model.plan import Reason, ReasonKind
from herder.model.times import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRoom:
    """`limit`: workers of this template that may be made now, None for no limit of its own; `reason` says why there is one.
    `price`: what counts when offers are compared."""

    template: str
    limit: int | None
    price: int
    reason: Reason | None = None

    def at_most(self, workers: int) -> int:
        return workers if self.limit is None else min(workers, self.limit)


def offer_rooms(view: PoolView, now_ms: int, leaving: Set[WorkerName] = frozenset()) -> tuple[OfferRoom, ...]:
    """Beside the templates of the pool. `leaving`: workers that this plan drains, which are no trial any more."""
    return tuple(
        _room(view, template.name, int(template.price_pico_per_hour), memory, now_ms, leaving)
        for template, memory in zip(view.templates, view.memories, strict=True)
    )


def pool_circuit(
    view: PoolView, now_ms: int, leaving: Set[WorkerName] = frozenset()
) -> tuple[int, Reason] | None:
    """The limit of the whole pool after a failure that any of its templates would meet: a quota, refused credentials."""
    found = []
    for memory in view.memories:
        if memory is not None and memory.cause is not None and memory.cause.of_pool:
            limit = _limit(view, memory, now_ms, None, leaving)
            if limit is not None:
                found.append((limit, _reason(view, memory, limit, now_ms)))
    return min(found, key=lambda circuit: circuit[0], default=None)


def all_resting(rooms: tuple[OfferRoom, ...]) -> tuple[int, Reason] | None:
    """The limit of a pool all whose offers have one: their sum, for the reason of the one that may be tried soonest."""
    limits = [room.limit for room in rooms if room.limit is not None]
    reasons = [room.reason for room in rooms if room.reason is not None]
    if not rooms or len(limits) < len(rooms) or not reasons:
        return None
    return sum(limits), soonest(reasons)


def soonest(reasons: list[Reason]) -> Reason:
    return min(reasons, key=lambda reason: (dict(reason.evidence)["until_ms"], reason.text))


def cheapest_first(view: PoolView, rooms: tuple[OfferRoom, ...], used: Mapping[str, int]) -> list[OfferRoom]:
    """The offers that may still be used, after so many workers of each template."""
    left = [room for room in rooms if room.limit is None or room.limit > used.get(room.template, 0)]
    return sorted(left, key=lambda room: (room.price, room.template))


def _room(
    view: PoolView,
    template: str,
    price: int,
    memory: OfferMemory | None,
    now_ms: int,
    leaving: Set[WorkerName],
) -> OfferRoom:
    if memory is None:
        return OfferRoom(template=template, limit=None, price=price)
    rated = int(price / memory.success_rate(now_ms))
    limit = _limit(view, memory, now_ms, template, leaving)
    reason = None if limit is None else _reason(view, memory, limit, now_ms)
    return OfferRoom(template=template, limit=limit, price=rated, reason=reason)


def _limit(
    view: PoolView, memory: OfferMemory, now_ms: int, template: str | None, leaving: Set[WorkerName]
) -> int | None:
    until = memory.rests_until_ms(view.spec.offer_rest_s, view.spec.offer_rest_max_s)
    if until is None or memory.failed_at_ms is None:
        return None
    if now_ms < until:
        return 0
    tried = sum(
        worker.state.in_flight
        and worker.requested_at_ms > memory.failed_at_ms
        and worker.name not in leaving
        and template in (None, worker.spec.template)
        for worker in view.workers
    )
    return max(0, 1 - tried)


_WORDS = {
    FailureCause.OUT_OF_CAPACITY: "was out of capacity",
    FailureCause.QUOTA_EXCEEDED: "met a quota of the provider",
    FailureCause.UNAUTHORISED: "was refused for its credentials",
    FailureCause.INVALID_REQUEST: "was refused as invalid",
    FailureCause.BOOT_TIMEOUT: "did not boot in time",
    FailureCause.OTHER: "failed",
}


def _reason(view: PoolView, memory: OfferMemory, limit: int, now_ms: int) -> Reason:
    until = memory.rests_until_ms(view.spec.offer_rest_s, view.spec.offer_rest_max_s) or now_ms
    cause = memory.cause or FailureCause.OTHER
    what = f"template {memory.key.template} of pool {view.spec.name} {_WORDS[cause]} {memory.failed_in_row} times in a row"
    if now_ms < until:
        text = f"{what}; the next try is in {-(-(until - now_ms) // 1000)} s"
        flips = f"at {iso(until)}, or when the template is changed"
    elif limit:
        text, flips = f"{what}; one worker is tried", "its success"
    else:
        text, flips = f"{what}; one worker is being tried", "the success of that one"
    return Reason(
        kind=ReasonKind.QUOTA_EXCEEDED if cause is FailureCause.QUOTA_EXCEEDED else ReasonKind.OFFER_RESTING,
        text=text,
        evidence=(
            ("template", memory.key.template),
            ("cause", cause.value),
            ("failed_in_row", memory.failed_in_row),
            ("success_rate", round(memory.success_rate(now_ms), 3)),
            ("until_ms", until),
            ("flips", flips),
        ),
    )
