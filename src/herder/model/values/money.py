"""Money: whole pico-USD (10**-12 $) in plain integers. Never a float, rounded only where it is shown to a person."""

import re
from decimal import Decimal
from typing import NewType

from herder.model.values.decimals import decimal_text, fixed_text

PicoUsd = NewType("PicoUsd", int)
PICO_PER_USD = 10**12
PICO_PER_CENT = 10**10
_PLACES = 12
#: Digits of an amount before its point.
_DIGITS_MOST = 40
MS_PER_HOUR = 3_600_000
_PRICE = re.compile(r"^\$?\s*([0-9]+(?:\.[0-9]+)?)\s*(?:/\s*h)?$")


def parse_usd(text: str | int | Decimal) -> PicoUsd:
    """`"0.12"`, `"$0.12"` or `"$0.12/h"` to pico-USD. Raises ValueError for anything else, floats included."""
    if isinstance(text, float):
        raise ValueError(f"{text!r} is a binary fraction; write the amount as text, for example '0.12'")
    match = _PRICE.match(str(text).strip())
    if match is None and str(text).strip().startswith("-"):
        raise ValueError(f"{text!r} is negative; write an amount of 0 or more, such as 0.12")
    if match is None:
        raise ValueError(f"{text!r} is not an amount of US dollars; write an amount such as 0.12")
    whole, _, part = match.group(1).partition(".")
    whole, part = whole.lstrip("0"), part.rstrip("0")
    if len(whole) > _DIGITS_MOST:
        raise ValueError(f"{str(text)[:_DIGITS_MOST]!r} is too large an amount of US dollars")
    if len(part) > _PLACES:
        raise ValueError(f"{text!r} has more than 12 decimals; write at most 12")
    return PicoUsd(int(whole + part.ljust(_PLACES, "0")))


def cost_of(price_pico_per_hour: int, duration_ms: int) -> PicoUsd:
    """What `duration_ms` costs at an hourly price, rounded half-even to a pico-USD.

    Bookings of a growing interval telescope: book `cost_of(p, now) - cost_of(p, before)` and any slicing of the
    interval sums to exactly the whole.
    """
    whole, rest = divmod(price_pico_per_hour * duration_ms, MS_PER_HOUR)
    double = 2 * rest
    up = double > MS_PER_HOUR or (double == MS_PER_HOUR and whole % 2 == 1)
    return PicoUsd(whole + (1 if up else 0))


def most_cost_of(price_pico_per_hour: int, duration_ms: int) -> PicoUsd:
    """The same rounded up: what is reserved for `duration_ms` is never less than what they cost."""
    return PicoUsd(-(-price_pico_per_hour * duration_ms // MS_PER_HOUR))


def format_usd(pico: int, places: int = 4) -> str:
    """For people: `$0.1200`. Use `usd_text` for machines."""
    text = fixed_text(abs(pico), PICO_PER_USD, places)
    return f"-${text}" if pico < 0 else f"${text}"


def dollars(pico: int) -> str:
    """For people, where amounts may be large or tiny: `$12.30` to the cent, and less than a dollar that is not whole cents as `$0.0125`."""
    return format_usd(pico, 2 if abs(pico) >= PICO_PER_USD or pico * 100 % PICO_PER_USD == 0 else 4)


def limit_text(cents: int, left: int) -> str:
    """For people, of a limit that is known to the cent; one that has something left is not $0.00. `left`: in pico-USD."""
    return dollars(cents * PICO_PER_CENT) if cents or left <= 0 else "less than $0.01"


def usd_text(pico: int) -> str:
    """The exact amount as a decimal string, for JSON: `0.12`."""
    return decimal_text(pico, PICO_PER_USD, _PLACES)
