"""The pages of workers: `/workers` with filters, `/workers/NAME` with its life, and `/workers/NAME/console`."""

import shlex
from collections.abc import Mapping
from urllib.parse import quote

from starlette.requests import Request

from herder.control.kernel.bounds.errors import Invalid, NotKnown, Refused
from herder.control.reads.port import Reads
from herder.control.reads.work.jobs import JobFilter
from herder.model.fleet.worker import WorkerState
from herder.model.permissions import Action, Kind, Principal, Thing, Verdict, may
from herder.web.actions.buttons import of_worker
from herder.web.life_line import life_line
from herder.web.output_tail import tail_of
from herder.web.pages.listing import Listed, filters_in, listed, refused, with_query
from herder.web.pages.search import ROWS
from herder.web.pages.site import Shown, Site, after_in, name_in
from herder.wire.api.health import WorkerHealthView
from herder.wire.api.resources import EventView, Page, WorkerView

#: What the list shows, by the value of `show`.
SHOW = {"": "Live workers", "faults": "Only faults", "all": "All, also those that have ended"}
JOBS_SHOWN = 50
#: Read at a time for a file.
ROWS_EXPORTED = 1000
#: Of the end of a worker's life.
EVENTS_READ = 300
EVENTS_SHOWN = 50


def add(site: Site) -> None:
    reads = site.reads

    async def show_all(who: Principal, request: Request) -> Shown:
        filters = filters_in(request, ("pool", "state", "show"))
        try:
            found = await _find(reads, who, request, filters)
        except Refused as error:
            found = refused(error, filters)
        return Shown(
            template="workers/list.html",
            command=_command(filters),
            api=_path(filters),
            values={"listed": found, "states": [each.value for each in WorkerState], "shows": SHOW},
            status=400 if found.wrong else 200,
        )

    async def show(who: Principal, request: Request) -> Shown:
        name = name_in(request, "worker")
        worker = await reads.worker(who, name)
        page = await reads.events(who, after=None, subject=f"worker/{name}", limit=EVENTS_READ, newest=True)
        events: list[EventView] = page.items
        running = JobFilter(query=f'worker:"{name}" state:running', limit=JOBS_SHOWN)
        return Shown(
            template="workers/one.html",
            command=f"herder worker get {shlex.quote(name)}",
            api=f"/api/v1/workers/{quote(name)}",
            values={
                "worker": worker,
                "buttons": of_worker(who, worker),
                "stages": life_line(worker, events[::-1], reads.now_ms()),
                "events": events[:EVENTS_SHOWN],
                "jobs": await reads.jobs(who, running) if worker.attempts else None,
                "health": await _health(reads, who, worker),
                "console": _has_console(reads, who, worker),
            },
        )

    async def show_console(who: Principal, request: Request) -> Shown:
        name = name_in(request, "worker")
        return Shown(
            template="workers/console.html",
            command=f"herder worker console {shlex.quote(name)}",
            api=f"/api/v1/workers/{quote(name)}/console",
            values={"name": name, "output": tail_of(await reads.console(who, name))},
        )

    async def rows(who: Principal, request: Request, after: str | None) -> Page:
        filters = filters_in(request, ("pool", "state", "show"))
        return await _page(reads, who, filters, after, ROWS_EXPORTED)

    site.add("/workers", "workers", "list", show_all, rows=rows)
    site.add("/workers/{name}", "workers", "worker", show)
    site.add("/workers/{name}/console", "workers", "console", show_console)


async def _find(reads: Reads, who: Principal, request: Request, filters: Mapping[str, str]) -> Listed:
    """Raises Invalid."""
    after = after_in(request)
    page = await _page(reads, who, filters, None if after is None else str(after), ROWS)
    return listed(page, filters, after)


async def _page(
    reads: Reads, who: Principal, filters: Mapping[str, str], after: str | None, limit: int
) -> Page:
    """Raises Invalid."""
    show = filters.get("show", "")
    if show not in SHOW:
        raise Invalid(f"{show!r} is not what this list can show.", hint="Choose faults or all.")
    return await reads.workers(
        who,
        pool=filters.get("pool"),
        state=filters.get("state"),
        ended=show == "all",
        faults=show == "faults",
        after=after,
        limit=limit,
    )


async def _health(reads: Reads, who: Principal, worker: WorkerView) -> WorkerHealthView | None:
    """None: it has ended."""
    if worker.ended_at is not None:
        return None
    try:
        return await reads.worker_health(who, worker.name)
    except NotKnown:  # it ended meanwhile
        return None


def _has_console(reads: Reads, who: Principal, worker: WorkerView) -> bool:
    """Whether the visitor may read one, and its driver can."""
    if may(who, Action.SEE, Thing(kind=Kind.CONSOLE, name=worker.name)) is not Verdict.ALLOWED:
        return False
    if worker.ended_at is not None:
        return False
    try:
        return "Console" in reads.driver(who, worker.driver).capabilities
    except NotKnown:  # a driver that was taken out of the settings
        return False


def _command(filters: Mapping[str, str]) -> str:
    words = ["herder", "worker", "list"]
    for name in ("pool", "state"):
        if name in filters:
            words += [f"--{name}", filters[name]]
    words += {"faults": ["--faults"], "all": ["--ended"]}.get(filters.get("show", ""), [])
    return shlex.join(words)


def _path(filters: Mapping[str, str]) -> str:
    given = {name: filters[name] for name in ("pool", "state") if name in filters}
    asked = {"faults": "faults", "all": "ended"}.get(filters.get("show", ""))
    return with_query("/api/v1/workers", {**given, **({asked: "true"} if asked else {})})
