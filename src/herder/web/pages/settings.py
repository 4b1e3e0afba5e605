"""The page of settings: `/settings`, what the running server has, for operators."""

from starlette.requests import Request

from herder.model.permissions import Principal
from herder.web.pages.listing import filters_in
from herder.web.pages.site import Shown, Site
from herder.wire.api.resources import Page


def add(site: Site) -> None:
    reads = site.reads

    async def show(who: Principal, request: Request) -> Shown:
        filters = filters_in(request, ("show",))
        settings = reads.settings(who).items
        if filters.get("show") == "set":
            settings = [each for each in settings if each.origin == "set"]
        return Shown(
            template="settings/list.html",
            command="herder config show",
            values={"settings": settings, "only_set": filters.get("show") == "set"},
            every_s=60,
        )

    async def rows(who: Principal, request: Request, after: str | None) -> Page:
        return reads.settings(who)

    site.add("/settings", "settings", "page of settings", show, rows=rows)
