"""What a provider charges for the templates of pools, as its driver reported it last, beside what herder.yaml says. Calls no provider.

Plans and costs follow herder.yaml: a price that is wrong there is told. Used by the quotas loop and the list of offers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import DriverNotes
from herder.control.pools.quotas_left import needs_of
from herder.decide.scaling.offers.worker_specs import worker_spec
from herder.engine.memory.events import record_event
from herder.model.fleet.driver_capabilities import Price
from herder.model.fleet.offer import Offer, offers_of
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import PlanNumber
from herder.model.stored.changes import Changes
from herder.model.values.money import format_usd

#: So much of a price may differ without being told: people round.
TOLERANCE_PERCENT = 1
PLACES = 4


ByOffer = Mapping[tuple[str, str, bool], Price]
"""By shape, zone and whether it is spot."""


def prices_of(core: Core, driver: str) -> ByOffer:
    """With the time at which the provider said each, at the latest when it was asked."""
    reported = (core.driver_notes.get(driver) or DriverNotes()).prices
    dated = (replace(each, as_of_ms=each.as_of_ms or reported.at_ms) for each in reported.values)
    return {(each.shape, each.zone, each.spot): each for each in dated}


def charged_for(core: Core, prices: ByOffer, pool: PoolSpec, offer: Offer) -> Price | None:
    """`pool`: of one driver. None: the provider has not reported it, or the driver cannot tell which of its prices it is."""
    if not prices:
        return None
    needs, _ = needs_of(core, pool.driver, [worker_spec(pool, offer, PlanNumber(0), 1, "")])
    return prices.get((needs[0].shape, offer.zone, offer.spot)) if needs else None


async def tell_wrong_prices(core: Core, driver: str, now_ms: int) -> None:
    """One event for each template whose price has become another one than that of its provider, once for each price."""
    notes = core.driver_notes.get(driver) or DriverNotes()
    looked_at = (notes.prices.values, tuple(core.state.pools.values()))
    if not notes.prices.values or looked_at == notes.prices_looked_at:
        return
    notes.prices_looked_at = looked_at
    before, notes.wrong_prices = notes.wrong_prices, {}
    changes, told = Changes(), False
    for pool, offer, price in _wrong(core, driver):
        key, found = (pool.name, offer.id), (price.pico_per_hour, offer.price_pico_per_hour)
        notes.wrong_prices[key] = found
        if before.get(key) == found:
            continue
        real, written = (format_usd(each, PLACES) for each in found)
        text = (
            f"Template {offer.id} of pool {pool.name} costs {written} per hour in herder.yaml, but driver {driver} reports {real}. "
            "Plans and costs follow herder.yaml. Correct the price of the template."
        )
        record_event(core.state, changes, now_ms, "offer.price_differs", f"pool/{pool.name}", text)
        told = True
    if told:
        await core.commit(changes)


def _wrong(core: Core, driver: str) -> Iterator[tuple[PoolSpec, Offer, Price]]:
    prices = prices_of(core, driver)
    for whole in core.state.pools.values():
        for pool in whole.by_driver:
            if pool.driver != driver:
                continue
            for template in pool.templates:
                for offer in offers_of(template):
                    found = charged_for(core, prices, pool, offer)
                    if found is not None and _differs(offer.price_pico_per_hour, found.pico_per_hour):
                        yield pool, offer, found


def _differs(written: int, real: int) -> bool:
    return abs(written - real) * 100 > real * TOLERANCE_PERCENT
