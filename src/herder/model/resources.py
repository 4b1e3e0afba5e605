"""Exact amounts of what a job asks for and a worker has. Integers only, in base units named in the fields.

`Resources` is a tuple so that the packing and placement loops can treat it as a vector without conversion.
"""

import re
from decimal import ROUND_CEILING, Decimal, InvalidOperation, Overflow
from typing import NamedTuple

_QUANTITY = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*$")
_BYTES = {
    "": 1,
    "k": 10**3,
    "K": 10**3,
    "M": 10**6,
    "MB": 10**6,
    "G": 10**9,
    "GB": 10**9,
    "T": 10**12,
    "TB": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "MiB": 2**20,
    "Gi": 2**30,
    "GiB": 2**30,
    "Ti": 2**40,
    "TiB": 2**40,
}
_MIB = 2**20
#: Above this an amount is a slip: a billion cores, an exbibyte. Keeps sums of many far within 64 bits.
AMOUNT_MAX = 10**12


class Resources(NamedTuple):
    """CPU in thousandths of a core, memory and disk in MiB, whole GPUs."""

    cpu_milli: int = 0
    memory_mib: int = 0
    disk_mib: int = 0
    gpu: int = 0

    def plus(self, other: "Resources") -> "Resources":
        return Resources(self[0] + other[0], self[1] + other[1], self[2] + other[2], self[3] + other[3])

    def minus(self, other: "Resources") -> "Resources":
        return Resources(self[0] - other[0], self[1] - other[1], self[2] - other[2], self[3] - other[3])

    def times(self, count: int) -> "Resources":
        return Resources(self[0] * count, self[1] * count, self[2] * count, self[3] * count)

    def fits_in(self, free: "Resources") -> bool:
        return self[0] <= free[0] and self[1] <= free[1] and self[2] <= free[2] and self[3] <= free[3]

    def how_many_in(self, free: "Resources") -> int:
        """How many of this fit side by side into `free`; a vector of zeros fits without limit (returns 2**31)."""
        return max(
            0, min((have // ask for ask, have in zip(self, free, strict=True) if ask > 0), default=2**31)
        )

    def lacking_in(self, free: "Resources") -> dict[str, int]:
        """By dimension, how much `free` is short of this. Empty when it fits."""
        return {
            name: ask - have for name, ask, have in zip(self._fields, self, free, strict=True) if ask > have
        }

    def __str__(self) -> str:
        parts = [format_cpu(self.cpu_milli), format_mib(self.memory_mib) + " memory"]
        if self.disk_mib:
            parts.append(format_mib(self.disk_mib) + " disk")
        if self.gpu:
            parts.append(f"{self.gpu} GPU")
        return ", ".join(parts)


ZERO = Resources()


def parse_cpu(text: str | float) -> int:
    """Cores (`2`, `0.5`, `"500m"`) to milli-cores. Raises ValueError that says what is wrong."""
    raw = str(text).strip()
    try:
        milli = Decimal(raw[:-1]) if raw.endswith("m") else Decimal(raw) * 1000
    except (InvalidOperation, Overflow):
        raise ValueError(
            f"{raw!r} is not an amount of CPU; write cores (2, 0.5) or thousandths (500m)"
        ) from None
    if milli.is_finite() and milli > AMOUNT_MAX:
        raise ValueError(f"{raw[:50]!r} is more CPU than there is anywhere")
    if not milli.is_finite() or milli < 0 or milli != int(milli):
        raise ValueError(f"{raw!r} is not an amount of CPU; the finest step is 1m (a thousandth of a core)")
    return int(milli)


def parse_mib(text: str | float) -> int:
    """A size (`512Mi`, `4Gi`, `8GB`, or a bare number of MiB) to whole MiB, rounded up. Raises ValueError."""
    raw = str(text).strip()
    whole = raw.isascii() and raw.isdigit()
    match = _QUANTITY.match(raw)
    if match is None or (not whole and match.group(2) not in _BYTES) or bool(match.group(2)) is whole:
        raise ValueError(f"{raw[:50]!r} is not a size; write for example 512Mi, 4Gi or 8GB")
    size = Decimal(match.group(1)) * (_MIB if whole else _BYTES[match.group(2)])
    if size > AMOUNT_MAX * _MIB:
        raise ValueError(f"{raw[:50]!r} is more than there is anywhere")
    # Not `-(-size // _MIB)`: a Decimal's division cuts off towards zero.
    return -(-int(size.to_integral_value(ROUND_CEILING)) // _MIB)


def format_cpu(milli: int) -> str:
    return f"{milli // 1000} CPU" if milli % 1000 == 0 else f"{milli}m CPU"


def format_mib(mib: int) -> str:
    return f"{mib // 1024} GiB" if mib and mib % 1024 == 0 else f"{mib} MiB"
