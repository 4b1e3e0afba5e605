"""Where new workers go when several zones are as good, and why some that should be spot are not.

Called by the planner when it is settled how many workers of which offer are made. It moves workers between offers that differ only in
the zone, so that what one zone's failure or interruption takes is small; it changes neither how many are made nor what they cost.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from herder.decide.eligibility.affinity import looks_at
from herder.decide.scaling.limits import Room
from herder.decide.scaling.offer_backoff import OfferRoom, soonest
from herder.decide.scaling.proposals import Wish, workers_by_offer
from herder.decide.scaling.snapshot import PoolView, Scene
from herder.model.ids import PoolName
from herder.model.plan import Reason


def spread(wishes: tuple[Wish, ...], scene: Scene, rooms: Mapping[PoolName, Room]) -> tuple[Wish, ...]:
    """The same workers, evenly over the zones that cost the same and have room; each told why it is not spot."""
    selective = any(looks_at(group.asks, "zone") for group in scene.queue)
    found: list[Wish] = []
    for view in scene.pools:
        mine = tuple(wish for wish in wishes if wish.pool == view.spec.name)
        if mine and any(offer.zone for offer in view.templates) and not selective:
            mine = _evenly(mine, view, rooms[view.spec.name].offers)
        found += [_told(wish, view, rooms[view.spec.name].offers) for wish in mine]
    order = {name: place for place, name in enumerate(dict.fromkeys(wish.pool for wish in wishes))}
    return tuple(sorted(found, key=lambda wish: order[wish.pool]))


def _evenly(wishes: tuple[Wish, ...], view: PoolView, rooms: tuple[OfferRoom, ...]) -> tuple[Wish, ...]:
    there = Counter(worker.spec.zone for worker in view.staying)
    used = Counter(workers_by_offer(wishes, view.spec.name))
    for wish in wishes:
        there[wish.zone] += wish.count
    found: list[Wish] = []
    for wish in wishes:
        alike = _alike(wish, view, rooms)
        zones: list[str] = []
        for _ in range(wish.count):
            used[wish.offer] -= 1
            there[wish.zone] -= 1
            free = [room for room in alike if room.limit is None or room.limit > used[room.offer]]
            taken = min(free, key=lambda room: (there[room.offer.zone], room.offer.zone)).offer
            used[taken] += 1
            there[taken.zone] += 1
            zones.append(taken.zone)
        found += [replace(wish, zone=zone, count=zones.count(zone)) for zone in dict.fromkeys(zones)]
    return tuple(found)


def _alike(wish: Wish, view: PoolView, rooms: tuple[OfferRoom, ...]) -> list[OfferRoom]:
    """Offers that differ from the wished one in the zone alone, it among them."""
    prices = {offer.id: offer.price_pico_per_hour for offer in view.templates}
    own = next(room for room in rooms if room.offer == wish.offer)
    return [
        room
        for room in rooms
        if (room.offer.template, room.offer.spot) == (wish.template, wish.spot)
        and (room.price, prices[room.offer]) == (own.price, prices[own.offer])
    ]


def _told(wish: Wish, view: PoolView, rooms: tuple[OfferRoom, ...]) -> Wish:
    """An on-demand worker of a template that prefers spot says why."""
    wanted = any(offer.id == wish.offer and offer.spot_preferred for offer in view.templates)
    if wish.spot or not wanted:
        return wish
    spots = [room for room in rooms if room.offer.template == wish.template and room.offer.spot]
    short = [room.reason for room in spots if room.reason is not None]
    if spots and len(short) == len(spots):
        why = f"on-demand, since spot is short: {soonest(short).text}"
    else:
        why = (
            "on-demand, since spot costs no less"
            if spots
            else "on-demand, since spot is above max_spot_price"
        )
    reason = wish.reason
    evidence = (*reason.evidence, ("spot_offers_short", len(short)), ("spot_offers", len(spots)))
    return replace(wish, reason=Reason(kind=reason.kind, text=f"{reason.text}; {why}", evidence=evidence))
