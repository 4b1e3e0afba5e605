"""Prices of sizes of VMs, from Azure's list of retail prices. Pure.

What is not there is unknown: never zero. Where the list has two prices for one thing, the higher one counts: never less than it costs.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from herder.model.values.money import PICO_PER_USD, PicoUsd

#: Of products whose prices are not those of a Linux VM.
_OTHERS = ("windows", "cloud services", "cloudservices", "dedicated host")


class RetailPrices:
    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._prices: dict[tuple[str, bool], int] = {}
        """By size and spot, in pico-USD for an hour."""
        for row in rows:
            self._note(row)

    def price(self, size: str, *, spot: bool) -> PicoUsd | None:
        found = self._prices.get((size.lower(), spot))
        return None if found is None else PicoUsd(found)

    def _note(self, row: Mapping[str, Any]) -> None:
        product, name = str(row.get("productName", "")).lower(), str(row.get("skuName", ""))
        if (
            row.get("type") != "Consumption"
            or any(each in product for each in _OTHERS)
            or "Low Priority" in name
        ):
            return
        if (
            row.get("currencyCode") != "USD"
            or row.get("unitOfMeasure") != "1 Hour"
            or row.get("tierMinimumUnits")
        ):
            return
        price = row.get("retailPrice")
        if isinstance(price, bool) or not isinstance(price, int | float) or price <= 0:
            return
        key = (str(row.get("armSkuName", "")).lower(), name.endswith(" Spot"))
        pico = int(Decimal(repr(price)) * PICO_PER_USD)
        self._prices[key] = max(pico, self._prices.get(key, 0))
