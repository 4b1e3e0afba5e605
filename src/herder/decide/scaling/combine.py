"""Combines the requests of the triggers: workers that are created for one request count for all.

Called by the planner. Demand has been packed within the limits already. What minimum, headroom and target utilisation want
beyond it overlaps: a pool gets the largest of their proposals, not the sum, and never more than its room.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from herder.decide.scaling.limits import GrowthLimit
from herder.decide.scaling.offers.backoff import OfferLimit, cheapest_first
from herder.decide.scaling.proposals import Proposal, WorkerRequest, workers_by_offer, workers_by_pool
from herder.decide.scaling.snapshot import PoolView
from herder.model.fleet.offer import OfferName
from herder.model.ids import PoolName
from herder.model.planning.plan import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """`proposals` are to be fulfilled, in this order. `cut`: by pool, the asks that a limit cut, with what they lack. `unpaid`: by pool,
    how many of its workers no budget pays, and what is to be said of that."""

    proposals: tuple[Proposal, ...]
    cut: Mapping[PoolName, tuple[tuple[WorkerRequest, int], ...]]
    unpaid: Mapping[PoolName, int] = field(default_factory=dict)
    unpaid_notes: Mapping[PoolName, tuple[Reason, ...]] = field(default_factory=dict)

    def short(self, pool: PoolName) -> int:
        cut = max((missing for _, missing in self.cut.get(pool, ())), default=0)
        return cut + self.unpaid.get(pool, 0)


def combine(
    demand: tuple[Proposal, ...],
    asks: tuple[WorkerRequest, ...],
    views: tuple[PoolView, ...],
    growth_limits: Mapping[PoolName, GrowthLimit],
) -> Combined:
    made = workers_by_pool(demand)
    top_ups: list[Proposal] = []
    cut: dict[PoolName, tuple[tuple[WorkerRequest, int], ...]] = {}
    for view in views:
        name, growth_limit = view.spec.name, growth_limits[view.spec.name]
        mine = [ask for ask in asks if ask.pool == name]
        if not mine:
            continue
        used = workers_by_offer(demand, name)
        given, lacking = 0, []
        for ask in mine:
            most = (growth_limit.for_minimum if ask.minimum else growth_limit.workers) - made.get(name, 0)
            proposals = over_offers(
                ask,
                max(0, min(ask.count, most) - given),
                cheapest_first(view, growth_limit.offers, used),
                used,
            )
            top_ups += proposals
            given += sum(proposal.count for proposal in proposals)
            if ask.count > given:
                lacking.append((ask, ask.count - given))
        if lacking:
            cut[name] = tuple(lacking)
    return Combined(proposals=(*demand, *top_ups), cut=cut)


def over_offers(
    ask: WorkerRequest, count: int, offers: list[OfferLimit], used: dict[OfferName, int]
) -> list[Proposal]:
    """In their order, the cheapest first, each as far as it goes. `used` is brought up to date."""
    found = []
    for offer in offers:
        taken = min(count, count if offer.limit is None else offer.limit - used.get(offer.offer, 0))
        if taken > 0:
            template, zone, spot = offer.offer
            found.append(
                Proposal(
                    pool=ask.pool, template=template, zone=zone, spot=spot, count=taken, reason=ask.reason
                )
            )
            used[offer.offer] = used.get(offer.offer, 0) + taken
            count -= taken
    return found
