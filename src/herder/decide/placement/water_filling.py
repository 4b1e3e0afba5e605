"""Weighted max-min shares of one countable resource, in exact integers.

`water_fill` raises whoever has the least for its weight until the capacity is used up. What whole units cannot express
is carried as a deficit to the next round, so that over time everybody gets exactly what is due, also when there are more
users than units. Called by placement (in units of dominant share) and by whoever hands out slots or workers.
It must never give more than the capacity, never less than can be used, and never more to anyone than was wanted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import lcm

from herder.model.ids import UserName

#: Deficits are whole numbers of this part of a unit: exact to a billionth of a unit per round.
PARTS = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """`used`: held already; counts as much as what is granted now. `wanted`: on top of it."""

    user: UserName
    weight: int
    used: int
    wanted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """`grants` has every claimant. `deficits` (in PARTS of a unit, what each is still owed) goes into the next call; it
    names only those who still want something or got ahead. Who got all that was wanted is owed nothing any more."""

    grants: dict[UserName, int]
    deficits: dict[UserName, int]


@dataclass(frozen=True, slots=True)
class _Level:
    """Water stands at `top / bottom` units for each unit of weight."""

    top: int
    bottom: int


def water_fill(
    capacity: int, claims: Sequence[Claim], deficits: Mapping[UserName, int] | None = None
) -> Filled:
    """Grants sum to exactly min(capacity, all that is wanted). Weights are at least 1."""
    owed = deficits or {}
    if sum(claim.wanted for claim in claims) <= capacity:
        return Filled(grants={claim.user: claim.wanted for claim in claims}, deficits={})
    level = _level(max(0, capacity), claims)
    grants: dict[UserName, int] = {}
    carried: dict[UserName, int] = {}
    parts: list[tuple[int, UserName]] = []
    left = max(0, capacity)
    top, bottom = level.top, level.bottom
    for claim in claims:
        user = claim.user
        whole, rest = divmod(claim.weight * top, bottom)
        whole -= claim.used
        if whole < 0:
            grants[user] = 0
        elif whole >= claim.wanted:
            grants[user] = claim.wanted
            left -= claim.wanted
            continue
        else:
            grants[user] = whole
            left -= whole
            if rest:
                parts.append((-(owed.get(user, 0) + rest * PARTS // bottom), user))
                continue
        if owed.get(user):
            carried[user] = owed[user]
    parts.sort()
    for place, (minus_credit, user) in enumerate(parts):
        extra = 1 if place < left else 0
        grants[user] += extra
        if minus_credit + extra * PARTS:
            carried[user] = -minus_credit - extra * PARTS
    return Filled(grants=grants, deficits=carried)


def _level(capacity: int, claims: Iterable[Claim]) -> _Level:
    """The level at which exactly the capacity, which is less than all want, is used. Users join when the water reaches what they hold, and leave when
    it reaches all that they hold and want; between two such marks the water rises evenly."""
    active = [claim for claim in claims if claim.wanted > 0]
    unit = lcm(*{claim.weight for claim in active})
    change: dict[int, int] = {}
    for claim in active:
        weight = claim.weight
        per = unit // weight
        joins = claim.used * per
        leaves = joins + claim.wanted * per
        change[joins] = change.get(joins, 0) + weight
        change[leaves] = change.get(leaves, 0) - weight
    volume = capacity * unit
    at = rising = 0
    for mark in sorted(change):
        needed = rising * (mark - at)
        if needed >= volume and rising:
            break
        volume -= needed
        rising += change[mark]
        at = mark
    return _Level(at * rising + volume, rising * unit)
