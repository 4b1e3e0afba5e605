"""What AWS sells in the region, for how much, and how much of it the account may have: each as data with its age. Called by `driver`."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from herder.drivers.aws.api import Api
from herder.drivers.aws.options import wanted
from herder.drivers.aws.price_list import on_demand, pico_of
from herder.drivers.aws.services import Services
from herder.drivers.aws.settings import AwsSettings
from herder.drivers.aws.vcpu_quotas import VcpuQuota, quota_for, used_of, vcpu_quotas
from herder.drivers.aws.xml import Json, part, rows
from herder.model.fleet.driver import DriverClock, DriverError
from herder.model.fleet.driver_capabilities import Need, OfferedShape, Price, Quota
from herder.model.fleet.worker import WorkerSpec
from herder.model.values.money import PicoUsd
from herder.model.values.phrases import clause
from herder.model.values.resources import Resources
from herder.remote.clouds.dated import Refreshed

_LOG = logging.getLogger(__name__)
#: Types of instances change rarely.
TYPES_REFRESH_S = 6 * 3600.0


class Market:
    def __init__(self, api: Api, services: Services, settings: AwsSettings, clock: DriverClock) -> None:
        self._api, self._services, self._settings, self._clock = api, services, settings, clock
        self._types = Refreshed(self._read_types, TYPES_REFRESH_S, clock)
        self._spot = Refreshed(self._read_spot, settings.price_refresh_s, clock)
        self._on_demand = Refreshed(self._read_on_demand, settings.price_refresh_s, clock)
        self._quotas = Refreshed(self._read_quotas, settings.quota_refresh_s, clock)
        self._told: set[str] = set()

    def offers(self) -> Sequence[OfferedShape]:
        """Each type of instance in the zones that have it, in the markets that have it."""
        types, zones = self._types.get().value
        return [
            OfferedShape(
                name=name,
                resources=resources_of(row),
                zones=tuple(zones.get(name, ())),
                spot=market == "spot",
            )
            for name, row in sorted(types.items())
            for market in _markets(row)
        ]

    def prices(self) -> Sequence[Price]:
        """Of spot, and where the settings say so on demand. Where one of them cannot be read, the other is there; what is in neither is not among them, since nobody
        knows what it costs."""
        reads = [self._spot_prices, *([self._on_demand_prices] if self._settings.prices else [])]
        found, errors = list[Price](), list[DriverError]()
        for read in reads:
            try:
                found += read()
            except DriverError as error:
                errors.append(error)
        if len(errors) == len(reads):
            raise errors[0]
        texts = {clause(error) for error in errors}
        for text in sorted(texts - self._told):
            _LOG.warning("Some prices are not known: %s.", text)
        self._told = texts
        return found

    def quotas(self) -> Sequence[Quota]:
        """Virtual CPUs of each group of families, on demand and as spot, in AWS's own names."""
        quotas = self._quotas.get()
        limits, used = quotas.value
        return [
            Quota(
                name=each.name,
                zone=self._settings.region,
                limit=each.limit,
                used=used[each.name],
                as_of_ms=quotas.as_of_ms,
            )
            for each in limits
            if each.name in used
        ]

    def need(self, spec: WorkerSpec) -> Need:
        """From what was read before, and only where it is sure. Raises InvalidRequest."""
        kind = wanted(spec, self._settings)["instance_type"]
        limits, _ = self._quotas.known or ((), {})
        quota = quota_for(limits, kind, spot=spec.spot)
        types, _ = self._types.known or ({}, {})
        cpus = resources_of(types[kind]).cpu_milli // 1000 if kind in types else 0
        if quota is None or not cpus:
            return Need(shape=kind)
        return Need(quotas={quota.name: cpus}, zones=(self._settings.region,), shape=kind)

    def _spot_prices(self) -> list[Price]:
        """AWS changes them a few times a day, and says when. It does not say that those of China are in yuan."""
        if self._settings.china:
            return []
        spot = self._spot.get()
        return [
            Price(shape=kind, zone=zone, spot=True, pico_per_hour=pico, as_of_ms=spot.as_of_ms)
            for (kind, zone), (_, pico) in sorted(spot.value.items())
        ]

    def _on_demand_prices(self) -> list[Price]:
        prices, (_, zones) = self._on_demand.get(), self._types.get().value
        return [
            Price(shape=kind, zone=zone, spot=False, pico_per_hour=pico, as_of_ms=prices.as_of_ms)
            for kind, pico in sorted(prices.value.items())
            for zone in zones.get(kind, ())
        ]

    def _read_on_demand(self) -> dict[str, PicoUsd]:
        return on_demand(self._services.products(self._settings.region))

    def _read_quotas(self) -> tuple[Sequence[VcpuQuota], dict[str, int]]:
        limits = vcpu_quotas(self._services.quotas())
        return limits, used_of(limits, self._api.running())

    def _read_types(self) -> tuple[dict[str, Json], dict[str, list[str]]]:
        types = {str(row.get("instanceType", "")): row for row in self._api.instance_types()}
        zones: dict[str, list[str]] = {}
        for row in self._api.offerings():
            zones.setdefault(str(row.get("instanceType", "")), []).append(str(row.get("location", "")))
        return types, {name: sorted(found) for name, found in zones.items()}

    def _read_spot(self) -> dict[tuple[str, str], tuple[str, PicoUsd]]:
        """The newest of each type and zone, with its time."""
        newest: dict[tuple[str, str], tuple[str, PicoUsd]] = {}
        for row in self._api.spot_prices(moment_of(self._clock.now_ms())):
            key = (str(row.get("instanceType", "")), str(row.get("availabilityZone", "")))
            pico, moment = pico_of(row.get("spotPrice", "")), str(row.get("timestamp", ""))
            if pico is not None and moment >= newest.get(key, ("", pico))[0]:
                newest[key] = (moment, pico)
        return newest


def moment_of(at_ms: int) -> str:
    """As AWS writes times."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def resources_of(row: Json) -> Resources:
    cpus = int(part(row, "vCpuInfo").get("defaultVCpus", 0))
    gpus = sum(int(each.get("count", 0)) for each in rows(part(row, "gpuInfo"), "gpus"))
    return Resources(cpus * 1000, int(part(row, "memoryInfo").get("sizeInMiB", 0)), 0, gpus)


def _markets(row: Json) -> list[str]:
    found = row.get("supportedUsageClasses")
    known = [str(each) for each in found] if isinstance(found, list) else []
    return [each for each in ("on-demand", "spot") if each in known]
