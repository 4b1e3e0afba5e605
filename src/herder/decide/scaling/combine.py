"""Settle what the triggers ask for: the workers that demand needs also count towards a pool's minimum.

Called by the planner. Demand has been packed within the limits already; what the minimum wants on top is cut here. It
never gives a pool more than its room.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from herder.decide.scaling.limits import Room
from herder.decide.scaling.wish import Wish, workers_by_pool
from herder.model.ids import PoolName


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """`wishes` are to be fulfilled, in this order. `below_minimum`: by pool, what a limit keeps from the minimum."""

    wishes: tuple[Wish, ...]
    below_minimum: Mapping[PoolName, int]


def combine(demand: tuple[Wish, ...], minimums: tuple[Wish, ...], rooms: Mapping[PoolName, Room]) -> Settled:
    made = workers_by_pool(demand)
    top_ups: list[Wish] = []
    cut: dict[PoolName, int] = {}
    for wish in minimums:
        already = made.get(wish.pool, 0)
        missing = wish.count - already
        granted = max(0, min(missing, rooms[wish.pool].for_minimum - already))
        if granted:
            top_ups.append(replace(wish, count=granted))
        if missing > granted:
            cut[wish.pool] = missing - granted
    return Settled(wishes=(*demand, *top_ups), below_minimum=cut)
