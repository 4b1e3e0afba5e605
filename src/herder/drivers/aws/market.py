"""What AWS sells in the region, and what spot instances cost there now: each as data with its age. Called by `driver`.

On-demand prices are not known here: EC2 does not say them.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from herder.drivers.aws.api import Api
from herder.drivers.aws.xml import Json, part, rows
from herder.model.fleet.driver import DriverClock
from herder.model.fleet.driver_capabilities import OfferedShape, Price
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources
from herder.remote.clouds.dated import Refreshed

#: Types of instances change rarely.
TYPES_REFRESH_S = 6 * 3600.0
_PICO = 10**12


class Market:
    def __init__(self, api: Api, price_refresh_s: float, clock: DriverClock) -> None:
        self._api, self._clock = api, clock
        self._types = Refreshed(self._read_types, TYPES_REFRESH_S, clock)
        self._spot = Refreshed(self._read_spot, price_refresh_s, clock)

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
        """Of spot alone; AWS changes them a few times a day, and says when."""
        spot = self._spot.get()
        return [
            Price(shape=kind, zone=zone, spot=True, pico_per_hour=pico, as_of_ms=spot.as_of_ms)
            for (kind, zone), (_, pico) in sorted(spot.value.items())
        ]

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
            pico, moment = _pico(str(row.get("spotPrice", ""))), str(row.get("timestamp", ""))
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


def _pico(dollars: str) -> PicoUsd | None:
    """None: it is not a price, and never 0."""
    try:
        pico = int(Decimal(dollars) * _PICO)
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return PicoUsd(pico) if pico > 0 else None
