"""The route for offers: what pools may create and providers sell."""

from fastapi import Request

from herder.api.http.replies import flag
from herder.api.http.route_table import RouteTable
from herder.model.permissions import Principal
from herder.wire.api.resources import Page


def add(front: RouteTable) -> None:
    reads = front.reads

    async def list_offers(request: Request, who: Principal) -> Page:
        """Offers with price and quota left. `driver`: of one driver; `shapes`: also what providers sell beside the templates."""
        driver = request.query_params.get("driver") or None
        return reads.offers(who, driver, shapes=flag(request, "shapes"))

    front.read("/offers", list_offers, Page, query=("driver", "shapes"))
