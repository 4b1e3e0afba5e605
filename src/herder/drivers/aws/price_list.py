"""Prices of types of instances on demand, from AWS's price list. Pure.

What is not there, or not clear, is unknown: never zero. Where the list has two prices for one type, the higher one counts: never less than it costs.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from herder.model.values.money import PICO_PER_USD, PicoUsd


def on_demand(products: Iterable[Mapping[str, Any]]) -> dict[str, PicoUsd]:
    """By type, for an hour."""
    found: dict[str, PicoUsd] = {}
    for product in products:
        kind = str(_part(_part(product, "product"), "attributes").get("instanceType", ""))
        pico = _hourly(_part(_part(product, "terms"), "OnDemand"))
        if kind and pico is not None:
            found[kind] = max(pico, found.get(kind, pico))
    return found


def pico_of(dollars: object) -> PicoUsd | None:
    """None: it is not a price, and never 0."""
    try:
        pico = int(Decimal(str(dollars)) * PICO_PER_USD)
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return PicoUsd(pico) if pico > 0 else None


def _hourly(terms: Mapping[str, Any]) -> PicoUsd | None:
    """Of the one dimension that a type on demand has."""
    dimensions = [
        each
        for term in terms.values()
        for each in _part(term, "priceDimensions").values()
        if isinstance(each, dict)
    ]
    if len(dimensions) != 1 or dimensions[0].get("unit") != "Hrs":
        return None
    return pico_of(_part(dimensions[0], "pricePerUnit").get("USD", ""))


def _part(found: object, name: str) -> Mapping[str, Any]:
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, dict) else {}
