"""Routes for drivers: what they are doing, freeze, unfreeze, forget."""

from fastapi import Request

from herder.api.front import Front, Write
from herder.api.replies import flag
from herder.control import driver_admin
from herder.control.auth import Principal, Role
from herder.control.reads import drivers as reads
from herder.wire.drivers import DriverAction, DriverView
from herder.wire.resources import Done, Page


def add(front: Front) -> None:
    core = front.core

    async def list_drivers(request: Request, who: Principal) -> Page:
        """All drivers: whether they can be used, and what they are doing."""
        views = reads.driver_views(core)
        return Page(items=views, total=len(views))

    async def get_driver(request: Request, who: Principal) -> DriverView:
        """One driver."""
        return reads.driver_view(core, request.path_params["driver"])

    def freeze(write: Write) -> Done:
        """Make and remove nothing through a driver."""
        name = write.request.path_params["driver"]
        return driver_admin.freeze(core, write.who, name, write.body, write.changes, write.now_ms)

    def unfreeze(write: Write) -> Done:
        """Use a driver again."""
        name = write.request.path_params["driver"]
        return driver_admin.unfreeze(core, write.who, name, write.body, write.changes, write.now_ms)

    def forget(write: Write) -> Done:
        """Give up the workers of a driver that this server does not have any more."""
        name, dry = write.request.path_params["driver"], flag(write.request, "dry_run")
        return driver_admin.forget(
            core, write.who, name, write.body, write.changes, write.now_ms, dry_run=dry
        )

    front.read("/drivers", list_drivers, Page)
    front.read("/drivers/{driver}", get_driver, DriverView)
    front.write("POST", "/drivers/{driver}/freeze", freeze, DriverAction, Done, role=Role.OPERATOR)
    front.write("POST", "/drivers/{driver}/unfreeze", unfreeze, DriverAction, Done, role=Role.OPERATOR)
    front.write(
        "POST",
        "/drivers/{driver}/forget",
        forget,
        DriverAction,
        Done,
        query=("dry_run",),
        role=Role.ADMINISTRATOR,
    )
