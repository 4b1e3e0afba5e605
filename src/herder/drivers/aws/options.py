"""What one worker is to be: the pool's `driver_options` over the driver's settings. Pure."""

import re
from collections.abc import Iterator, Mapping

from herder.drivers.aws.settings import AwsSettings
from herder.model.fleet.driver import InvalidRequest
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerSpec
from herder.model.values.phrases import sentences

#: By option: what a value may be, and what to write.
KNOWN: dict[str, tuple[str, str]] = {
    "instance_type": (r"[a-z][a-z0-9-]*\.[a-z0-9-]+", "Write a type of instance, such as m7i.2xlarge."),
    "image": (r"ami-[0-9a-f]{8,17}", "Write the id of an image: ami-…"),
    "disk_type": (r"gp2|gp3|io1|io2", "Write gp3, gp2, io1 or io2."),
    "instance_profile": (r"[\w+=,.@-]{1,128}", "Write the name of an instance profile."),
    "spot_max_price": (r"[0-9]{1,4}(\.[0-9]{1,6})?", "Write US dollars for an hour, such as 0.35."),
}


def pool_faults(pool: PoolSpec) -> list[tuple[str, str, str]]:
    """What is wrong with the driver_options of a pool: option, message and remedy. Called by `herder config lint` and before a server starts."""
    return list(_faults(dict(pool.driver_options)))


def _faults(options: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name, value in options.items():
        if name not in KNOWN:
            message = f"The AWS driver has no option {name!r} in driver_options."
            yield name, message, f"Possible are {', '.join(KNOWN)}."
        elif not re.fullmatch(KNOWN[name][0], value):
            yield name, f"driver_options {name} {value!r} is not possible.", KNOWN[name][1]
    if "instance_type" not in options:
        message = "driver_options does not name a type of instance."
        yield "", message, "Set driver_options: {instance_type: m7i.2xlarge}."


def wanted(spec: WorkerSpec, settings: AwsSettings) -> dict[str, str]:
    """Each option that is known, with its value or an empty text. Raises InvalidRequest."""
    options = dict(spec.driver_options)
    for _, message, remedy in _faults(options):
        raise InvalidRequest(sentences(f"Pool {spec.pool}: {message}", remedy))
    usual = {
        "image": settings.image,
        "disk_type": settings.disk_type,
        "instance_profile": settings.instance_profile,
    }
    found = {name: options.get(name, usual.get(name, "")) for name in KNOWN}
    if not found["image"]:
        raise InvalidRequest(
            f"Pool {spec.pool} names no image. Set image in the driver's settings or in driver_options."
        )
    return found
