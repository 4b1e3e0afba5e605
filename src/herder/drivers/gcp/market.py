"""What Google sells in the zones of the driver, for how much, and how much of it the project may have: each as data with its age. Called by `driver`."""

from collections.abc import Sequence
from dataclasses import replace

from herder.drivers.gcp.api import Api, Json
from herder.drivers.gcp.catalogue import SERVICE, Catalogue
from herder.drivers.gcp.needs import need_of
from herder.drivers.gcp.options import wanted
from herder.drivers.gcp.settings import GcpSettings, region_of
from herder.model.fleet.driver import DriverClock
from herder.model.fleet.driver_capabilities import Need, OfferedShape, Price, Quota
from herder.model.fleet.worker import WorkerSpec
from herder.model.values.resources import Resources
from herder.remote.clouds.dated import Refreshed

#: Types of machines change rarely.
TYPES_REFRESH_S = 6 * 3600.0


class Market:
    def __init__(self, api: Api, settings: GcpSettings, clock: DriverClock) -> None:
        self._api, self._settings = api, settings
        self._types = Refreshed(self._read_types, TYPES_REFRESH_S, clock)
        self._catalogue = Refreshed(self._read_catalogue, settings.price_refresh_s, clock)
        self._regions = Refreshed(self._read_regions, settings.quota_refresh_s, clock)

    def offers(self) -> Sequence[OfferedShape]:
        """Each type of machine in the zones that have it, on demand and as spot."""
        zones: dict[str, list[str]] = {}
        shapes: dict[str, Json] = {}
        for zone, rows in self._types.get().value.items():
            for row in rows:
                name = str(row.get("name", ""))
                zones.setdefault(name, []).append(zone)
                shapes[name] = row
        return [
            OfferedShape(name=name, resources=resources_of(shapes[name]), zones=tuple(found), spot=spot)
            for name, found in sorted(zones.items())
            for spot in (False, True)
        ]

    def prices(self) -> Sequence[Price]:
        """Of what the catalogue prices whole; what it does not is not among them, since nobody knows what it costs."""
        if not self._settings.prices:
            return ()
        catalogue = self._catalogue.get()
        found = []
        for zone, rows in self._types.get().value.items():
            for row in rows:
                for spot in (False, True):
                    pico = catalogue.value.price(row, region_of(zone), spot=spot)
                    if pico is not None:
                        name = str(row.get("name", ""))
                        found.append(
                            Price(
                                shape=name, zone=zone, spot=spot,
                                pico_per_hour=pico, as_of_ms=catalogue.as_of_ms,
                            )
                        )  # fmt: skip
        return found

    def quotas(self) -> Sequence[Quota]:
        """Of each region, in Google's own names: CPUS, PREEMPTIBLE_CPUS, SSD_TOTAL_GB, NVIDIA_L4_GPUS and others."""
        regions = self._regions.get()
        return [
            Quota(
                name=str(row.get("metric", "")),
                zone=region,
                limit=int(float(row["limit"])),
                used=int(float(row["usage"])),
                as_of_ms=regions.as_of_ms,
            )
            for region, found in regions.value.items()
            for row in found.get("quotas", [])
            if "limit" in row and "usage" in row
        ]

    def need(self, spec: WorkerSpec) -> Need:
        """From what was read before. Raises InvalidRequest."""
        asked, zone = wanted(spec, self._settings), spec.zone or self._settings.zone_names[0]
        types, regions = self._types.known or {}, self._regions.known or {}
        rows = [row for row in types.get(zone, ()) if row.get("name") == asked.machine_type]
        quotas = regions.get(region_of(zone), {}).get("quotas", ())
        limits = {str(each.get("metric", "")): float(each["limit"]) for each in quotas if "limit" in each}
        need = need_of(asked, rows[0], limits, region_of(zone), spot=spec.spot) if rows else Need()
        return need if asked.accelerators or asked.local_ssds else replace(need, shape=asked.machine_type)

    def _read_types(self) -> dict[str, list[Json]]:
        return {zone: self._api.machine_types(zone) for zone in self._settings.zone_names}

    def _read_regions(self) -> dict[str, Json]:
        return {region: self._api.region(region) for region in self._settings.regions}

    def _read_catalogue(self) -> Catalogue:
        return Catalogue(self._api.skus(SERVICE), self._settings.regions)


def resources_of(row: Json) -> Resources:
    gpus = sum(int(each.get("guestAcceleratorCount", 0)) for each in row.get("accelerators", []))
    return Resources(int(row.get("guestCpus", 0)) * 1000, int(row.get("memoryMb", 0)), 0, gpus)
