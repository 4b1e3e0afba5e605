"""The list of offers: what pools may create, and on request what providers sell, with price, quota left and age. From memory only."""

from collections import Counter
from collections.abc import Iterator

from herder.control.drivers.calling import check_known, driver_names
from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import DriverNotes
from herder.control.pools.provider_prices import ByOffer, charged_for, prices_of, unreported
from herder.control.pools.quotas_left import Capacity, capacity_of, needs_of
from herder.decide.scaling.offers.worker_specs import worker_spec
from herder.model.fleet.offer import Offer, OfferName, offers_of
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import PlanNumber, PoolName
from herder.model.values.money import usd_text
from herder.model.values.phrases import sentence
from herder.model.values.times import iso, iso_or_none
from herder.wire.api.offers import ListedOffer


def listed_offers(core: Core, driver: str | None, *, shapes: bool) -> list[ListedOffer]:
    """`driver`: of this one alone. `shapes`: also what providers sell beside the templates. Raises NotKnown."""
    if driver is not None:
        check_known(core, driver)
    drivers = driver_names(core) if driver is None else [driver]
    now_ms = core.clock.now_ms()
    known = {name: capacity_of(core, name, now_ms) for name in drivers}
    prices = {name: prices_of(core, name) for name in drivers}
    exist: Counter[tuple[PoolName, OfferName]] = Counter(
        (worker.spec.pool, worker.spec.offer) for worker in core.state.workers.values()
    )
    found = [
        _of_template(core, pool, offer, known[pool.driver], prices[pool.driver], exist[pool.name, offer.id])
        for _, whole in sorted(core.state.pools.items())
        for pool in whole.by_driver
        if pool.driver in known
        for template in pool.templates
        for offer in offers_of(template)
    ]
    return found + ([each for name in drivers for each in _sold(core, name)] if shapes else [])


def _of_template(
    core: Core, pool: PoolSpec, offer: Offer, known: Capacity, prices: ByOffer, exist: int
) -> ListedOffer:
    left, why = _left(core, pool, offer, known)
    charged = charged_for(core, prices, pool, offer)
    if offer.most is not None:  # the limit of the pool in this zone
        own = max(0, offer.most - exist)
        left, why = (own if left is None else min(left, own)), ""
    return ListedOffer(
        driver=pool.driver,
        pool=pool.name,
        name=offer.name,
        zone=offer.zone,
        spot=offer.spot,
        cpu_milli=offer.allocatable.cpu_milli,
        memory_mib=offer.allocatable.memory_mib,
        gpu=offer.allocatable.gpu,
        price_per_hour_usd=usd_text(offer.price_pico_per_hour),
        provider_price_per_hour_usd=None if charged is None else usd_text(charged.pico_per_hour),
        price_as_of=None if charged is None else iso_or_none(charged.as_of_ms),
        price_reason=unreported(pool, offer) if charged is None else "",
        workers_left=left,
        quota_as_of=None if known.why else iso(known.as_of_ms),
        reason=sentence(why) if why else "",
    )


def _left(core: Core, pool: PoolSpec, offer: Offer, known: Capacity) -> tuple[int | None, str]:
    """How many more workers the provider's quotas allow; or why nobody knows."""
    needs, why = needs_of(core, pool.driver, [worker_spec(pool, offer, PlanNumber(0), 1, "")])
    why = known.why or why or known.unreported(needs)
    return (None, f"Not known: {why}") if why else (known.most(needs[0]), "")


def _sold(core: Core, driver: str) -> Iterator[ListedOffer]:
    """Each shape of a provider in each of its zones."""
    notes = core.driver_notes.get(driver) or DriverNotes()
    prices = prices_of(core, driver)
    for shape in notes.offers.values:
        for zone in shape.zones or ("",):
            price = prices.get((shape.name, zone, shape.spot))
            yield ListedOffer(
                driver=driver,
                pool="",
                name=shape.name,
                zone=zone,
                spot=shape.spot,
                cpu_milli=shape.resources.cpu_milli,
                memory_mib=shape.resources.memory_mib,
                gpu=shape.resources.gpu,
                price_per_hour_usd=None if price is None else usd_text(price.pico_per_hour),
                provider_price_per_hour_usd=None if price is None else usd_text(price.pico_per_hour),
                price_as_of=None if price is None else iso_or_none(price.as_of_ms),
                workers_left=None,
                quota_as_of=None,
                reason="",
            )
