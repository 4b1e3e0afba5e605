"""Shares the cost of idle machines and of overhead out to those who used the same pool, by a chosen method. Pure.

Lines stay lines: one that belongs to nobody becomes one line for each payer, with amounts and quantities that sum to exactly what it was. Weights are of a
whole month and pool, so that parts of a month sum to the month. Where nobody used the pool in that month the line stays with nobody: it is shown as unallocated.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from herder.ledger.lines import COST, Kind, Line, Payer
from herder.ledger.splits import split
from herder.model.values.money import PICO_PER_USD

NOBODY = Payer()
_SHARED = (Kind.IDLE, Kind.OVERHEAD)


class Method(StrEnum):
    DIRECT = "direct"
    """To the owner of the pool; without one it stays unallocated."""
    PROPORTIONAL = "proportional"
    """By the cost of the payers' own work in the pool."""
    EQUAL = "equal"
    """The same for each who used the pool."""
    TIERED = "tiered"
    """By the cost of their own work, of which the part in a higher tier counts less."""


class Tier(NamedTuple):
    above: int
    """Pico-USD of work in one month."""
    percent: int


#: Cortex' tiers: 0 to 10k counts whole, 10k to 50k 85 %, the rest 70 %; of dollars of a payer's work in a pool and month.
TIERS = (Tier(0, 100), Tier(10_000 * PICO_PER_USD, 85), Tier(50_000 * PICO_PER_USD, 70))

Place = tuple[str, str]
"""(month in which it is booked, pool)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """How idle cost and overhead are shared out. `owners`: by pool, for `direct`."""

    method: Method
    owners: Mapping[str, Payer] = field(default_factory=dict)
    tiers: Sequence[Tier] = TIERS


@dataclass(slots=True)
class Weights:
    """What the payers' own work cost, by month and pool. Made of all lines of the months whose lines are shared out."""

    work: dict[Place, dict[Payer, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[Line]) -> "Weights":
        made = cls()
        for line in lines:
            if line.card == COST and line.kind is Kind.WORKLOAD and line.payer != NOBODY:
                payers = made.work.setdefault((line.period, line.place.pool), {})
                payers[line.payer] = payers.get(line.payer, 0) + (line.pico or 0)
        return made

    def shares(self, place: Place, how: Allocation) -> dict[Payer, int]:
        """By payer: a weight of 0 or more. Corrections may have brought a payer's work below 0, which counts as 0."""
        if how.method is Method.DIRECT:
            owner = how.owners.get(place[1])
            return {} if owner is None else {owner: 1}
        work = {payer: max(0, pico) for payer, pico in self.work.get(place, {}).items()}
        if how.method is Method.EQUAL:
            return {payer: int(pico > 0) for payer, pico in work.items()}
        if how.method is Method.TIERED:
            return {payer: tiered(pico, how.tiers) for payer, pico in work.items()}
        return work


def tiered(quantity: int, tiers: Sequence[Tier]) -> int:
    """Hundredths of `quantity`, each part counted at the percentage of its tier. Never less for more."""
    ends = (*(tier.above for tier in tiers[1:]), quantity)
    return sum(
        tier.percent * max(0, min(quantity, end) - tier.above)
        for tier, end in zip(tiers, ends, strict=True)
    )  # fmt: skip


def allocated(lines: Iterable[Line], weights: Weights, how: Allocation) -> Iterator[Line]:
    """The same lines, with the idle and the overhead of nobody shared out. For each month, pool, resource … the sums stay what they were."""
    found: dict[Place, dict[str, int]] = {}
    payers: dict[Place, dict[str, Payer]] = {}
    for line in lines:
        if line.card != COST or line.kind not in _SHARED or line.payer != NOBODY:
            yield line
            continue
        place = (line.period, line.place.pool)
        if place not in found:
            shares = weights.shares(place, how)
            payers[place] = {"\0".join(payer): payer for payer in shares}
            found[place] = {key: shares[payer] for key, payer in payers[place].items()}
        yield from _shared_out(line, found[place], payers[place])


def _shared_out(line: Line, weights: Mapping[str, int], payers: Mapping[str, Payer]) -> Iterator[Line]:
    quantities = split(line.quantity, weights)
    if not quantities:
        yield line
        return
    amounts = split(line.pico, weights) if line.pico is not None else dict.fromkeys(quantities)
    for key, quantity in quantities.items():
        amount = amounts[key]
        if quantity or amount:
            yield line._replace(payer=payers[key], quantity=quantity, pico=amount)
