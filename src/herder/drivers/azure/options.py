"""What one worker is to be: the pool's `driver_options` over the driver's settings. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from herder.drivers.azure.settings import IDENTITY, IMAGE, POLICIES, SUBNET, AzureSettings
from herder.model.fleet.driver import InvalidRequest
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerSpec
from herder.model.values.money import parse_usd
from herder.model.values.phrases import sentences
from herder.model.values.resources import parse_mib
from herder.remote.azure.vms import VM_SIZE

#: By option: what a value may be, and what to write.
KNOWN: dict[str, tuple[str, str]] = {
    "vm_size": (VM_SIZE, "Write a size, such as Standard_D8s_v5."),
    "image": (IMAGE, "Write PUBLISHER:OFFER:SKU:VERSION, or the id of an image."),
    "disk": (r".+", "Write a size such as 100Gi."),
    "disk_type": (r"[A-Z][A-Za-z0-9]+_[A-Z]+", "Write a type of disk, such as Premium_LRS."),
    "subnet": (SUBNET, "Write NETWORK/SUBNET, or the id of a subnet."),
    "identity": (IDENTITY, "Write the id of a user-assigned managed identity."),
    "eviction_policy": ("|".join(POLICIES), "Write Delete or Deallocate."),
    "spot_max_price": (r".+", "Write an amount of USD for an hour, such as 0.05."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    vm_size: str
    image: str
    disk_gib: int
    disk_type: str
    subnet: str
    identity: str
    eviction_policy: str
    spot_max_price: Decimal | None
    """USD for an hour; None: up to the price on demand."""


def pool_faults(pool: PoolSpec) -> list[tuple[str, str, str]]:
    """What is wrong with the driver_options of a pool: option, message and remedy. Called by `herder config lint` and before a server starts."""
    return list(_faults(dict(pool.driver_options)))


def _faults(options: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name, value in options.items():
        if name not in KNOWN:
            yield (
                name,
                f"The Azure driver has no option {name!r} in driver_options.",
                f"Possible are {', '.join(KNOWN)}.",
            )
        elif not _possible(name, value):
            yield name, f"driver_options {name} {value!r} is not possible.", KNOWN[name][1]
    if "vm_size" not in options:
        yield (
            "",
            "driver_options does not name a size of VM.",
            "Set driver_options: {vm_size: Standard_D8s_v5}.",
        )


def _possible(name: str, value: str) -> bool:
    try:
        known = re.fullmatch(KNOWN[name][0], value) is not None
        known = known and (name != "disk" or parse_mib(value) > 0)
        return known and (name != "spot_max_price" or parse_usd(value) > 0)
    except ValueError:
        return False


def wanted(spec: WorkerSpec, settings: AzureSettings) -> Wanted:
    """Raises InvalidRequest."""
    options = dict(spec.driver_options)
    for _, message, remedy in _faults(options):
        raise InvalidRequest(sentences(f"Pool {spec.pool}: {message}", remedy))
    found = {name: options.get(name, getattr(settings, name)) for name in ("image", "subnet")}
    for name, value in found.items():
        if not value:
            raise InvalidRequest(
                f"Pool {spec.pool} names no {name}. Set {name} in the driver's settings or in driver_options."
            )
    disk_mib = spec.allocatable.disk_mib + settings.system_disk_gib * 1024
    if "disk" in options:
        disk_mib = parse_mib(options["disk"])
    price = options.get("spot_max_price", settings.spot_max_price)
    return Wanted(
        vm_size=options["vm_size"],
        image=found["image"],
        disk_gib=max(1, -(-disk_mib // 1024)),
        disk_type=options.get("disk_type", settings.disk_type),
        subnet=found["subnet"],
        identity=options.get("identity", settings.identity),
        eviction_policy=options.get("eviction_policy", settings.eviction_policy),
        spot_max_price=Decimal(price.strip().removeprefix("$").partition("/")[0].strip()) if price else None,
    )
