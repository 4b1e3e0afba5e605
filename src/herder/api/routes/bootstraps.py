"""Routes for bootstraps, which make machines join."""

from fastapi import Request

from herder.api.http.route_table import CHANGE_FLEET, RouteTable
from herder.model.permissions import Principal
from herder.wire.api.bootstraps import BootstrapChecks
from herder.wire.api.resources import Page


def add(front: RouteTable) -> None:
    reads = front.reads

    async def list_bootstraps(request: Request, who: Principal) -> Page:
        """All bootstraps, and whether their credentials are refused."""
        return reads.bootstraps(who)

    async def check(request: Request, who: Principal) -> BootstrapChecks:
        """Ask a bootstrap whether it can work. If its credentials were refused and each check passes, they are accepted again."""
        return await reads.check_bootstrap(who, request.path_params["bootstrap"])

    front.read("/bootstraps", list_bootstraps, Page)
    front.read("/bootstraps/{bootstrap}/check", check, BootstrapChecks, CHANGE_FLEET)
