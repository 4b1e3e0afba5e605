"""Routes for drivers: state, checks, what exists, freeze, unfreeze, forget."""

from fastapi import Request

from herder.api.http.route_table import CHANGE_FLEET, DRY_RUN, Repeat, RouteTable, Write
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.drivers import (
    DriverAction,
    DriverChecks,
    DriverImport,
    DriverView,
    SweepAnswer,
    SweepDecision,
    SweepView,
)
from herder.wire.api.resources import Page, Result


def add(front: RouteTable) -> None:
    commands, reads = front.commands, front.reads

    async def list_drivers(request: Request, who: Principal) -> Page:
        """All drivers with their state and their current calls."""
        return reads.drivers(who)

    async def get_driver(request: Request, who: Principal) -> DriverView:
        """One driver."""
        return reads.driver(who, request.path_params["driver"])

    async def check(request: Request, who: Principal) -> DriverChecks:
        """Ask a driver whether all that it needs is there: credentials, rights, tools."""
        return await reads.check_driver(who, request.path_params["driver"])

    async def importable(request: Request, who: Principal) -> DriverImport:
        """What exists at the provider, as pools that would adopt it."""
        return await reads.importable(who, request.path_params["driver"])

    def freeze(write: Write) -> Result:
        """Freeze a driver: no workers are created or removed with it."""
        name = write.request.path_params["driver"]
        return commands.freeze_driver(write.who, name, write.body, write.changes, write.now_ms)

    def unfreeze(write: Write) -> Result:
        """Unfreeze a driver."""
        name = write.request.path_params["driver"]
        return commands.unfreeze_driver(write.who, name, write.body, write.changes, write.now_ms)

    def forget(write: Write) -> Result:
        """Give up the workers of a driver that is no longer in the server's settings."""
        name, dry = write.request.path_params["driver"], write.dry_run
        return commands.forget_driver(write.who, name, write.body, write.changes, write.now_ms, dry_run=dry)

    _add_sweep(front)
    front.read("/drivers", list_drivers, Page)
    front.read("/drivers/{driver}", get_driver, DriverView)
    front.read("/drivers/{driver}/check", check, DriverChecks, CHANGE_FLEET)
    front.read("/drivers/{driver}/import", importable, DriverImport, CHANGE_FLEET)
    front.write("POST", "/drivers/{driver}/freeze", freeze, DriverAction, Result, CHANGE_FLEET)
    front.write("POST", "/drivers/{driver}/unfreeze", unfreeze, DriverAction, Result, CHANGE_FLEET)
    front.write(
        "POST",
        "/drivers/{driver}/forget",
        forget,
        DriverAction,
        Result,
        (Action.REMOVE, Kind.DRIVER),
        query=DRY_RUN,
    )


def _add_sweep(front: RouteTable) -> None:
    commands, reads = front.commands, front.reads

    async def sweep(request: Request, who: Principal) -> SweepView:
        """List a driver's machines and compare them with its workers."""
        return await reads.sweep(who, request.path_params["driver"])

    def decide(write: Write) -> SweepAnswer:
        """Adopt or remove machines that belong to no worker."""
        name, dry = write.request.path_params["driver"], write.dry_run
        return commands.decide_sweep(write.who, name, write.body, write.changes, write.now_ms, dry_run=dry)

    async def decided(repeat: Repeat) -> SweepAnswer:
        return await reads.swept(repeat.who, repeat.made.number)

    front.read("/drivers/{driver}/sweep", sweep, SweepView, CHANGE_FLEET)
    front.write(
        "POST",
        "/drivers/{driver}/sweep",
        decide,
        SweepDecision,
        SweepAnswer,
        CHANGE_FLEET,
        query=DRY_RUN,
        again=decided,
    )
