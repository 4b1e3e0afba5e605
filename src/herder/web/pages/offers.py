"""The page of offers: what pools may create and providers sell, with prices and what is left of quotas."""

import shlex
from collections.abc import Mapping

from starlette.requests import Request

from herder.control.kernel.bounds.errors import Refused
from herder.control.reads.port import Reads
from herder.model.permissions import Principal
from herder.web.pages.listing import Listed, filters_in, listed, part_of, refused, with_query
from herder.web.pages.site import Shown, Site, after_in

ROWS = 100


def add(site: Site) -> None:
    reads = site.reads

    async def show(who: Principal, request: Request) -> Shown:
        filters = filters_in(request, ("driver", "shapes"))
        try:
            found = _find(reads, who, request, filters)
        except Refused as error:
            found = refused(error, filters)
        names = [each.name for each in reads.drivers(who).items]
        return Shown(
            template="offers/list.html",
            command=_command(filters),
            api=with_query("/api/v1/offers", _asked(filters)),
            values={"listed": found, "drivers": names},
            status=400 if found.wrong else 200,
        )

    site.add("/offers", "offers", "list", show)


def _find(reads: Reads, who: Principal, request: Request, filters: Mapping[str, str]) -> Listed:
    after = after_in(request)
    page = reads.offers(who, filters.get("driver"), shapes="shapes" in filters)
    return listed(part_of(page, after, ROWS), filters, after)


def _asked(filters: Mapping[str, str]) -> dict[str, str]:
    return {**filters, **({"shapes": "true"} if "shapes" in filters else {})}


def _command(filters: Mapping[str, str]) -> str:
    words = ["herder", "offer", "list"]
    if "driver" in filters:
        words += ["--driver", filters["driver"]]
    return shlex.join([*words, "--shapes"] if "shapes" in filters else words)
