"""The ASGI application: all routes of the API, and other applications served beside them. Created by `app.py`."""

import asyncio
from collections.abc import Sequence
from functools import cache, partial

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from herder.api.http.hot_routes import HotRoutes
from herder.api.http.measured_calls import areas_of, begun
from herder.api.http.openapi import document
from herder.api.http.replies import problem, reply
from herder.api.http.route_table import RouteTable
from herder.api.routes import (
    alerts,
    bootstraps,
    budgets,
    clusters,
    cost_reports,
    costs,
    drivers,
    events,
    fleet,
    offers,
    people,
    pipelines,
    rates,
    recommendations,
    secrets,
    stored_reports,
    usage,
    worker,
)
from herder.api.routes.jobs import callbacks, documented, schedules, work
from herder.control.commands import Commands
from herder.control.kernel.bounds.errors import NotKnown, NotReady, Refused
from herder.control.kernel.core import Core
from herder.control.reads.port import Reads
from herder.ports.store import StoreDown

PREFIX = "/api/v1"


def front_of(core: Core) -> RouteTable:
    """All routes of the API, and what OpenAPI needs to know of them. Nothing of `core` is used before a call comes."""
    front = RouteTable(core, Commands(core), Reads(core))
    work.add(front)
    callbacks.add(front)
    schedules.add(front)
    pipelines.add(front)
    rates.add(front)
    recommendations.add(front)
    usage.add(front)
    fleet.add(front)
    people.add(front)
    secrets.add(front)
    drivers.add(front)
    offers.add(front)
    costs.add(front)
    cost_reports.add(front)
    stored_reports.add(front)
    clusters.add(front)
    bootstraps.add(front)
    budgets.add(front)
    events.add(front)
    alerts.add(front)
    return front


class MethodNotAllowed(Refused):
    status = 405
    code = "method_not_allowed"


def application(core: Core, beside: Sequence[BaseRoute] = ()) -> ASGIApp:
    """`beside`: routes of other faces (the dashboard)."""
    # A path with one slash too many is not there: a redirect would go to whatever host the request names.
    app = FastAPI(title="Herder", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    worker_routes = worker.routes(core, PREFIX)
    app.router.routes.extend(
        [
            *worker_routes,
            worker.inputs_route(core, PREFIX),
            worker.data_route(core, PREFIX),
            worker.secrets_route(core, PREFIX),
            worker.join_route(core, PREFIX),
        ]
    )
    front = front_of(core)
    front.mount(app, PREFIX)
    documented.documented_front(front).mount(app, documented.PREFIX)
    app.router.routes.append(pipelines.config_route(front, documented.PREFIX))
    app.router.routes.append(documented.complete_route(front))
    openapi = cache(partial(document, front.operations, PREFIX))

    async def show_openapi(request: Request) -> Response:
        # Made for the first who asks, in a thread: it takes a good part of what opening a server takes.
        made = openapi.cache_info().currsize
        return reply(openapi() if made else await asyncio.to_thread(openapi))

    app.add_route(f"{PREFIX}/openapi.json", show_openapi, include_in_schema=False)
    app.add_route(f"{PREFIX}/health", events.health(front.reads), include_in_schema=False)
    app.add_route(f"{PREFIX}/ready", events.ready(front.reads), include_in_schema=False)
    app.add_route("/metrics", events.metrics(front), include_in_schema=False)
    app.router.routes.extend(beside)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_exception_handler(StoreDown, _store_down)
    hot = {("POST", route.path): route.endpoint for route in worker_routes}
    for method, path in (("POST", "/jobs"), ("GET", "/jobs/ended")):
        hot[method, PREFIX + path] = front.endpoints[method, path]
    return HotRoutes(app, hot, partial(begun, front.reads, areas_of(front)))


async def _not_routed(request: Request, error: Exception) -> Response:
    """What the router itself refuses, in the same form as everything else."""
    assert isinstance(error, HTTPException)
    what = f"{request.method} {request.url.path}"
    if error.status_code == 404:
        return problem(
            NotKnown(f"There is no route {what}.", hint=f"{PREFIX}/openapi.json lists all routes.")
        )
    if error.status_code == 405:
        return problem(
            MethodNotAllowed(
                f"The route {request.url.path} does not accept the method {request.method}.",
                hint=f"{PREFIX}/openapi.json lists all routes.",
            )
        )
    return problem(Refused(str(error.detail)))


async def _store_down(request: Request, error: Exception) -> Response:
    """Of routes that are not `RouteTable`'s."""
    return problem(NotReady(str(error)))
