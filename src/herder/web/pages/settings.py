"""The page of settings: `/settings`, what the running server has, for operators."""

from typing import Any

from starlette.requests import Request

from herder.model.permissions import Principal
from herder.web.pages.listing import filters_in
from herder.web.pages.site import Shown, Site
from herder.wire.api.resources import Page


def add(site: Site) -> None:
    reads = site.reads

    def chosen(who: Principal, request: Request) -> tuple[list[Any], bool]:
        """Those of the page, and whether they are only those that are set."""
        settings, only_set = reads.settings(who).items, filters_in(request, ("show",)).get("show") == "set"
        return [each for each in settings if not only_set or each.origin == "set"], only_set

    async def show(who: Principal, request: Request) -> Shown:
        settings, only_set = chosen(who, request)
        return Shown(
            template="settings/list.html",
            command="herder config show",
            values={"settings": settings, "only_set": only_set},
            every_s=60,
        )

    async def rows(who: Principal, request: Request, after: str | None) -> Page:
        return Page(items=chosen(who, request)[0])

    site.add("/settings", "settings", "page of settings", show, rows=rows)
