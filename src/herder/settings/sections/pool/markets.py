"""Zones and spot of a template: reader and writer. Used by the table of settings (`fields`)."""

from typing import Any

from herder.model.fleet.pool import PriceSource, SpotUse, Zone
from herder.model.values.money import PicoUsd, usd_text
from herder.settings.sections.pool.schedules import read_optional_count
from herder.settings.syntax import validation
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Scalar, Value

ZONE_KEYS = ("name", "price_per_hour", "spot_price_per_hour", "max_workers")
#: Zones of one template: each is an offer or two that every plan looks at.
ZONES_MAX = 30


def read_zones(found: Reading, value: Value) -> tuple[Zone, ...]:
    """Names, or mappings with prices and a quota of their own."""
    items = validation.listing(found, value)
    if len(items) > ZONES_MAX:
        found.wrong(
            value,
            f"The template has {len(items)} zones; the maximum is {ZONES_MAX}.",
            f"Name at most {ZONES_MAX} zones.",
        )
    zones: list[Zone] = []
    for item in items[:ZONES_MAX]:
        zone = (
            Zone(name=validation.name(found, item)) if isinstance(item, Scalar) else _read_zone(found, item)
        )
        if any(zone.name == other.name for other in zones):
            found.wrong(item, f"The zone {zone.name!r} is listed twice.", "Remove one of the two.")
        zones.append(zone)
    return tuple(zones)


def _read_zone(found: Reading, value: Value) -> Zone:
    row = validation.table(found, value)
    given = {entry.name: entry.value for entry in validation.known_only(found, row, ZONE_KEYS)}
    if "name" not in given:
        found.wrong(value, "The zone has no name.", "Write `name: us-west-2a`.")
    return Zone(
        name=validation.name(found, given["name"]) if "name" in given else "",
        price_pico_per_hour=read_price(found, given["price_per_hour"]) if "price_per_hour" in given else None,
        spot_price_pico_per_hour=(
            read_price(found, given["spot_price_per_hour"]) if "spot_price_per_hour" in given else None
        ),
        max_workers=read_optional_count(found, given["max_workers"]) if "max_workers" in given else None,
    )


def write_zones(zones: tuple[Zone, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "price_per_hour": write_price(each.price_pico_per_hour),
            "spot_price_per_hour": write_price(each.spot_price_pico_per_hour),
            "max_workers": each.max_workers,
        }
        for each in zones
    ]


def read_price(found: Reading, value: Value) -> PicoUsd | None:
    """null: none is written."""
    return None if isinstance(value, Scalar) and value.text is None else validation.price(found, value)


def write_price(price: PicoUsd | None) -> str | None:
    return None if price is None else usd_text(price)


def read_spot(found: Reading, value: Value) -> SpotUse:
    """true and false are what a program writes for yes and no."""
    if isinstance(value, Scalar) and value.text in ("true", "false"):
        return SpotUse.YES if value.text == "true" else SpotUse.NO
    return validation.choice(found, value, SpotUse, SpotUse.NO)


def read_prices(found: Reading, value: Value) -> PriceSource:
    return validation.choice(found, value, PriceSource, PriceSource.FILE)
