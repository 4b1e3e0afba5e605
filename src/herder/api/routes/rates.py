"""Routes for rates: what a unit of use is charged at, from which day on."""

from fastapi import Request

from herder.api.http.bodies import APPLY_BYTES_MAX
from herder.api.http.replies import flag, page_size
from herder.api.http.route_table import CHANGE_FLEET, DRY_RUN, Repeat, RouteTable, Write
from herder.control.reads.rates import RateFilter
from herder.model.permissions import Principal
from herder.wire.api.rates import RatesAdd, RatesAnswer, RateView
from herder.wire.api.resources import Page


def add(front: RouteTable) -> None:
    commands, reads = front.commands, front.reads

    async def list_rates(request: Request, who: Principal) -> Page:
        """Rates that hold today or `on` a day; with all=true every one. `card`, `resource`, `product`: only of these."""
        asked = request.query_params
        filters = RateFilter(
            card=asked.get("card", ""), resource=asked.get("resource", ""), product=asked.get("product", ""),
            on=asked.get("on", ""), every=flag(request, "all"),
        )  # fmt: skip
        return await reads.rates(who, filters, asked.get("after"), page_size(request))

    async def get_rate(request: Request, who: Principal) -> RateView:
        """One rate."""
        return await reads.rate(who, request.path_params["rate"])

    def add_rates(write: Write) -> RatesAnswer:
        """Add rates, all or none. Those whose price holds already are left out."""
        return commands.add_rates(
            write.who, write.body, write.found, write.changes, write.now_ms, dry_run=write.dry_run
        )

    async def again(repeat: Repeat) -> RatesAnswer:
        return await reads.added_rates(repeat.who, repeat.body)

    front.read("/rates", list_rates, Page, query=("card", "resource", "product", "on", "all"))
    front.read("/rates/{rate:path}", get_rate, RateView)
    front.write(
        "POST", "/rates", add_rates, RatesAdd, RatesAnswer, CHANGE_FLEET, query=DRY_RUN,
        held=commands.known_rates, again=again, bytes_max=APPLY_BYTES_MAX,
    )  # fmt: skip
