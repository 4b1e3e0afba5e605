"""Offers: what pools may create and providers sell."""

from collections.abc import Iterator

from herder.client.http.transport import Query, Transport
from herder.client.parts.pages import whole
from herder.wire.api.offers import ListedOffer


class Offers:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self, driver: str | None = None, *, shapes: bool = False) -> Iterator[ListedOffer]:
        """`driver`: of this one alone. `shapes`: also what providers sell beside the templates of pools."""
        query: Query = {"shapes": shapes} | ({} if driver is None else {"driver": driver})
        return whole(self._http, "/offers", ListedOffer, query)
