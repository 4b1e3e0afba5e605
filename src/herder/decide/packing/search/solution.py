"""The problem and the best solution of the search, shared by `optimise`, `local_search` and `rebuild`. Decides nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from herder.decide.packing.groups import BinOffer
from herder.decide.packing.open_bins import OfferLimits, Run
from herder.decide.packing.shapes import ShapeTable
from herder.model.values.resources import ZERO


@dataclass(slots=True, kw_only=True)
class Task:
    """What is left for new bins, and what may be opened. `left`: how many of each shape, as they stand in the table."""

    table: ShapeTable
    left: Sequence[int]
    offers: Sequence[BinOffer]
    group_limits: Mapping[int, int]
    keep_going: Callable[[], bool]

    def restore(self) -> None:
        for shape, count in zip(self.table.shapes, self.left, strict=True):
            shape.left = count
        self.table.renew()


#: What is worse comes first: items that found no place, then cost, then the number of bins.
Score = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Solution:
    runs: tuple[Run, ...]
    score: Score


def score_of(runs: Sequence[Run], left: int) -> Score:
    return left, cost_of(runs), sum(copies for _, _, copies in runs)


def cost_of(runs: Sequence[Run]) -> int:
    return sum(offer.price_pico_per_hour * copies for offer, _, copies in runs)


def is_enough(answer: Solution, enough: int) -> bool:
    """All is placed, at no more than that."""
    return answer.score[0] == 0 and answer.score[1] <= enough


def cheaper(runs: Sequence[Run], offers: Sequence[BinOffer], room: OfferLimits) -> list[Run]:
    """Each content in the cheapest offer that holds it, as far as the limits go."""
    by_price = sorted(
        offers, key=lambda offer: (offer.price_pico_per_hour, offer.size, offer.kind, offer.key)
    )
    result: list[Run] = []
    for offer, pattern, copies in runs:
        size, slots = ZERO, 0
        for shape, count in pattern:
            size, slots = size.plus(shape.size.times(count)), slots + count
        chosen = offer
        for other in by_price:
            if other.price_pico_per_hour >= offer.price_pico_per_hour:
                break
            if (
                size.fits_in(other.size)
                and slots <= other.slots
                and room.of(other) >= copies
                and all(shape.allowed is None or other.kind in shape.allowed for shape, _ in pattern)
            ):
                chosen = other
                room.take(offer, -copies)
                room.take(other, copies)
                break
        result.append((chosen, pattern, copies))
    return result
