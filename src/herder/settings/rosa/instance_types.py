"""Types of machine of AWS that machine pools usually have: what their nodes leave to pods, and the on-demand price in us-east-1. Pure.

Called by the import. A type that is not here is not guessed: its figures are left to a person.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

#: Sizes that most families have, in vCPUs.
_SIZES = {
    "large": 2,
    "xlarge": 4,
    "2xlarge": 8,
    "4xlarge": 16,
    "8xlarge": 32,
    "12xlarge": 48,
    "16xlarge": 64,
}
_LARGER = {**_SIZES, "24xlarge": 96}
_OF_C5 = {
    "large": 2,
    "xlarge": 4,
    "2xlarge": 8,
    "4xlarge": 16,
    "9xlarge": 36,
    "12xlarge": 48,
    "18xlarge": 72,
    "24xlarge": 96,
}
#: By family: sizes, GiB for each vCPU, and dollars an hour of its xlarge. Larger sizes cost in proportion.
_FAMILIES: Mapping[str, tuple[Mapping[str, int], int, str]] = {
    "m5": (_LARGER, 4, "0.192"),
    "m5a": (_LARGER, 4, "0.172"),
    "m6i": (_LARGER, 4, "0.192"),
    "m6a": (_LARGER, 4, "0.1728"),
    "m6g": (_SIZES, 4, "0.154"),
    "m7i": (_LARGER, 4, "0.2016"),
    "m7g": (_SIZES, 4, "0.1632"),
    "c5": (_OF_C5, 2, "0.17"),
    "c6i": (_LARGER, 2, "0.17"),
    "c6a": (_LARGER, 2, "0.153"),
    "c6g": (_SIZES, 2, "0.136"),
    "c7i": (_LARGER, 2, "0.1785"),
    "r5": (_LARGER, 8, "0.252"),
    "r5a": (_LARGER, 8, "0.226"),
    "r6i": (_LARGER, 8, "0.252"),
    "r6a": (_LARGER, 8, "0.2268"),
    "r6g": (_SIZES, 8, "0.2016"),
    "r7i": (_LARGER, 8, "0.2646"),
    "r7g": (_SIZES, 8, "0.2142"),
}
#: vCPUs, GiB, GPUs, dollars an hour.
_GPU_TYPES: Mapping[str, tuple[int, int, int, str]] = {
    "g4dn.xlarge": (4, 16, 1, "0.526"),
    "g4dn.2xlarge": (8, 32, 1, "0.752"),
    "g4dn.4xlarge": (16, 64, 1, "1.204"),
    "g4dn.8xlarge": (32, 128, 1, "2.176"),
    "g4dn.12xlarge": (48, 192, 4, "3.912"),
    "g4dn.16xlarge": (64, 256, 1, "4.352"),
    "g5.xlarge": (4, 16, 1, "1.006"),
    "g5.2xlarge": (8, 32, 1, "1.212"),
    "g5.4xlarge": (16, 64, 1, "1.624"),
    "g5.8xlarge": (32, 128, 1, "2.448"),
    "g5.12xlarge": (48, 192, 4, "5.672"),
    "g5.16xlarge": (64, 256, 1, "4.096"),
    "g5.24xlarge": (96, 384, 4, "8.144"),
    "g5.48xlarge": (192, 768, 8, "16.288"),
    "p3.2xlarge": (8, 61, 1, "3.06"),
    "p3.8xlarge": (32, 244, 4, "12.24"),
    "p3.16xlarge": (64, 488, 8, "24.48"),
}
_SYSTEM_CPU_MILLI = 500
#: OpenShift keeps so many percent of each part of a node's memory: first GiB of the part, GiB after its last.
_KEPT_PERCENT = ((0, 4, 25), (4, 8, 20), (8, 16, 10), (16, 128, 6), (128, 100_000, 2))


def nominal(instance_type: str) -> tuple[int, int, int, str] | None:
    """vCPUs, GiB of memory, GPUs, and dollars an hour; None: it is not known here."""
    if instance_type in _GPU_TYPES:
        return _GPU_TYPES[instance_type]
    family, _, size = instance_type.partition(".")
    if family not in _FAMILIES or size not in _FAMILIES[family][0]:
        return None
    sizes, gib, price = _FAMILIES[family]
    cpus = sizes[size]
    return cpus, cpus * gib, 0, f"{(Decimal(price) * cpus / sizes['xlarge']).normalize():f}"


def template(instance_type: str) -> dict[str, Any] | None:
    """As herder.yaml writes it, with what a node leaves to pods after what OpenShift keeps for itself, rounded down."""
    found = nominal(instance_type)
    if found is None:
        return None
    cpus, gib, gpus, price = found
    kept = sum(max(0, min(gib, end) - begin) * percent for begin, end, percent in _KEPT_PERCENT)
    memory = f"{gib - -(-kept // 100)}Gi"
    plain: dict[str, Any] = {
        "name": template_name(instance_type),
        "cpu": f"{cpus * 1000 - _SYSTEM_CPU_MILLI}m",
        "memory": memory,
    }
    return {**plain, **({"gpu": gpus} if gpus else {}), "price_per_hour": price}


def template_name(instance_type: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", instance_type.lower()).strip("-")
