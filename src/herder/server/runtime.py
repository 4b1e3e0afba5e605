"""Running a server: socket, store, drivers, engine, loops and HTTP, from start to an orderly stop.

`serve` is what `herder up` and `herder server` call; the demo, the bench and tests run it too, in their own process or another.
"""

import asyncio
import gc
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from herder.api.application import application
from herder.api.http.request_ids import RequestIds
from herder.control.alerts import actions
from herder.control.budgets import settings as budgets
from herder.control.drivers import driver_actions
from herder.control.jobs.changes import deleting
from herder.control.kernel.bounds.errors import Refused
from herder.control.kernel.clock import SystemClock
from herder.control.kernel.core import Core
from herder.control.loops import (
    account_leases,
    alerts,
    bootstraps,
    callbacks,
    clusters,
    cost_reports,
    housekeeping,
    intakes,
    interruptions,
    launch,
    lifecycle,
    metering,
    quotas,
    readings,
    recommendations,
    scale,
    schedules,
    sweep,
    traces,
    worker_leases,
)
from herder.control.loops import (
    budgets as budgets_loop,
)
from herder.control.pools import sharing
from herder.control.pools.pool_actions import change_pools, check_pools, keep_stored
from herder.control.recovery.supervision import supervise
from herder.control.workers.joining import JoinedMachines
from herder.drivers.registry import BadSettings, UnknownDriver, open_driver
from herder.model.fleet.driver import JOINED, Driver, DriverContext
from herder.model.stored.changes import Changes
from herder.observability.logs import name_installation
from herder.ports.store import StoreDown
from herder.server.bootstraps import make_bootstraps
from herder.server.clusters import make_clusters
from herder.server.data.opening import (
    Opened,
    core_settings,
    ensure_admin,
    last_url,
    moved_text,
    open_data,
    port_of,
    write_server_file,
)
from herder.server.data.place import open_place
from herder.server.data.store_mark import keep as keep_mark
from herder.server.http.server import HttpServer, listen, url_of
from herder.server.leadership.follower import Seat
from herder.server.leadership.gate import Gate
from herder.server.leadership.turns import Outcome, Term, note_leader, take_turns, watch
from herder.server.options import ServerOptions, StartError
from herder.server.reloading import FILES, reload
from herder.server.stopping import stop_workers, stopping_text
from herder.server.traces import trace_queue
from herder.store.opening.leadership import Fenced
from herder.store.sql_store import SqlStore
from herder.web.routes import router
from herder.web.trend import Trend

log = logging.getLogger(__name__)

#: Of the collector, while a server runs.
GC_THRESHOLDS = (100_000, 20, 50)

LOOPS: dict[str, Callable[[Core], Awaitable[None]]] = {
    "scale": scale.run,
    "launch": launch.run,
    "lifecycle": lifecycle.run,
    "sweep": sweep.run,
    "housekeeping": housekeeping.run,
    "readings": readings.run,
    "interruptions": interruptions.run,
    "quotas": quotas.run,
    "clusters": clusters.run,
    "bootstraps": bootstraps.run,
    "callbacks": callbacks.run,
    "alerts": alerts.run,
    "recommendations": recommendations.run,
    "cost_reports": cost_reports.run,
    "intakes": intakes.run,
    "metering": metering.run,
    "schedules": schedules.run,
    "budgets": budgets_loop.run,
    "worker_leases": worker_leases.run,
    "account_leases": account_leases.run,
    "traces": traces.run,
}
#: How long the first commit may take: a store that cannot be written is said to be so.
FIRST_WRITES_S = 10.0
#: And how long a store that is known not to be writable is waited for.
STUCK_S = 3.0
#: Exit code of a process that a third signal ends.
INTERRUPTED = 130


@dataclass(slots=True, kw_only=True)
class Running:
    """What the caller is told once everything answers. `stop` begins an orderly stop."""

    core: Core
    url: str
    token: str
    stop: Callable[[], None]


def _silent(text: str) -> None:
    """Nobody is told."""


