"""Fractions as decimal numbers, by whole numbers only: no amount is too large for them. Pure."""


def scaled(amount: int, base: int, places: int) -> int:
    """`amount / base` in units of the last of so many decimals, rounded half-even."""
    unit: int = 10**places
    whole, rest = divmod(abs(amount) * unit, base)
    whole += 2 * rest > base or (2 * rest == base and whole % 2 == 1)
    return -whole if amount < 0 else whole


def fixed_text(amount: int, base: int, places: int) -> str:
    """For people: so many decimals, and thousands apart: `1,234.50`."""
    whole, part = divmod(abs(scaled(amount, base, places)), 10**places)
    return f"{'-' if amount < 0 else ''}{whole:,}{f'.{part:0{places}d}' if places else ''}"


def decimal_text(amount: int, base: int, places: int) -> str:
    """For machines: at most so many decimals, without zeros at the end: `1234.5`."""
    found = scaled(amount, base, places)
    whole, part = divmod(abs(found), 10**places)
    text = f"{whole}.{part:0{places}d}".rstrip("0").rstrip(".")
    return f"-{text}" if found < 0 else text
