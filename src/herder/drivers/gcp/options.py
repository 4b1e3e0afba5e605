"""What one worker is to be: the pool's `driver_options` over the driver's settings. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from herder.drivers.gcp.settings import GcpSettings
from herder.model.fleet.driver import InvalidRequest
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerSpec
from herder.model.values.phrases import sentences
from herder.model.values.resources import parse_mib

_NAME = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"
_PATH = r"[a-z0-9][-a-zA-Z0-9_./:]{0,300}"
#: By option: what a value may be, and what to write.
KNOWN: dict[str, tuple[str, str]] = {
    "machine_type": (r"[a-z][a-z0-9]*-[a-z0-9-]+", "Write a type of machine, such as n2-standard-8."),
    "image": (_PATH, "Write projects/PROJECT/global/images/NAME, or …/images/family/NAME."),
    "disk": (r".+", "Write a size such as 100Gi."),
    "disk_type": (_NAME, "Write a type of disk, such as pd-ssd."),
    "subnetwork": (_PATH, "Write a name, or regions/REGION/subnetworks/NAME."),
    "service_account": (r"[^@\s/]+@[^@\s/]+", "Write the address of a service account."),
    "network_tags": (rf"{_NAME}([ ,]+{_NAME})*", "Write words of small letters, digits and hyphens."),
    "accelerator": (_NAME, "Write a type of accelerator, such as nvidia-l4."),
    "local_ssds": (r"[1-9]|16|24|32", "Write a number of disks: 1 to 9, 16, 24 or 32."),
    "min_cpu_platform": (r"[A-Z][A-Za-z0-9 ]{1,60}", "Write a platform, such as Intel Ice Lake."),
    "max_run_hours": (r"[0-9]{1,4}(\.[0-9]+)?", "Write a number of hours up to 2,880."),
}
_MOST_RUN_HOURS = 2_880.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    machine_type: str
    image: str
    disk_gib: int
    disk_type: str
    subnetwork: str
    service_account: str
    network_tags: tuple[str, ...]
    accelerator: str
    accelerators: int
    local_ssds: int
    min_cpu_platform: str
    max_run_s: int
    """0: no limit."""


def pool_faults(pool: PoolSpec) -> list[tuple[str, str, str]]:
    """What is wrong with the driver_options of a pool: option, message and remedy. Called by `herder config lint` and before a server starts."""
    return list(_faults(dict(pool.driver_options)))


def _faults(options: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name, value in options.items():
        if name not in KNOWN:
            yield (
                name,
                f"The Google Cloud driver has no option {name!r} in driver_options.",
                f"Possible are {', '.join(KNOWN)}.",
            )
        elif not _possible(name, value):
            yield name, f"driver_options {name} {value!r} is not possible.", KNOWN[name][1]
    if "machine_type" not in options:
        yield (
            "",
            "driver_options does not name a type of machine.",
            "Set driver_options: {machine_type: n2-standard-8}.",
        )


def _possible(name: str, value: str) -> bool:
    if not re.fullmatch(KNOWN[name][0], value):
        return False
    if name == "max_run_hours":
        return float(value) <= _MOST_RUN_HOURS
    if name == "disk":
        try:
            return parse_mib(value) > 0
        except ValueError:
            return False
    return True


def wanted(spec: WorkerSpec, settings: GcpSettings) -> Wanted:
    """Raises InvalidRequest."""
    options = dict(spec.driver_options)
    for _, message, remedy in _faults(options):
        raise InvalidRequest(sentences(f"Pool {spec.pool}: {message}", remedy))
    image = options.get("image", settings.image)
    if not image:
        raise InvalidRequest(
            f"Pool {spec.pool} names no image. Set image in the driver's settings or in driver_options."
        )
    gpus = -(-spec.allocatable.gpu // spec.gpu_parts)
    disk_mib = spec.allocatable.disk_mib + settings.system_disk_gib * 1024
    if "disk" in options:
        disk_mib = parse_mib(options["disk"])
    hours = float(options.get("max_run_hours", settings.max_run_hours))
    tags = options.get("network_tags", settings.network_tags)
    return Wanted(
        machine_type=options["machine_type"],
        image=image,
        disk_gib=max(1, -(-disk_mib // 1024)),
        disk_type=options.get("disk_type", settings.disk_type),
        subnetwork=options.get("subnetwork", settings.subnetwork),
        service_account=options.get("service_account", settings.service_account),
        network_tags=tuple(tags.replace(",", " ").split()),
        accelerator=options.get("accelerator", ""),
        accelerators=gpus if "accelerator" in options else 0,
        local_ssds=int(options.get("local_ssds", 0)),
        min_cpu_platform=options.get("min_cpu_platform", ""),
        max_run_s=int(hours * 3600),
    )
