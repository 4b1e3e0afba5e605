"""Why an item has no place, and the smallest change that would give it one. Called by `herder pack` and by explanations.

It looks at one item and at the offers by themselves. It packs nothing: an offer that could take the item when it was empty
and was not opened for it must have been at its limit, or every one that may be opened is full.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from herder.decide.packing.groups import BinOffer
from herder.model.values.resources import Resources


class Obstacle(StrEnum):
    NO_OFFERS = "no_offers"
    NOT_ALLOWED = "not_allowed"
    """It may go into none of the kinds that are offered."""
    TOO_LARGE = "too_large"
    """It fits into no bin that it may go into, however empty."""
    AT_LIMIT = "at_limit"
    """It would fit, and no more bins may be opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """`nearest`: the offer to change, by place in the list. `lacking`: what it is short of, by dimension, when too small."""

    obstacle: Obstacle
    nearest: int | None = None
    lacking: tuple[tuple[str, int], ...] = ()


def misfit(size: Resources, allowed: frozenset[int] | None, offers: Sequence[BinOffer]) -> Misfit:
    if not offers:
        return Misfit(obstacle=Obstacle.NO_OFFERS)
    may = [number for number, offer in enumerate(offers) if allowed is None or offer.kind in allowed]
    if not may:
        return Misfit(obstacle=Obstacle.NOT_ALLOWED)
    fitting = [number for number in may if not _lacking(size, offers[number])]
    if fitting:
        cheapest = min(fitting, key=lambda number: (offers[number].price_pico_per_hour, offers[number].size))
        return Misfit(obstacle=Obstacle.AT_LIMIT, nearest=cheapest)
    nearest = min(may, key=lambda number: _distance(size, offers[number]))
    lacking = _lacking(size, offers[nearest])
    return Misfit(obstacle=Obstacle.TOO_LARGE, nearest=nearest, lacking=tuple(lacking.items()))


def _lacking(size: Resources, offer: BinOffer) -> dict[str, int]:
    lacking = size.lacking_in(offer.size)
    if offer.slots <= 0:
        lacking["slots"] = 1
    return lacking


def _distance(size: Resources, offer: BinOffer) -> tuple[int, float, int]:
    """First in how many dimensions it is short, then by how much of what is asked for, then its price."""
    lacking = _lacking(size, offer)
    asked = {**size.amounts(), "slots": 1}
    return (
        len(lacking),
        sum(short / asked[name] for name, short in lacking.items()),
        offer.price_pico_per_hour,
    )
