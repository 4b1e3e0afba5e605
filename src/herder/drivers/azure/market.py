"""What Azure sells in the zones of the driver, for how much, and how much of it the subscription may have: each as data with its age. Called by `driver`."""

from collections.abc import Sequence

from herder.drivers.azure.api import Api, Json
from herder.drivers.azure.options import wanted
from herder.drivers.azure.prices import RetailPrices
from herder.drivers.azure.settings import AzureSettings, place_of
from herder.model.fleet.driver import DriverClock
from herder.model.fleet.driver_capabilities import Need, OfferedShape, Price, Quota
from herder.model.fleet.worker import WorkerSpec
from herder.model.values.resources import Resources
from herder.remote.clouds.dated import Refreshed

#: Sizes change rarely.
SIZES_REFRESH_S = 6 * 3600.0
#: The quotas of all cores of a location, on demand and as spot, and of its VMs.
CORES, SPOT_CORES, VMS = "cores", "lowPriorityCores", "virtualMachines"


class Market:
    def __init__(self, api: Api, settings: AzureSettings, clock: DriverClock) -> None:
        self._api, self._settings = api, settings
        self._sizes = Refreshed(self._read_sizes, SIZES_REFRESH_S, clock)
        self._prices = Refreshed(self._read_prices, settings.price_refresh_s, clock)
        self._usages = Refreshed(self._read_usages, settings.quota_refresh_s, clock)

    def offers(self) -> Sequence[OfferedShape]:
        """Each size in the zones where the subscription may have it, on demand and, where Azure sells it so, as spot."""
        zones: dict[str, list[str]] = {}
        rows: dict[str, Json] = {}
        for zone, row in self._sold():
            zones.setdefault(str(row["name"]), []).append(zone)
            rows[str(row["name"])] = row
        return [
            OfferedShape(name=name, resources=resources_of(rows[name]), zones=tuple(found), spot=spot)
            for name, found in sorted(zones.items())
            for spot in ((False, True) if _can(rows[name], "LowPriorityCapable") else (False,))
        ]

    def prices(self) -> Sequence[Price]:
        """Of what the list has; what it has not is not among them, since nobody knows what it costs."""
        if not self._settings.prices:
            return ()
        prices = self._prices.get()
        found = []
        for zone, row in self._sold():
            for spot in (False, True):
                name = str(row["name"])
                pico = prices.value[place_of(zone).location].price(name, spot=spot)
                if pico is not None:
                    found.append(
                        Price(shape=name, zone=zone, spot=spot, pico_per_hour=pico, as_of_ms=prices.as_of_ms)
                    )
        return found

    def quotas(self) -> Sequence[Quota]:
        """Of each location, in Azure's own names: cores, lowPriorityCores, virtualMachines, standardDSv5Family and others."""
        usages = self._usages.get()
        return [
            Quota(
                name=_name(row),
                zone=location,
                limit=int(row["limit"]),
                used=int(row["currentValue"]),
                as_of_ms=usages.as_of_ms,
            )
            for location, rows in usages.value.items()
            for row in rows
            if "limit" in row and "currentValue" in row
        ]

    def need(self, spec: WorkerSpec) -> Need:
        """From what was read before, and only where it is sure. Raises InvalidRequest."""
        asked = wanted(spec, self._settings)
        location = place_of(spec.zone or self._settings.zone_names[0]).location
        rows = [
            row for row in (self._sizes.known or {}).get(location, ()) if row.get("name") == asked.vm_size
        ]
        if not rows:
            return Need(shape=asked.vm_size)
        cores = int(_capability(rows[0], "vCPUs") or 0)
        family = str(rows[0].get("family", ""))
        names = (SPOT_CORES,) if spec.spot else (CORES, family)
        amounts = {**dict.fromkeys(names, cores), VMS: 1}
        # The list of sizes writes some families in other letters than the one of quotas.
        there = {_name(row).lower(): _name(row) for row in (self._usages.known or {}).get(location, ())}
        if not cores or not all(name.lower() in there for name in amounts):
            return Need(shape=asked.vm_size)
        return Need(
            quotas={there[name.lower()]: amount for name, amount in amounts.items()},
            zones=(location,),
            shape=asked.vm_size,
        )

    def _sold(self) -> list[tuple[str, Json]]:
        """Zones and the sizes that can be had there."""
        sizes = self._sizes.get().value
        return [
            (zone, row)
            for zone in self._settings.zone_names
            for row in sizes[place_of(zone).location]
            if _sold_in(row, zone)
        ]

    def _read_sizes(self) -> dict[str, list[Json]]:
        return {location: self._api.sizes(location) for location in self._settings.locations}

    def _read_usages(self) -> dict[str, list[Json]]:
        return {location: self._api.usages(location) for location in self._settings.locations}

    def _read_prices(self) -> dict[str, RetailPrices]:
        return {
            location: RetailPrices(self._api.retail_prices(location)) for location in self._settings.locations
        }


def resources_of(row: Json) -> Resources:
    """GPUs that are parts of one count as none: nobody can ask for them."""
    cores = int(_capability(row, "vCPUsAvailable") or _capability(row, "vCPUs") or 0)
    mib = int(float(_capability(row, "MemoryGB") or 0) * 1024)
    return Resources(cores * 1000, mib, 0, int(float(_capability(row, "GPUs") or 0)))


def _sold_in(row: Json, zone: str) -> bool:
    place = place_of(zone)
    zones = {
        number
        for each in row.get("locationInfo", ())
        if str(each.get("location", "")).lower() == place.location
        for number in each.get("zones", ())
    }
    for each in row.get("restrictions", ()):
        if each.get("type") == "Location":
            return False
        if each.get("type") == "Zone":
            zones -= set(each.get("restrictionInfo", {}).get("zones", ()))
    return not place.number or place.number in zones


def _capability(row: Json, name: str) -> str:
    """Empty: it has none of that name."""
    values = (each.get("value") for each in row.get("capabilities", ()) if each.get("name") == name)
    return str(next(values, ""))


def _can(row: Json, name: str) -> bool:
    return _capability(row, name).lower() == "true"


def _name(row: Json) -> str:
    return str(row.get("name", {}).get("value", ""))
