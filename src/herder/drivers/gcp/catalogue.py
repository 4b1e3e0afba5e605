"""Prices of types of machines, put together from Google's catalogue, which prices cores, memory and GPUs apart. Pure.

A part whose price is not found makes the price of the whole unknown: never zero, and never less than it costs.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from herder.model.values.money import PicoUsd

#: Compute Engine.
SERVICE = "6F81-5844-456A"
_SPOT = "Spot Preemptible "
#: `N2 Instance Core running in Netherlands`, `N1 Predefined Instance Ram running in …`, `N2D AMD Instance Core …`, `T2A Arm Instance Ram …`.
_PART = re.compile(
    r"(?P<family>[A-Z][0-9]+[A-Z]?)(?: Predefined| AMD| Arm)? Instance (?P<part>Core|Ram) running in "
)
#: `Nvidia Tesla T4 GPU running in …`, `Nvidia L4 GPU running in …`.
_GPU = re.compile(r"Nvidia (?P<model>[\w ]+?) GPU (?:attached to Spot Preemptible VMs )?running in ")
_NANOS_TO_PICO = 1_000
_PICO = 10**12
#: How the catalogue counts a part, in units of the price: cores and GPUs by the hour, memory by GiB and hour.
_UNITS = frozenset({"h", "GiBy.h"})


class Catalogue:
    def __init__(self, skus: Iterable[Mapping[str, Any]], regions: Iterable[str]) -> None:
        wanted = frozenset(regions)
        self._prices: dict[tuple[str, str, str, bool], int] = {}
        """By part, family or model, region and spot, in pico-USD for a unit."""
        for sku in skus:
            for region in wanted & frozenset(sku.get("serviceRegions", ())):
                self._note(sku, region)

    def price(self, machine_type: Mapping[str, Any], region: str, *, spot: bool) -> PicoUsd | None:
        """For an hour. `machine_type`: as the API describes it. None: unknown."""
        name = str(machine_type.get("name", ""))
        family, cpus, mib = (
            name.partition("-")[0].upper(),
            machine_type.get("guestCpus"),
            machine_type.get("memoryMb"),
        )
        if not cpus or not mib or machine_type.get("isSharedCpu"):
            return None
        core, ram = (self._prices.get((part, family, region, spot)) for part in ("Core", "Ram"))
        if core is None or ram is None:
            return None
        whole = core * int(cpus) + -(-ram * int(mib) // 1024)
        for each in machine_type.get("accelerators", ()):
            gpu = self._prices.get(("GPU", _model(str(each.get("guestAcceleratorType", ""))), region, spot))
            if gpu is None:
                return None
            whole += gpu * int(each.get("guestAcceleratorCount", 0))
        return PicoUsd(whole)

    def _note(self, sku: Mapping[str, Any], region: str) -> None:
        category = sku.get("category", {})
        usage = category.get("usageType")
        if category.get("resourceFamily") != "Compute" or usage not in ("OnDemand", "Preemptible"):
            return
        description = str(sku.get("description", "")).removeprefix(_SPOT)
        price = _unit_price(sku)
        if price is None:
            return
        if part := _PART.match(description):
            self._prices[part["part"], part["family"], region, usage == "Preemptible"] = price
        elif gpu := _GPU.match(description):
            self._prices["GPU", _model(gpu["model"]), region, usage == "Preemptible"] = price


def _model(name: str) -> str:
    """`nvidia-tesla-t4` and `Tesla T4` are the same."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return plain.removeprefix("nvidia")


def _unit_price(sku: Mapping[str, Any]) -> int | None:
    """The newest one, of the last tier: earlier tiers are what is free for everybody."""
    infos = sku.get("pricingInfo") or [{}]
    expression = infos[-1].get("pricingExpression", {})
    rates = expression.get("tieredRates") or []
    if not rates or expression.get("usageUnit") not in _UNITS:
        return None
    price = rates[-1].get("unitPrice", {})
    if price.get("currencyCode") != "USD":
        return None
    pico = int(price.get("units") or 0) * _PICO + int(price.get("nanos") or 0) * _NANOS_TO_PICO
    return pico if pico > 0 else None
