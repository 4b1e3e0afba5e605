"""The rule of prices: a worker costs what its offer cost when it was claimed, however prices move afterwards."""

from collections.abc import Iterator

from herder.model.fleet.offer import offers_of
from herder.simulate.chaos.rules.fleet_news import FleetNews, Sold, WorkerNews
from herder.simulate.chaos.world import World

#: A plan was made so long before its commit at most.
PLANNED_S = 60.0


class PriceRules:
    def __init__(self, world: World, news: FleetNews) -> None:
        self._world, self._news = world, news
        self._were: dict[Sold, dict[int, float]] = {}
        """By offer and price: until when it was in force."""
        self._paid: dict[str, int] = {}
        """By worker that has not ended."""

    def look(self, news: list[WorkerNews]) -> Iterator[tuple[str, str]]:
        self._note_changes()
        for each in news:
            paid = self._paid.get(each.name)
            if paid is None and each.price not in self._allowed(each.sold):
                yield (
                    "a worker costs what its offer cost",
                    f"Worker {each.name} costs {each.price} pico-USD an hour; its offer {each.sold} costs {self._allowed(each.sold)}.",
                )
            elif paid is not None and paid != each.price:
                yield (
                    "a worker costs what its offer cost",
                    f"Worker {each.name} cost {paid} pico-USD an hour and now costs {each.price}.",
                )
            if each.state.ended:
                self._paid.pop(each.name, None)
            else:
                self._paid[each.name] = each.price

    def _note_changes(self) -> None:
        now_s = self._world.loop.time()
        for name, spec in self._news.pools.items():
            before = self._news.pools_before.get(name)
            if before is None or before is spec:
                continue
            for template in before.templates:
                for offer in offers_of(template):
                    sold = name, offer.name, offer.zone, offer.spot
                    prices = self._were.setdefault(sold, {})
                    prices[int(offer.price_pico_per_hour)] = now_s
                    for price in [each for each, until_s in prices.items() if now_s - until_s > PLANNED_S]:
                        del prices[price]

    def _allowed(self, sold: Sold) -> list[int]:
        spec, now_s = self._news.pools.get(sold[0]), self._world.loop.time()
        found = [price for price, until_s in self._were.get(sold, {}).items() if now_s - until_s <= PLANNED_S]
        for template in () if spec is None else spec.templates:
            found += [
                int(offer.price_pico_per_hour)
                for offer in offers_of(template)
                if (sold[0], offer.name, offer.zone, offer.spot) == sold
            ]
        return found
