"""What a provider charges for the templates of pools, as its driver reported it last, beside what herder.yaml says. Calls no provider.

Plans and costs follow the prices of templates. Those with `prices: provider` get what is reported, as a change of their pool that is stored as any other; for the others, a price
that is wrong is told. Used by the quotas loop and the list of offers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import DriverNotes
from herder.control.pools.pool_actions import store_pool
from herder.control.pools.quotas_left import needs_of
from herder.decide.scaling.offers.worker_specs import worker_spec
from herder.engine.memory.events import record_event
from herder.model.fleet.driver_capabilities import Price
from herder.model.fleet.offer import Offer, offers_of
from herder.model.fleet.pool import PoolSpec, PriceSource, SpotUse, Template, Zone
from herder.model.ids import PlanNumber
from herder.model.stored.changes import Changes
from herder.model.values.money import PICO_PER_USD, format_usd
from herder.model.values.phrases import counted, listed

#: So much of a price may differ without being told: people round, and prices of spot move, at some providers several times a day.
TOLERANCE_PERCENT, SPOT_TOLERANCE_PERCENT = 1, 25
PLACES = 4
#: Hundreds of times what the dearest machine of any provider costs.
PRICE_MOST = 100_000 * PICO_PER_USD
#: Templates that an event names.
NAMED_MOST = 5


ByOffer = Mapping[tuple[str, str, bool], Price]
"""By shape, zone and whether it is spot."""


def prices_of(core: Core, driver: str) -> ByOffer:
    """With the time at which the provider said each, at the latest when it was asked."""
    reported = (core.driver_notes.get(driver) or DriverNotes()).prices
    possible = (each for each in reported.values if _is_price(each.pico_per_hour))
    dated = (replace(each, as_of_ms=each.as_of_ms or reported.at_ms) for each in possible)
    return {(each.shape, each.zone, each.spot): each for each in dated}


def _is_price(pico_per_hour: object) -> bool:
    """Nobody gives machines away: what is no amount is unknown, and the price that was known stays."""
    return type(pico_per_hour) is int and 0 < pico_per_hour <= PRICE_MOST


def charged_for(core: Core, prices: ByOffer, pool: PoolSpec, offer: Offer) -> Price | None:
    """`pool`: of one driver. None: the provider has not reported it, or the driver cannot tell which of its prices it is."""
    if not prices:
        return None
    needs, _ = needs_of(core, pool.driver, [worker_spec(pool, offer, PlanNumber(0), 1, "")])
    return prices.get((needs[0].shape, offer.zone, offer.spot)) if needs else None


def unreported(pool: PoolSpec, offer: Offer) -> str:
    """Why the price of an offer whose price is not known is one that was written or reported before; empty: it is to be the written one."""
    template = next(each for each in pool.templates if each.name == offer.name)
    if template.prices is PriceSource.FILE:
        return ""
    return f"Driver {pool.driver} reports no price of {offer.id}: the last known one counts, or that of herder.yaml."


async def compare_prices(core: Core, driver: str, now_ms: int) -> None:
    """Templates that have the prices of their provider get them; of the others that cost something else there, each price is told once."""
    notes = core.driver_notes.get(driver) or DriverNotes()
    if not notes.prices.values:
        return
    looked_at = (notes.prices.values, tuple(core.state.pools.values()))
    if looked_at == notes.prices_looked_at:
        return
    changes, prices = Changes(), prices_of(core, driver)
    told = _take(core, changes, driver, prices, now_ms)
    notes.prices_looked_at = (notes.prices.values, tuple(core.state.pools.values()))
    told += _tell_wrong(core, changes, notes, driver, prices, now_ms)
    if told:
        await core.commit(changes)
        core.demand_changed.set()


def _take(core: Core, changes: Changes, driver: str, prices: ByOffer, now_ms: int) -> int:
    """How many pools have changed."""
    told = 0
    for name, whole in list(core.state.pools.items()):
        priced = {
            template.name: _priced(core, prices, pool, template)
            for pool in whole.by_driver
            if pool.driver == driver
            for template in pool.templates
            if template.prices is PriceSource.PROVIDER
        }
        templates = tuple(_with_zones(each, priced.get(each.name)) for each in whole.templates)
        if templates == whole.templates:
            continue
        store_pool(core, changes, replace(whole, templates=templates), now_ms)
        names = [new.name for new, old in zip(templates, whole.templates, strict=True) if new != old]
        text = f"Prices of {counted(len(names), 'template')} of pool {name} are now those that driver {driver} reports: {listed(names[:NAMED_MOST])}."
        record_event(core.state, changes, now_ms, "offer.price_changed", f"pool/{name}", text)
        told += 1
    return told


def _priced(core: Core, prices: ByOffer, pool: PoolSpec, template: Template) -> tuple[Zone, ...]:
    """Its zones with what was reported; a price that is not reported any more stays."""
    both = replace(template, spot=SpotUse.PREFER, max_spot_price_pico_per_hour=None)
    found = {(offer.zone, offer.spot): charged_for(core, prices, pool, offer) for offer in offers_of(both)}
    zones = []
    for zone in template.zones:
        plain, spot = found.get((zone.name, False)), found.get((zone.name, True))
        zones.append(
            replace(
                zone,
                price_pico_per_hour=zone.price_pico_per_hour if plain is None else plain.pico_per_hour,
                spot_price_pico_per_hour=zone.spot_price_pico_per_hour
                if spot is None
                else spot.pico_per_hour,
            )
        )
    return tuple(zones)


def _with_zones(template: Template, zones: tuple[Zone, ...] | None) -> Template:
    return template if zones is None else replace(template, zones=zones)


def _tell_wrong(
    core: Core, changes: Changes, notes: DriverNotes, driver: str, prices: ByOffer, now_ms: int
) -> int:
    """How many events there are. A price that comes and goes, or moves a little, is told once."""
    told = 0
    notes.wrong_prices = {key: each for key, each in notes.wrong_prices.items() if key[0] in core.state.pools}
    for pool, offer, price in _wrong(core, driver, prices):
        key, found = (pool.name, offer.id), (price.pico_per_hour, offer.price_pico_per_hour)
        real_before, written_before = notes.wrong_prices.get(key, (0, 0))
        if written_before == found[1] and not _differs(offer, real_before, found[0]):
            continue
        notes.wrong_prices[key] = found
        real, written = (format_usd(each, PLACES) for each in found)
        text = (
            f"Template {offer.id} of pool {pool.name} costs {written} per hour in herder.yaml, but driver {driver} reports {real}. "
            "Plans and costs follow herder.yaml. Correct the price of the template, or write `prices: provider`."
        )
        record_event(core.state, changes, now_ms, "offer.price_differs", f"pool/{pool.name}", text)
        told += 1
    return told


def _wrong(core: Core, driver: str, prices: ByOffer) -> Iterator[tuple[PoolSpec, Offer, Price]]:
    for whole in core.state.pools.values():
        for pool in whole.by_driver:
            if pool.driver != driver:
                continue
            for template in pool.templates:
                if template.prices is PriceSource.PROVIDER:
                    continue
                for offer in offers_of(template):
                    found = charged_for(core, prices, pool, offer)
                    if found is not None and _differs(offer, offer.price_pico_per_hour, found.pico_per_hour):
                        yield pool, offer, found


def _differs(offer: Offer, known: int, real: int) -> bool:
    tolerance = SPOT_TOLERANCE_PERCENT if offer.spot else TOLERANCE_PERCENT
    return abs(known - real) * 100 > real * tolerance
