"""Kubernetes quantities (`500m`, `1.5Gi`, `2e3`), exactly: whole thousand-millionths of a unit, then our units. Pure.

Called by `requests` and `nodes`. Smaller parts than a thousand-millionth are rounded up, as Kubernetes does. A request is rounded up to our
unit, a capacity down, so that what fits by our figures fits by Kubernetes' own.
"""

import re
from functools import lru_cache

from herder.model.values.resources import AMOUNT_MAX, Unit

NANO = 10**9
_FORM = re.compile(r"([+-]?)([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3}|[numkMGTPE]|[KMGTPE]i)?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_LENGTH_MAX = 64
_EXPONENT_MAX = 30
#: One of our units, in thousand-millionths of Kubernetes' unit (cores, bytes, pieces).
_UNITS = {Unit.MILLI: NANO // 1000, Unit.MIB: NANO * 2**20, Unit.COUNT: NANO}


class QuantityError(ValueError):
    """This is no quantity."""


@lru_cache(maxsize=8192)
def nano(text: str) -> int:
    """Thousand-millionths of the unit. Raises QuantityError."""
    match = _FORM.fullmatch(text) if len(text) <= _LENGTH_MAX else None
    if match is None:
        raise QuantityError(f"'{text[:_LENGTH_MAX]}' is not a quantity; write one such as 500m or 2Gi")
    sign, number, suffix = match[1], match[2], match[3] or ""
    whole, _, part = number.partition(".")
    amount, exponent = int((whole + part) or "0"), 9 - len(part)
    if suffix in _BINARY:
        amount <<= _BINARY[suffix]
    elif suffix in _DECIMAL:
        exponent += _DECIMAL[suffix]
    else:
        exponent += int(suffix[1:])
    if exponent > _EXPONENT_MAX:
        raise QuantityError(f"'{text}' is more than the largest possible quantity")
    factor: int = 10 ** abs(exponent)
    amount = amount * factor if exponent >= 0 else -(-amount // factor)
    return -amount if sign == "-" else amount


def rounded_up(amount_nano: int, unit: Unit) -> int:
    """A request in our unit. Raises QuantityError for one that is negative or beyond all bounds."""
    amount = -(-amount_nano // _UNITS[unit])
    if not 0 <= amount <= AMOUNT_MAX:
        raise QuantityError("a request is negative or larger than possible")
    return amount


def rounded_down(amount_nano: int, unit: Unit) -> int:
    """A capacity in our unit: never more than there is."""
    return max(0, min(amount_nano // _UNITS[unit], AMOUNT_MAX))
