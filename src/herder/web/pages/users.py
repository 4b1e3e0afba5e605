"""The page of users: `/users`, their roles and quotas, and how the fleet is shared among them and among projects."""

from starlette.requests import Request

from herder.control.kernel.bounds.errors import Refused
from herder.model.permissions import Principal
from herder.web.pages.listing import listed, part_of, refused
from herder.web.pages.search import ROWS
from herder.web.pages.site import Shown, Site, after_in
from herder.wire.api.people import UserView
from herder.wire.api.resources import Page

PROJECTS_SHOWN = 50


def add(site: Site) -> None:
    reads = site.reads

    async def show_all(who: Principal, request: Request) -> Shown:
        everybody = reads.users(who)
        everybody.items.sort(key=_busiest_first)
        try:
            after = after_in(request)
            found = listed(part_of(everybody, after, ROWS), {}, after)
        except Refused as error:
            found = refused(error, {})
        projects = reads.projects(who)
        return Shown(
            template="users/list.html",
            command="herder user list",
            api="/api/v1/users",
            values={
                "listed": found,
                "cpu_milli": sum(each.used.get("cpu_milli", 0) for each in everybody.items),
                "projects": projects.items[:PROJECTS_SHOWN],
                "projects_all": len(projects.items),
            },
            status=400 if found.wrong else 200,
        )

    async def rows(who: Principal, request: Request, after: str | None) -> Page:
        return reads.users(who)

    site.add("/users", "users", "list", show_all, rows=rows)


def _busiest_first(user: UserView) -> tuple[int, int, str]:
    return (-user.used.get("cpu_milli", 0), -user.queued_jobs, user.name)
