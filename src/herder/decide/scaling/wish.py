"""What a trigger answers: so many workers of this template in this pool, for this reason. Data only."""

from dataclasses import dataclass

from herder.model.ids import PoolName
from herder.model.plan import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    pool: PoolName
    template: str
    count: int
    reason: Reason


def workers_by_pool(wishes: tuple[Wish, ...]) -> dict[PoolName, int]:
    result: dict[PoolName, int] = {}
    for wish in wishes:
        result[wish.pool] = result.get(wish.pool, 0) + wish.count
    return result
