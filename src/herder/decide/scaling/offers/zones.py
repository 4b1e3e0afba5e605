"""Spreads new workers over zones with equal prices, and explains why on-demand is used instead of spot.

Called by the planner when it is settled how many workers of which offer are made. It moves workers between offers that differ only in
the zone, so that what one zone's failure or interruption takes is small; it changes neither how many are made nor what they cost.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from herder.decide.eligibility.affinity import looks_at
from herder.decide.eligibility.matching import ZONE_LABEL
from herder.decide.scaling.limits import GrowthLimit
from herder.decide.scaling.offers.backoff import OfferLimit, soonest
from herder.decide.scaling.proposals import Proposal, workers_by_offer
from herder.decide.scaling.snapshot import PoolView, Snapshot
from herder.model.ids import PoolName
from herder.model.planning.plan import Reason
from herder.model.values.phrases import sentences
from herder.model.work.apart import Topology
from herder.model.work.demand import Asks, apart_of


def spread(
    proposals: tuple[Proposal, ...], snapshot: Snapshot, growth_limits: Mapping[PoolName, GrowthLimit]
) -> tuple[Proposal, ...]:
    """The same workers, evenly over the zones that cost the same and have room; each told why it is not spot."""
    selective = any(_looks_at_zones(group.asks) for group in snapshot.queue)
    found: list[Proposal] = []
    for view in snapshot.pools:
        mine = tuple(proposal for proposal in proposals if proposal.pool == view.spec.name)
        if mine and any(offer.zone for offer in view.templates) and not selective:
            mine = _evenly(mine, view, growth_limits[view.spec.name].offers)
        found += [_told(proposal, view, growth_limits[view.spec.name].offers) for proposal in mine]
    order = {name: place for place, name in enumerate(dict.fromkeys(proposal.pool for proposal in proposals))}
    return tuple(sorted(found, key=lambda proposal: order[proposal.pool]))


def _looks_at_zones(asks: Asks) -> bool:
    """Then it matters in which zone each worker is created."""
    apart = apart_of(asks)
    if apart is not None and any(rule.topology is Topology.ZONE for rule in apart.rules):
        return True
    return looks_at(asks, "zone") or looks_at(asks, ZONE_LABEL)


def _evenly(
    proposals: tuple[Proposal, ...], view: PoolView, growth_limits: tuple[OfferLimit, ...]
) -> tuple[Proposal, ...]:
    sold: dict[tuple[str, bool], list[OfferLimit]] = {}
    for growth_limit in growth_limits:
        sold.setdefault((growth_limit.offer.template, growth_limit.offer.spot), []).append(growth_limit)
    there = Counter(worker.spec.zone for worker in view.staying)
    used = Counter(workers_by_offer(proposals, view.spec.name))
    for proposal in proposals:
        there[proposal.zone] += proposal.count
    found: list[Proposal] = []
    for proposal in proposals:
        alike = _alike(proposal, view, sold[proposal.template, proposal.spot])
        zones: list[str] = []
        for _ in range(proposal.count):
            used[proposal.offer] -= 1
            there[proposal.zone] -= 1
            free = [
                growth_limit
                for growth_limit in alike
                if growth_limit.limit is None or growth_limit.limit > used[growth_limit.offer]
            ]
            taken = min(
                free, key=lambda growth_limit: (there[growth_limit.offer.zone], growth_limit.offer.zone)
            ).offer
            used[taken] += 1
            there[taken.zone] += 1
            zones.append(taken.zone)
        found += [replace(proposal, zone=zone, count=zones.count(zone)) for zone in dict.fromkeys(zones)]
    return tuple(found)


def _alike(proposal: Proposal, view: PoolView, sold: Sequence[OfferLimit]) -> list[OfferLimit]:
    """Offers that differ from the proposed one in the zone alone, it among them. `sold`: those of its template and market."""
    offer = proposal.offer
    own = next(growth_limit for growth_limit in sold if growth_limit.offer == offer)
    paid = view.offers[offer].price_pico_per_hour
    return [
        growth_limit
        for growth_limit in sold
        if growth_limit.price == own.price and view.offers[growth_limit.offer].price_pico_per_hour == paid
    ]


def _told(proposal: Proposal, view: PoolView, growth_limits: tuple[OfferLimit, ...]) -> Proposal:
    """An on-demand worker of a template that prefers spot says why."""
    wanted = any(offer.id == proposal.offer and offer.spot_preferred for offer in view.templates)
    if proposal.spot or not wanted:
        return proposal
    spots = [
        growth_limit
        for growth_limit in growth_limits
        if growth_limit.offer.template == proposal.template and growth_limit.offer.spot
    ]
    short = [growth_limit.reason for growth_limit in spots if growth_limit.reason is not None]
    if spots and len(short) == len(spots):
        why = sentences("On-demand is used, because no spot worker can be created", soonest(short).text)
    elif spots:
        why = "On-demand is used, because spot costs the same or more."
    else:
        why = "On-demand is used, because spot costs more than max_spot_price."
    reason = proposal.reason
    evidence = (*reason.evidence, ("spot_offers_short", len(short)), ("spot_offers", len(spots)))
    return replace(
        proposal, reason=Reason(kind=reason.kind, text=sentences(reason.text, why), evidence=evidence)
    )
