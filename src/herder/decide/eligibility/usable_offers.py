"""Offers on which a job could run, whatever the load: where there is most memory, and which pool is the cheapest.

Asked when a job is to be tried again with more memory, and by what people are shown. As in `admission`, templates are looked at, not the workers
that there happen to be.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from herder.decide.eligibility.matching import kind_of_template, may_use_kind
from herder.model.fleet.offer import Offer, offers_of
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import PoolName
from herder.model.values.resources import Resources
from herder.model.work.demand import Asks


class PoolOffer(NamedTuple):
    pool: PoolName
    offer: Offer


def usable_offers(asks: Asks, request: Resources, pools: Iterable[PoolSpec]) -> Iterator[PoolOffer]:
    """Those that can hold `request`, each used by one job alone."""
    for pool in pools:
        for template in pool.templates if pool.size.max_workers > 0 else ():
            if template.slots <= 0 or not request.fits_in(template.allocatable):
                continue
            for offer in offers_of(template):
                if may_use_kind(asks, kind_of_template(pool, offer)):
                    yield PoolOffer(pool.name, offer)


def largest_memory_mib(asks: Asks, pools: Iterable[PoolSpec]) -> int:
    """Of the offers that have all else that is requested; 0: there is none."""
    rest = asks.request.replaced("memory_mib", 0)
    return max(
        (each.offer.allocatable.memory_mib for each in usable_offers(asks, rest, pools)),
        default=0,
    )


def cheapest_offers(asks: Asks, pools: Iterable[PoolSpec]) -> list[PoolOffer]:
    """Of each pool that can hold the job the cheapest offer; the cheapest pool first."""
    best: dict[PoolName, PoolOffer] = {}
    for each in usable_offers(asks, asks.request, pools):
        known = best.get(each.pool)
        if known is None or each.offer.price_pico_per_hour < known.offer.price_pico_per_hour:
            best[each.pool] = each
    return sorted(best.values(), key=lambda each: (each.offer.price_pico_per_hour, each.pool))
