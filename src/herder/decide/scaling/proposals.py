"""What a trigger answers: so many workers of this template in this pool, for this reason. Data only."""

from dataclasses import dataclass

from herder.model.ids import PoolName
from herder.model.offer import OfferName
from herder.model.plan import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    pool: PoolName
    template: str
    count: int
    reason: Reason
    zone: str = ""
    spot: bool = False

    @property
    def offer(self) -> OfferName:
        return OfferName(self.template, self.zone, self.spot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """`count` workers more than the queue needs, of whatever template is cheapest. A `minimum` waits for no cooldown."""

    pool: PoolName
    count: int
    reason: Reason
    minimum: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a trigger asks for, and what it has to say although it asks for nothing."""

    asks: tuple[Ask, ...] = ()
    notes: tuple[Reason, ...] = ()


def workers_by_pool(wishes: tuple[Wish, ...]) -> dict[PoolName, int]:
    result: dict[PoolName, int] = {}
    for wish in wishes:
        result[wish.pool] = result.get(wish.pool, 0) + wish.count
    return result


def workers_by_offer(wishes: tuple[Wish, ...], pool: PoolName) -> dict[OfferName, int]:
    result: dict[OfferName, int] = {}
    for wish in wishes:
        if wish.pool == pool:
            result[wish.offer] = result.get(wish.offer, 0) + wish.count
    return result
