"""Numbers in files: decimal digits, a point, an exponent; no forms that only a programming language accepts.

Called by readers of rows and of settings. No NaN, no infinity, no `1_000`, no digits of other scripts.
"""

import math
from decimal import Decimal, InvalidOperation

#: Above this nothing is an amount, a time in seconds or a count.
NUMBER_MAX = 10**12


def number(text: str) -> float | None:
    """None when it is no number. An amount that is too large for a float is infinite, and the caller's bound refuses it."""
    try:
        value = float(text)
    except ValueError:
        return None
    if "_" in text or not text.isascii():
        return None
    # What is spelled out ends in a letter; what is too large for a float ends in a digit or a point.
    return value if math.isfinite(value) or not text.strip()[-1:].isalpha() else None


def whole(text: str) -> int | float | None:
    """A whole number exactly, also as `4.0` or `1e9`; a float when it is a number that is not whole."""
    if text.isdigit() and text.isascii() and len(text) <= 20:
        return int(text)
    if text[:1] == "-" and text[1:].isdigit() and text.isascii() and len(text) <= 20:
        return int(text)
    value = number(text)
    return int(value) if value is not None and value.is_integer() else value


def decimal(text: str) -> Decimal | None:
    if "_" in text or not text.isascii():
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None
