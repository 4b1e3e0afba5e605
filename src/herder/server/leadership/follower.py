"""A follower: it answers through the leader or from the store, until it holds the lease and has read the store.

Called by `turns.py`. A follower has no drivers, loops or engine, only a socket, the candidate and the forwarding.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from herder.api.http.request_ids import RequestIds
from herder.control.kernel.clock import SystemClock
from herder.server.data.opening import Opened, open_data, write_server_file
from herder.server.data.place import Place
from herder.server.http.server import HttpServer
from herder.server.leadership.candidate import Candidate
from herder.server.leadership.forwarding import Forwarding
from herder.server.options import ServerOptions
from herder.store.opening.leadership import Leader, this_process

log = logging.getLogger(__name__)

#: Time between two checks whether this server leads, in case no change was signalled.
LOOK_S = 0.25
#: Exit code of a process that a third signal ends.
INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """What stays from turn to turn."""

    options: ServerOptions
    place: Place
    listener: socket.socket
    url: str
    say: Callable[[str], None]
    """What people should know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """How following ended. `opened` None: the server was stopped."""

    server: HttpServer
    opened: Opened | None


async def follow(
    seat: Seat, candidate: Candidate, application: Forwarding, before: HttpServer | None
) -> Followed:
    """Until this server leads and has read the store, or is stopped. Raises StartError."""
    server = HttpServer(seat.options, seat.listener.dup(), before)
    server.config.app = RequestIds(application, f"{seat.url} {SystemClock().now_ms()}")
    serving = asyncio.create_task(server.run(), name="http")
    server.take_signals()
    server.on_asked = partial(_asked, seat.say)
    opened: Opened | None = None
    try:
        write_server_file(seat.options, seat.url)
        while opened is None and not server.stopping.is_set():
            candidate.look()
            if candidate.epoch:
                opened = await read_store(seat, candidate)
            else:
                await candidate.changed(LOOK_S)
    finally:
        server.should_exit = server.force_exit = True
        server.cut_all()
        await serving
    return Followed(server=server, opened=None if server.asked else opened)


async def read_store(seat: Seat, candidate: Candidate) -> Opened:
    """As the new leader. It runs in a thread, so that this server continues to answer. Raises StartError."""
    leader = Leader(epoch=candidate.epoch, holder=this_process())
    return await asyncio.to_thread(open_data, seat.options, seat.place, leader)


def _asked(say: Callable[[str], None], times: int) -> None:
    if times == 1:
        say("Stopping.")
    elif times > 2:
        os._exit(INTERRUPTED)
