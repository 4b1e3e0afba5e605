"""Prices that move: each offer of the pools has a price that walks at random between a quarter and four times its first one.

`mishaps.py` moves them; the operators of `actors/crowd.py` read the list and put it in force, as people do with a price list.
"""

from typing import Any

from herder.model.fleet.pool import PoolSpec
from herder.model.values.money import PICO_PER_USD
from herder.simulate.chaos.faults.chance import Chance

#: One move multiplies a price by so many percent.
MOVE_PERCENT = (70, 143)
FACTOR_PERCENT = (25, 400)


class PriceList:
    def __init__(self, pools: tuple[PoolSpec, ...]) -> None:
        self._first = {
            (str(pool.name), template.name, zone.name): int(template.price_pico_per_hour)
            for pool in pools
            for template in pool.templates
            for zone in template.zones
        }
        """Of an hour on demand, by (pool, template, zone)."""
        self._percent: dict[tuple[str, str, str, bool], int] = {
            (*key, spot): 30 if spot else 100 for key in self._first for spot in (False, True)
        }
        self.moved: set[str] = set()
        """Pools whose new prices nobody has put in force yet."""

    def move(self, draw: Chance) -> None:
        """All of one pool. Spot may become dearer than on demand."""
        pools = sorted({pool for pool, *_ in self._first})
        if not pools:
            return
        pool = draw.choice(pools)
        for key, percent in self._percent.items():
            if key[0] == pool:
                usual = 30 if key[3] else 100
                moved = percent * draw.randint(*MOVE_PERCENT) // 100
                least, most = (usual * each // 100 for each in FACTOR_PERCENT)
                self._percent[key] = max(least, min(most, moved))
        self.moved.add(pool)

    def put(self, pool: str, plain: dict[str, Any]) -> dict[str, Any]:
        """The pool in plain form with the prices of now."""
        templates = [
            {**template, "zones": [self._zone(pool, template["name"], zone) for zone in template["zones"]]}
            for template in plain["templates"]
        ]
        return {**plain, "templates": templates}

    def _zone(self, pool: str, template: str, zone: dict[str, Any]) -> dict[str, Any]:
        key = pool, template, zone["name"]
        if key not in self._first:
            return zone
        dear, cheap = (self._text(key, spot=spot) for spot in (False, True))
        return {**zone, "price_per_hour": dear, "spot_price_per_hour": cheap}

    def _text(self, key: tuple[str, str, str], *, spot: bool) -> str:
        pico = self._first[key] * self._percent[(*key, spot)] // 100
        return f"{pico // PICO_PER_USD}.{pico % PICO_PER_USD:012}"
