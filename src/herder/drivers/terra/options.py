"""What one worker is to be: the pool's `driver_options` over the driver's settings. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from herder.drivers.terra.settings import PLACEMENTS, TerraSettings
from herder.model.fleet.driver import InvalidRequest
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerSpec
from herder.model.values.phrases import sentences
from herder.remote.azure.vms import MARKETPLACE_IMAGE, VM_SIZE

#: By option: what a value may be, and what to write.
KNOWN: dict[str, tuple[str, str]] = {
    "vm_size": (VM_SIZE, "Write a size, such as Standard_D8ds_v5."),
    "image": (
        MARKETPLACE_IMAGE,
        "Write PUBLISHER:OFFER:SKU:VERSION. Terra gives no boot data to VMs of other images.",
    ),
    "ephemeral_os_disk": ("|".join(PLACEMENTS), f"Write one of {', '.join(PLACEMENTS)}."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    vm_size: str
    image: str
    ephemeral_os_disk: str


def pool_faults(pool: PoolSpec) -> list[tuple[str, str, str]]:
    """What is wrong with the driver_options of a pool: option, message and remedy. Called by `herder config lint` and before a server starts."""
    return list(_faults(dict(pool.driver_options)))


def _faults(options: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name, value in options.items():
        if name not in KNOWN:
            message = f"The Terra driver has no option {name!r} in driver_options."
            yield name, message, f"Possible are {', '.join(KNOWN)}."
        elif not re.fullmatch(KNOWN[name][0], value):
            yield name, f"driver_options {name} {value!r} is not possible.", KNOWN[name][1]
    if "vm_size" not in options:
        message = "driver_options does not name a size of VM."
        yield "", message, "Set driver_options: {vm_size: Standard_D8ds_v5}."


def wanted(spec: WorkerSpec, settings: TerraSettings) -> Wanted:
    """Raises InvalidRequest."""
    options = dict(spec.driver_options)
    for _, message, remedy in _faults(options):
        raise InvalidRequest(sentences(f"Pool {spec.pool}: {message}", remedy))
    if spec.zone not in ("", settings.zone):
        raise InvalidRequest(
            f"Pool {spec.pool} wants zone {spec.zone}, but the workspace is in {settings.zone or 'a region that the setting zone does not name'}. Correct the zones of the templates, or the setting zone."
        )
    image = options.get("image", settings.image)
    if not image:
        raise InvalidRequest(
            f"Pool {spec.pool} names no image. Set image in the driver's settings or in driver_options."
        )
    placement = options.get("ephemeral_os_disk", settings.ephemeral_os_disk)
    return Wanted(vm_size=options["vm_size"], image=image, ephemeral_os_disk=placement)
