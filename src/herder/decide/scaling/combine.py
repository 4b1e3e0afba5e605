"""Settle what the triggers ask for: what is made for one of them counts for all.

Called by the planner. Demand has been packed within the limits already. What minimum, headroom and target utilisation want
beyond it overlaps: a pool gets the largest of their wishes, not the sum, and never more than its room.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from herder.decide.scaling.limits import Room
from herder.decide.scaling.offer_backoff import OfferRoom, cheapest_first
from herder.decide.scaling.proposals import Ask, Wish, workers_by_offer, workers_by_pool
from herder.decide.scaling.snapshot import PoolView
from herder.model.ids import PoolName
from herder.model.offer import OfferName


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """`wishes` are to be fulfilled, in this order. `cut`: by pool, the asks that a limit cut, with what they lack."""

    wishes: tuple[Wish, ...]
    cut: Mapping[PoolName, tuple[tuple[Ask, int], ...]]

    def short(self, pool: PoolName) -> int:
        return max((missing for _, missing in self.cut.get(pool, ())), default=0)


def combine(
    demand: tuple[Wish, ...],
    asks: tuple[Ask, ...],
    views: tuple[PoolView, ...],
    rooms: Mapping[PoolName, Room],
) -> Settled:
    made = workers_by_pool(demand)
    top_ups: list[Wish] = []
    cut: dict[PoolName, tuple[tuple[Ask, int], ...]] = {}
    for view in views:
        name, room = view.spec.name, rooms[view.spec.name]
        mine = [ask for ask in asks if ask.pool == name]
        if not mine:
            continue
        used = workers_by_offer(demand, name)
        given, lacking = 0, []
        for ask in mine:
            most = (room.for_minimum if ask.minimum else room.workers) - made.get(name, 0)
            wishes = over_offers(
                ask, max(0, min(ask.count, most) - given), cheapest_first(view, room.offers, used), used
            )
            top_ups += wishes
            given += sum(wish.count for wish in wishes)
            if ask.count > given:
                lacking.append((ask, ask.count - given))
        if lacking:
            cut[name] = tuple(lacking)
    return Settled(wishes=(*demand, *top_ups), cut=cut)


def over_offers(ask: Ask, count: int, offers: list[OfferRoom], used: dict[OfferName, int]) -> list[Wish]:
    """In their order, the cheapest first, each as far as it goes. `used` is brought up to date."""
    found = []
    for offer in offers:
        taken = min(count, count if offer.limit is None else offer.limit - used.get(offer.offer, 0))
        if taken > 0:
            template, zone, spot = offer.offer
            found.append(
                Wish(pool=ask.pool, template=template, zone=zone, spot=spot, count=taken, reason=ask.reason)
            )
            used[offer.offer] = used.get(offer.offer, 0) + taken
            count -= taken
    return found
