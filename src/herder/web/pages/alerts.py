"""The pages of alerts: `/alerts` present ones or those of the last days, `/alerts/ID` one of them."""

import shlex
from collections.abc import Mapping
from urllib.parse import quote

from starlette.requests import Request

from herder.control.kernel.bounds.errors import Invalid, Refused
from herder.control.reads.port import Reads
from herder.model.permissions import Principal
from herder.web.pages.listing import filters_in, listed, part_of, refused
from herder.web.pages.search import ROWS
from herder.web.pages.site import Shown, Site, after_in, name_in
from herder.wire.api.alerts import AlertView
from herder.wire.api.resources import Page

#: What the list shows, by the value of `show`.
SHOW = {
    "": "Not resolved",
    "active": "Active",
    "acknowledged": "Acknowledged",
    "7d": "Raised in 7 days",
    "30d": "Raised in 30 days",
}
_DAYS = {"7d": 7, "30d": 30}


def add(site: Site) -> None:
    reads = site.reads

    async def show_all(who: Principal, request: Request) -> Shown:
        filters = filters_in(request, ("show",))
        shown = filters.get("show", "")
        try:
            after = after_in(request)
            found = listed(part_of(await _alerts(reads, who, filters), after, ROWS), filters, after)
        except Refused as error:
            found = refused(error, filters)
        command, api = _same(shown)
        return Shown(
            template="alerts/list.html",
            command=command,
            api=api,
            values={"listed": found, "shows": SHOW},
            status=400 if found.wrong else 200,
        )

    async def show(who: Principal, request: Request) -> Shown:
        name = name_in(request, "alert")
        alert: AlertView = await reads.alert(who, name)
        policies = {each.id: each for each in reads.alert_policies(who).items}
        return Shown(
            template="alerts/one.html",
            command=f"herder alert show {shlex.quote(name)}",
            api=f"/api/v1/alerts/{quote(name, safe='')}",
            values={"alert": alert, "policy": policies.get(alert.policy)},
        )

    async def rows(who: Principal, request: Request, after: str | None) -> Page:
        return await _alerts(reads, who, filters_in(request, ("show",)))

    site.add("/alerts", "alerts", "list", show_all, rows=rows)
    site.add("/alerts/{name}", "alerts", "alert", show)


async def _alerts(reads: Reads, who: Principal, filters: Mapping[str, str]) -> Page:
    """Raises Invalid."""
    shown = filters.get("show", "")
    if shown not in SHOW:
        raise Invalid(
            f"{shown!r} is not what this list can show.", hint=f"Choose {', '.join(filter(None, SHOW))}."
        )
    if shown in _DAYS:
        return await reads.alert_history(who, _DAYS[shown])
    return reads.alerts(who, shown or None)


def _same(shown: str) -> tuple[str, str]:
    """The command and the path of the API."""
    if shown in _DAYS:
        return f"herder alert history --days {_DAYS[shown]}", f"/api/v1/alerts/history?period={shown}"
    if shown in SHOW and shown:
        return f"herder alert list --state {shown}", f"/api/v1/alerts?state={shown}"
    return "herder alert list", "/api/v1/alerts"