async def serve(
    options: ServerOptions,
    started: Callable[[Running], None] | None = None,
    say: Callable[[str], None] = _silent,
) -> int:
    """Runs until stopped by a signal or `Running.stop`; the answer is the exit code. `say` is told what people should know. `started` is
    called at the beginning of each term of leading. Raises StartError."""
    options.check()
    with ExitStack() as stack:
        last = last_url(options.data_dir)
        listener = stack.enter_context(listen(options.host, options.port, port_of(last)))
        url = url_of(options, listener)
        place = open_place(options, stack)
        seat = Seat(options=options, place=place, listener=listener, url=url, say=say)
        lead = partial(_lead, seat, started)
        if place.sockets is None:
            opened = open_data(options, place)
            if moved := moved_text(options, last, url, opened.state):
                say(moved)
            term = Term(opened=opened, candidate=None, before=None, first=True)
            return (await lead(term)).code
        return await take_turns(seat, lead)


async def _lead(seat: Seat, started: Callable[[Running], None] | None, term: Term) -> Outcome:
    """Until this server is stopped, or another has taken over. Raises StartError."""
    options, place, opened = seat.options, seat.place, term.opened
    token = ensure_admin(options, opened, declared=term.first)
    drivers = _drivers(options, opened)
    name_installation(opened.installation)
    tracing = trace_queue(options.traces, opened.installation)
    server = HttpServer(options, seat.listener.dup(), term.before)
    holds = None if term.candidate is None else term.candidate.holds
    core = Core(
        settings=core_settings(options, opened.installation, place.secret, seat.url, place.secret_keys),
        state=opened.state,
        ledger=opened.ledger,
        store=SqlStore(place.database, server.fatal, opened.leader, place.file, holds),
        directory=opened.directory,
        drivers=drivers,
        on_fatal=server.fatal,
        leadership=term.candidate,
        clusters=make_clusters(options.clusters, opened.installation, opened.state.resources),
        bootstraps=make_bootstraps(options.bootstraps, opened.installation, options.data_dir),
    )
    core.tallies.traces = tracing
    core.driver_kinds = {each.name: each.kind for each in options.drivers}
    try:
        await _first_writes(core, options, term)
    except Fenced as fenced:
        server.error = fenced
        await core.close()
        return Outcome(code=1, server=server)
    trend = Trend()
    face = application(core, router(core, trend).routes)
    gated = face if holds is None else Gate(face, holds)
    server.config.app = RequestIds(gated, f"{seat.url} {core.started_at_ms}")
    running = Running(core=core, url=seat.url, token=token, stop=server.stop)
    code = await _run(server, core, term, seat, running, trend, started)
    return Outcome(code=code, server=server)


async def _run(
    server: HttpServer,
    core: Core,
    term: Term,
    seat: Seat,
    running: Running,
    trend: Trend,
    started: Callable[[Running], None] | None,
) -> int:
    options, say = seat.options, seat.say
    loops = [asyncio.create_task(supervise(core, name, loop), name=name) for name, loop in LOOPS.items()]
    scaling = loops[0]
    beside: dict[str, Callable[[Core], Awaitable[None]]] = {
        "trend": trend.sample,
        "mark": partial(keep_mark, seat.options.data_dir, term.opened.leader.epoch),
    }
    loops += [asyncio.create_task(supervise(core, name, loop), name=name) for name, loop in beside.items()]
    if term.candidate is not None:
        watching = watch(term.candidate, seat.place, server, core)
        loops.append(asyncio.create_task(watching, name="lease"))
    serving = asyncio.create_task(server.run(), name="http")
    server.take_signals()
    _listen_to_signals(server, core, options, say)
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    write_server_file(options, running.url)
    gc.set_threshold(*GC_THRESHOLDS)  # submissions make many objects at a time, and none of them in circles
    gc.freeze()  # what was loaded at start need not be looked at again by the collector
    if started is not None and not serving.done():
        started(running)
    await server.stopping.wait()
    if options.stop_workers and server.error is None:
        scaling.cancel()  # or it would make new ones for those that go
        await asyncio.wait({scaling})
        await stop_workers(core, server.hastened, say)
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    core.shut_down()
    server.should_exit = True
    await serving
    if isinstance(server.error, Fenced):
        server.cut_all()
        gc.unfreeze()  # the memory of this term is of no use to the next
    await core.close()
    return _outcome(server)


def _outcome(server: HttpServer) -> int:
    """The exit code. One line for people; a traceback only for an unexpected error."""
    error = server.error
    if error is None:
        return 0
    if isinstance(error, Fenced) and not server.asked:
        return 1  # told by whoever goes on as a follower
    log.critical("The server stopped: %s", error, exc_info=None if isinstance(error, StoreDown) else error)
    return 1


