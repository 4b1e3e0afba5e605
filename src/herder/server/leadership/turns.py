"""The turns of a server on PostgreSQL: it follows, leads when it holds the lease, and follows again when another server has taken over.

Called by `runtime.py`, which runs a term of leading. Between two turns the listening socket stays open, so that callers wait
and are not refused. Each term reads the store anew and keeps nothing of an earlier one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from herder import __version__
from herder.control.kernel.clock import SystemClock
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.model.stored.changes import Changes
from herder.server.data.opening import Opened, core_settings
from herder.server.data.place import Place, server_identity
from herder.server.http.server import HttpServer
from herder.server.leadership.candidate import Candidate
from herder.server.leadership.follower import Seat, follow, read_store
from herder.server.leadership.forwarding import Forwarding
from herder.server.leadership.stored_reads import Stored
from herder.store.opening.leadership import Fenced, this_process
from herder.store.opening.lease import Me

log = logging.getLogger(__name__)

#: Time between two checks of a leader whether it still leads.
LOOK_S = 0.25
#: How long a start waits to hear whether another server leads, before it follows.
FIRST_LOOK_S = 3.0
#: How long a follower waits for a leader before it says that there is none: a lease that has ended is taken within this time.
ELECTED_S = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One turn of leading."""

    opened: Opened
    candidate: Candidate | None
    """None on SQLite, where no other server can lead."""
    before: HttpServer | None
    """That of the turn as a follower."""
    first: bool
    """The process began with this term, so the settings of its files are applied, as at any start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a term ended."""

    code: int
    server: HttpServer

    @property
    def fenced(self) -> bool:
        return isinstance(self.server.error, Fenced)


async def take_turns(seat: Seat, lead: Callable[[Term], Awaitable[Outcome]]) -> int:
    """The exit code. Raises StartError."""
    options, place = seat.options, seat.place
    me = Me(
        server=server_identity(options.data_dir),
        instance=place.instance,
        url=options.public_url or seat.url,
        holder=this_process(),
        version=__version__,
    )
    candidate = Candidate(place.database.url.render_as_string(hide_password=False), me)
    stored = Stored(
        options,
        place.database,
        candidate,
        lambda installation: core_settings(options, installation, place.secret, seat.url, place.secret_keys),
    )
    application = Forwarding(candidate, stored, SystemClock().now_ms, options.tls_cert)
    try:
        return await _turns(seat, candidate, application, stored, lead)
    finally:
        await candidate.retire()
        await application.close()
        await stored.close()


async def _turns(
    seat: Seat,
    candidate: Candidate,
    application: Forwarding,
    stored: Stored,
    lead: Callable[[Term], Awaitable[Outcome]],
) -> int:
    before: HttpServer | None = None
    await candidate.changed(FIRST_LOOK_S)
    opened = await read_store(seat, candidate) if candidate.epoch else None
    first = opened is not None
    while True:
        if opened is None:
            telling = asyncio.create_task(tell_leader(seat.say, seat.url, candidate), name="leader")
            try:
                followed = await follow(seat, candidate, application, before)
            finally:
                telling.cancel()
            before, opened = followed.server, followed.opened
            if opened is None:
                return 0
        await stored.close()
        outcome = await lead(Term(opened=opened, candidate=candidate, before=before, first=first))
        if not outcome.fenced or outcome.server.asked:
            return outcome.code
        log.warning("%s This server follows from now on.", outcome.server.error)
        candidate.stand_by()
        before, opened, first = outcome.server, None, False


async def tell_leader(say: Callable[[str], None], url: str, candidate: Candidate) -> None:
    """Whom this server follows, as soon as one leads. While the lease passes on, none is known for a moment."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + ELECTED_S
    while candidate.leader() is None and not candidate.epoch and loop.time() < until_s:
        await asyncio.sleep(LOOK_S)
    leader = candidate.leader()
    if candidate.epoch:
        return
    if leader is None:
        say(f"This server at {url} follows. No server leads at the moment.")
    else:
        say(f"This server at {url} follows the server at {leader.url}, and takes over when that one fails.")


def note_leader(core: Core, changes: Changes, candidate: Candidate | None) -> None:
    """An event, when another server led before."""
    if candidate is None or not candidate.predecessor:
        return
    text = (
        f"The server at {core.settings.server_url} leads now (epoch {candidate.epoch}). The server at {candidate.predecessor} "
        "led before."
    )
    record_event(core.state, changes, core.clock.now_ms(), "leader.changed", "server/leader", text)


async def watch(candidate: Candidate, place: Place, server: HttpServer, core: Core) -> None:
    """Runs while this server leads. When the lease may have ended, all connections are closed, so that callers try another server. When
    another server has taken over, the term ends."""
    held = True
    while candidate.epoch:
        await asyncio.sleep(LOOK_S)
        candidate.look()
        if candidate.holds() != held:
            held = not held
            if held:
                log.warning("The lease of the store is renewed. This server answers again.")
                core.workers_changed.set()  # calls of drivers that waited for the lease begin
            elif candidate.epoch:
                log.warning(
                    "The lease of the store cannot be renewed. This server answers nothing until it is."
                )
                server.cut_all()
    assert place.sockets is not None
    place.sockets.cut()
    server.fatal(Fenced(candidate.fenced))
