"""What pools may cost: an hour of as few and as many workers as they allow."""

from collections.abc import Callable, Iterable

from herder.control.budgets.outlook import Rate
from herder.model.fleet.offer import offers_of
from herder.model.fleet.pool import PoolSpec
from herder.model.values.money import usd_text


def rates_of(pools: Iterable[PoolSpec]) -> list[Rate]:
    return [
        Rate(
            pool=pool.name,
            least=pool.size.min_workers * _price(pool, min),
            most=pool.size.max_workers * _price(pool, max),
        )
        for pool in pools
    ]


def fleet_prices(pools: Iterable[PoolSpec]) -> tuple[str, str]:
    """USD per hour, least and most."""
    rates = rates_of(pools)
    return usd_text(sum(each.least for each in rates)), usd_text(sum(each.most for each in rates))


def _price(pool: PoolSpec, pick: Callable[..., int]) -> int:
    prices = (offer.price_pico_per_hour for template in pool.templates for offer in offers_of(template))
    return int(pick(prices, default=0))
