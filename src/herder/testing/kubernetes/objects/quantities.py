"""Quantities as the API writes them (100m, 2, 64Mi, 1e3) and as whole thousandths."""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

PATTERN = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_FORM = re.compile(r"^([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))((?:[eE][-+]?[0-9]+)|[numkMGTPE]|[KMGTPE]i)?$")
_SUFFIX = {
    **{suffix: Fraction(1, 1000**power) for power, suffix in enumerate(("m", "u", "n"), 1)},
    **{suffix: Fraction(1000**power) for power, suffix in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{suffix: Fraction(1024**power) for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}


class BadQuantity(ValueError):
    """It is not one."""

    def __init__(self) -> None:
        super().__init__(f"quantities must match the regular expression '{PATTERN}'")


@lru_cache(maxsize=8192)
def _milli(text: str) -> int:
    match = _FORM.match(text)
    if match is None:
        raise BadQuantity
    number, suffix = match.groups()
    value = Fraction(number.rstrip(".") or "0") * 1000
    if suffix and suffix[0] in "eE" and len(suffix) > 1 and suffix[1:] != "i":
        value *= Fraction(10) ** int(suffix[1:])
    elif suffix:
        value *= _SUFFIX[suffix]
    return -((-value.numerator) // value.denominator)


def milli(value: Any) -> int:
    """Thousandths, rounded up. Raises BadQuantity."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadQuantity
    return _milli(str(value))


def written(value_milli: int) -> str:
    """The shortest way to write so many thousandths in decimal."""
    return f"{value_milli // 1000}" if value_milli % 1000 == 0 else f"{value_milli}m"
