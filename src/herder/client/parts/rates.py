"""Rates: `client.rates`."""

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from herder.client.http.transport import Query, Transport
from herder.client.parts.pages import pages
from herder.wire.api.rates import RateRow, RatesAdd, RatesAnswer, RateView


class Rates:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(
        self, *, card: str = "", resource: str = "", product: str = "", on: str = "", every: bool = False
    ) -> Iterator[RateView]:
        """Those that hold today, or `on` a day (UTC); `every`: also earlier and later ones."""
        query: Query = {"card": card, "resource": resource, "product": product, "on": on, "all": every}
        return pages(self._http, "/rates", RateView, query)

    def get(self, rate: str) -> RateView:
        return self._http.get(f"/rates/{quote(rate) or '-'}", RateView)

    def add(
        self, rates: Sequence[RateRow], *, origin: str = "", new_cards: bool = True, dry_run: bool = False
    ) -> RatesAnswer:
        """All or none; those whose price holds already are left out. `new_cards`: a card that nobody knows is begun, else it is refused."""
        body = RatesAdd(rates=list(rates), origin=origin, new_cards=new_cards)
        return self._http.write("POST", "/rates", RatesAnswer, body, {"dry_run": dry_run})