def _listen_to_signals(
    server: HttpServer, core: Core, options: ServerOptions, say: Callable[[str], None]
) -> None:
    """The first SIGINT or SIGTERM says what is waited for; the third ends the process where it stands."""

    def asked(times: int) -> None:
        if times == 1:
            say(stopping_text(core, workers_go=options.stop_workers))
        elif times == 2:
            say("Stopping immediately.")
        else:
            say("Stopped without waiting. The next start removes what remains.")
            os._exit(INTERRUPTED)

    async def again() -> None:
        say(await reload(core, options.again))

    def hung_up() -> None:
        if options.stop_workers:  # the terminal it was started in is gone
            server.asked_to_stop()
        else:
            reloads.add(task := asyncio.get_running_loop().create_task(again(), name="reload"))
            task.add_done_callback(reloads.discard)

    reloads: set[asyncio.Task[None]] = set()
    server.on_asked, server.on_hangup = asked, hung_up


async def _first_writes(core: Core, options: ServerOptions, term: Term) -> None:
    """What opening decided, and the sharing and pools of the files, before anybody can ask. A server that followed puts in force what the
    store has: its files may be older. Raises StartError, and Fenced."""
    opened, changes = term.opened, term.opened.changes
    try:
        _take_files(core, options if term.first else _without_files(options), opened, changes)
    except Refused as refused:
        raise StartError(refused.detail, refused.hint) from None
    note_leader(core, changes, term.candidate)
    actions.go_on(core, opened.actions)
    first = core.commit(changes)
    await core.durable_within(first, FIRST_WRITES_S, STUCK_S)
    try:
        if first.done():
            first.result()
    except Fenced:
        raise
    except StoreDown as error:
        raise StartError(str(error)) from None
    trouble = core.store.trouble
    if not first.done() and trouble is not None and trouble.stuck:
        raise StartError(
            trouble.text, f"{trouble.remedy}, then start the server again. Nothing that was accepted is lost."
        )
    for batch in opened.unswept:
        core.sweep(batch, core.clock.now_ms())
    await deleting.go_on(core)


def _without_files(options: ServerOptions) -> ServerOptions:
    return replace(options, pools=None, sharing={}, budgets={})


def _take_files(core: Core, options: ServerOptions, opened: Opened, changes: Changes) -> None:
    """With the checks and the events of `apply`. Raises Refused before anything of the files is in force."""
    now = core.clock.now_ms()
    if opened.sharing is not None:
        sharing.take(core, sharing.wanted(core, opened.sharing))
    shared = sharing.wanted(core, options.sharing)
    given = (
        options.pools if options.pools is not None or not opened.never_had_pools else options.default_pools
    )
    pools = [keep_stored(core, pool) for pool in given or ()]
    check_pools(core, pools)
    limits, in_use = budgets.wanted_at_start(core, options.budgets, now)
    for why in in_use:  # a server must start, whatever was spent since the file was written
        log.warning("A budget of the settings files is not changed at this start: %s", why)
    sharing.change(core, changes, shared, now, actor=FILES)
    change_pools(core, changes, pools, now, actor=FILES)
    budgets.change(core, changes, limits, now, actor=FILES)
    driver_actions.note_missing(core, changes, now)


def _drivers(options: ServerOptions, opened: Opened) -> dict[str, Driver]:
    """Opened, and not called yet: a provider that does not answer must not hold up the start."""
    drivers: dict[str, Driver] = {JOINED: JoinedMachines()}
    for each in options.drivers:
        if each.name == JOINED:
            raise StartError(
                f"A driver cannot have the name {JOINED}.",
                "The name is reserved for machines that are added by hand; choose another.",
            )
        context = DriverContext(
            installation=opened.installation,
            name=each.name,
            data_folder=str(options.data_dir),
            clusters={cluster.name: cluster for cluster in options.clusters},
            clock=SystemClock(),
        )
        try:
            drivers[each.name] = open_driver(each.kind, dict(each.settings), context)
        except (BadSettings, UnknownDriver) as error:
            raise StartError(
                f"Driver {each.name} cannot be opened. {error}",
                "Correct the section `drivers` of herder.yaml.",
            ) from None
    return drivers
