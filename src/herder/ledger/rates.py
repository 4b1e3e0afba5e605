"""Rates: what a unit of usage costs, exactly, and from when. A list of rates is appended to; what has been booked at one is never changed. A rate that was wrong is replaced by one of
the same first day and a higher version, and is kept. Pure.

Amounts are exact fractions of pico-USD for one base unit of usage; only what is booked is rounded. Bookings telescope: usage that grows from one amount to
the next is booked as the difference of two rounded totals, so that any slices of it sum to exactly the total.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from herder.ledger.tokens import lookups
from herder.model.values.money import PicoUsd


class RateError(ValueError):
    """Of a rate that cannot be appended."""


class Tier(NamedTuple):
    above: int
    """Base units: it holds for what is used beyond them."""
    pico_per_unit: Fraction


class Subject(NamedTuple):
    card: str
    """`internal`, `external`."""
    resource: str
    """`cpu`, `tokens.input`, `network.egress`."""
    product: str = ""
    """A model, or a kind of machine; empty: any that has no rate of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`tiers`: graduated, the first from 0; each holds for the usage above it and below the next."""

    id: str
    subject: Subject
    from_ms: int
    tiers: tuple[Tier, ...]
    version: int = 1
    """It replaces those of its subject and day with a lower one."""

    def __post_init__(self) -> None:
        bounds = [tier.above for tier in self.tiers]
        if not bounds or bounds[0] != 0:
            raise RateError(f"rate {self.id} has no price from 0 on; begin its tiers at 0")
        if bounds != sorted(set(bounds)):
            raise RateError(
                f"the tiers of rate {self.id} are not in order; write each bound once, the smallest first"
            )
        if any(tier.pico_per_unit < 0 for tier in self.tiers):
            raise RateError(f"rate {self.id} has a negative price; write 0 or more")

    def exact(self, quantity: int) -> Fraction:
        """Pico-USD of so many base units since the beginning of the period of its tiers."""
        total = Fraction(0)
        for tier, end in zip(self.tiers, (*(each.above for each in self.tiers[1:]), quantity), strict=True):
            total += tier.pico_per_unit * max(0, min(quantity, end) - tier.above)
        return total

    def booked(self, before: int, after: int) -> PicoUsd:
        """What the growth of usage from `before` to `after` costs: half-even, and exact over all slices."""
        return PicoUsd(round(self.exact(after)) - round(self.exact(before)))


class Piece(NamedTuple):
    rate: Rate | None
    """None: there is none, and the usage is unpriced."""
    from_ms: int
    to_ms: int


@dataclass(slots=True)
class RateList:
    """By subject, each in the order of the times from which they hold; each holds until the next one."""

    _rates: dict[Subject, list[Rate]] = field(default_factory=dict)
    _ids: set[str] = field(default_factory=set)
    _replaced: list[Rate] = field(default_factory=list)

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self._ids)

    def by_id(self, rate_id: str) -> Rate | None:
        """Also one that was replaced."""
        return next((rate for rate in (*self.all(), *self._replaced) if rate.id == rate_id), None)

    def all(self) -> Iterator[Rate]:
        for rates in self._rates.values():
            yield from rates

    @classmethod
    def of(cls, rates: Iterable[Rate]) -> "RateList":
        made = cls()
        for rate in rates:
            made.append(rate)
        return made

    def append(self, rate: Rate) -> None:
        """Raises RateError when it would change what holds before it."""
        known = self._rates.setdefault(rate.subject, [])
        if rate.id in self._ids:
            raise RateError(f"rate {rate.id} exists; give the new one another id")
        last = known[-1] if known else None
        replaces = last is not None and rate.from_ms == last.from_ms and rate.version > last.version
        if last is not None and rate.from_ms <= last.from_ms and not replaces:
            raise RateError(
                f"rate {rate.id} begins no later than {last.id}, which may have been booked at; let it begin later"
            )
        if replaces:
            self._replaced.append(known.pop())
        known.append(rate)
        self._ids.add(rate.id)

    def at(self, subject: Subject, at_ms: int) -> Rate | None:
        """That of the product, and where there is none yet that of any product; each time that of the resource before what stands in for it (`tokens.lookups`)."""
        for each in _subjects(subject):
            rates = self._rates.get(each, [])
            place = bisect_right(rates, at_ms, key=lambda rate: rate.from_ms)
            if place:
                return rates[place - 1]
        return None

    def pieces(self, subject: Subject, from_ms: int, to_ms: int) -> Iterator[Piece]:
        """`[from_ms, to_ms)` cut where another rate begins to hold."""
        cuts = {
            rate.from_ms
            for each in _subjects(subject)
            for rate in self._rates.get(each, [])
            if from_ms < rate.from_ms < to_ms
        }
        begin, found = from_ms, self.at(subject, from_ms)
        for cut in (*sorted(cuts), to_ms):
            rate = self.at(subject, cut) if cut < to_ms else None
            if cut < to_ms and rate == found:
                continue
            if cut > begin:
                yield Piece(found, begin, cut)
            begin, found = cut, rate


def _subjects(subject: Subject) -> Iterator[Subject]:
    """Whose rates may hold, the first before the others."""
    for product in dict.fromkeys((subject.product, "")):
        for resource in lookups(subject.resource):
            yield Subject(subject.card, resource, product)


def portion(quantity: int, from_ms: int, to_ms: int, at_ms: int) -> int:
    """Of usage that is spread evenly over `[from_ms, to_ms)`, what was used by `at_ms`: whole units, never less later, and all of it at the end."""
    if at_ms >= to_ms:
        return quantity
    return quantity * max(0, at_ms - from_ms) // (to_ms - from_ms)
