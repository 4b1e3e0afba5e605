"""Price lists as people and providers write them: decimal amounts for so many units. Turned into rates, and compared with those that hold. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

from herder.ledger.lines import COST, UNITS, unit_of
from herder.ledger.months import date_text
from herder.ledger.quantities import DAY_MS
from herder.ledger.rates import Rate, Subject, Tier
from herder.ledger.tokens import PREFIX, RESOURCE
from herder.model.values.money import PICO_PER_USD

#: Units that a price of tokens is for where nothing else is said, as price lists have it.
TOKENS_PER = 1_000_000
#: Bounds of a price, so that no amount takes more than some bytes.
PRICE_MOST = Decimal(10**12)
PLACES_MOST = 40
PER_MOST = 10**12
ABOVE_MOST = 10**18
#: Exact or refused.
_ID_END = re.compile(r"@(\d{4}-\d\d-\d\d)(?:\.([1-9]\d{0,8}))?$")
_EXACT = Context(prec=120, traps=[Inexact, InvalidOperation])


class PriceError(ValueError):
    """Of one row of a price list. `field`: of the row; `hint`: the remedy; `taken`: the row is right, and another rate is in its way."""

    def __init__(
        self, text: str, *, place: int = 0, field: str = "", hint: str = "", taken: bool = False
    ) -> None:
        super().__init__(text)
        self.text, self.place, self.field, self.hint, self.taken = text, place, field, hint, taken


class PriceTier(NamedTuple):
    above: int
    """Units."""
    price: Decimal
    """US dollars for `per` units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A row. `place`: in its list, for what is said of it. `until_ms`: where the row says so, the next one of its subject begins there."""

    subject: Subject
    from_ms: int
    per: int
    tiers: tuple[PriceTier, ...]
    until_ms: int | None = None
    place: int = 0
    version: int = 1
    """Above 1: it replaces a rate of its first day that was wrong."""


class Change(NamedTuple):
    row: Priced
    rate: Rate
    before: Rate | None
    """What held until then; None: nothing."""


def per_of(resource: str) -> int:
    """Units that a price is for where nothing else is said."""
    return TOKENS_PER if resource.startswith(PREFIX) else 1


def rate_id(row: Priced) -> str:
    """`internal/tokens.input/gpt-5@2026-11-28`; of what replaces it `….2`."""
    name = "/".join(each for each in row.subject if each) + f"@{date_text(row.from_ms)}"
    return name if row.version == 1 else f"{name}.{row.version}"


def day_and_version(name: str) -> tuple[str, int] | None:
    """Of the id of a rate; None: it is none."""
    found = _ID_END.search(name)
    return None if found is None else (found[1], int(found[2] or 1))


def price_text(price: Decimal) -> str:
    return format(price.normalize(_EXACT), "f")


def marked_up(price: Decimal, percent: Decimal) -> Decimal:
    """Exactly. Raises PriceError."""
    try:
        return _EXACT.multiply(price, _EXACT.add(Decimal(1), percent.scaleb(-2, _EXACT)))
    except (Inexact, InvalidOperation):
        raise PriceError(f"{percent} % of {price} has too many digits") from None


def times(price: Decimal, units: int) -> Decimal:
    """Exactly. Raises PriceError."""
    try:
        return _EXACT.multiply(price, Decimal(units))
    except (Inexact, InvalidOperation):
        raise PriceError(f"{str(price)[:40]} has too many digits") from None


def rate_of(row: Priced) -> Rate:
    """In fractions of pico-USD for one base unit. Raises PriceError."""
    unit = unit_of(row.subject.resource)
    _check(row)
    assert unit is not None
    whole = row.per * unit.base
    tiers = tuple(
        Tier(each.above * unit.base, Fraction(each.price) * PICO_PER_USD / whole) for each in row.tiers
    )
    return Rate(id=rate_id(row), subject=row.subject, from_ms=row.from_ms, tiers=tiers, version=row.version)


def _check(row: Priced) -> None:
    subject, place = row.subject, row.place
    if subject.card == COST:
        raise PriceError(
            "What machines cost has no rate: it is the price of their offer",
            place=place, field="card", hint="Name a rate card, as internal or external.",
        )  # fmt: skip
    if unit_of(subject.resource) is None or (
        subject.resource.startswith(PREFIX) and not RESOURCE.fullmatch(subject.resource)
    ):
        raise PriceError(
            f"There is no resource {subject.resource[:60]!r}",
            place=place, field="resource",
            hint=f"Resources are {', '.join(UNITS)} and tokens.KIND, as tokens.input.",
        )  # fmt: skip
    if not 1 <= row.per <= PER_MOST:
        raise PriceError(
            f"The price is for {row.per:,} units",
            place=place,
            field="per",
            hint=f"Write 1 to {PER_MOST:,}.",
        )
    if row.from_ms % DAY_MS:
        raise PriceError("A rate begins at the beginning of a day, UTC", place=place, field="from")
    _check_tiers(row)


def _check_tiers(row: Priced) -> None:
    bounds = [each.above for each in row.tiers]
    if not bounds or bounds[0] != 0:
        raise PriceError(
            "There is no price from 0 on",
            place=row.place, field="tiers", hint="Write one tier that is above 0.",
        )  # fmt: skip
    if bounds != sorted(set(bounds)) or bounds[-1] > ABOVE_MOST:
        raise PriceError(
            "The tiers are not in order",
            place=row.place, field="tiers", hint="Write each bound once, the smallest first.",
        )  # fmt: skip
    for each in row.tiers:
        price = each.price
        if not price.is_finite() or price < 0 or price > PRICE_MOST or _places(price) > PLACES_MOST:
            raise PriceError(
                f"{str(price)[:40]} is not a price",
                place=row.place, field="price",
                hint=f"Write a decimal of at least 0 with at most {PLACES_MOST} places, such as 0.05.",
            )  # fmt: skip


def _places(price: Decimal) -> int:
    exponent = price.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else len(price.as_tuple().digits)


def changes_of(
    rows: Iterable[Priced], last: Mapping[Subject, Rate], first: Mapping[Subject, Rate] = MappingProxyType({})
) -> list[Change]:
    """What a list adds to the rates that hold last; a row whose price holds already is none.

    Each subject's rates follow one another without gap or overlap: a rate holds until the next one begins, and one that is added begins after the last, or
    before the `first`: until then its use had no price. Raises PriceError.
    """
    by_subject: dict[Subject, list[Priced]] = {}
    for row in rows:
        by_subject.setdefault(row.subject, []).append(row)
    found = []
    for subject, mine in by_subject.items():
        mine.sort(key=lambda row: (row.from_ms, row.place))
        _check_follow(mine)
        holds, begins, earlier = last.get(subject), first.get(subject), None
        for row in mine:
            rate = rate_of(row)
            if begins is not None and row.from_ms < begins.from_ms:
                if earlier is None or earlier.tiers != rate.tiers:
                    found.append(Change(row, rate, earlier))
                    earlier = rate
                continue
            if holds is not None and row.from_ms <= holds.from_ms:
                if row.from_ms == holds.from_ms and rate.tiers == holds.tiers:
                    continue
                raise PriceError(
                    f"Rate {rate.id} begins no later than {holds.id}, which use may have been priced at",
                    place=row.place, field="from", hint=f"Let it begin on a later day, or replace a rate that is wrong: `herder rate add --replaces {holds.id} --price USD`.",
                    taken=True,
                )  # fmt: skip
            if holds is None or rate.tiers != holds.tiers:
                found.append(Change(row, rate, holds))
                holds = rate
    return sorted(found, key=lambda change: change.row.place)


def _check_follow(rows: Sequence[Priced]) -> None:
    for row, after in zip(rows, (*rows[1:], None), strict=True):
        if after is not None and after.from_ms == row.from_ms:
            raise PriceError(
                "Two rates of one subject begin on the same day",
                place=after.place, field="from", hint="Keep one of them.",
            )  # fmt: skip
        if row.until_ms is None:
            continue
        if after is None:
            raise PriceError(
                "The last rate ends, and nothing follows: its use would have no price",
                place=row.place, field="until", hint="Leave until empty: a rate applies until the next one begins.",
            )  # fmt: skip
        if row.until_ms != after.from_ms:
            what = "a gap before" if row.until_ms < after.from_ms else "an overlap with"
            raise PriceError(
                f"There is {what} the next rate of this subject",
                place=row.place, field="until", hint="Let each rate end on the day on which the next one begins.",
            )  # fmt: skip
