"""The life of an agent: activate, exchange, stop. Called by the command line and by `python -m herder.agent`.

It leaves no process and no scratch folder behind, whatever the reason to go. Exit codes are those of the command line.
"""

import asyncio
import logging
import os
import signal
from contextlib import suppress
from dataclasses import replace
from enum import IntEnum
from functools import partial

from herder.agent.attempts.attempts import Attempts
from herder.agent.attempts.outbox import Outbox
from herder.agent.environment import clock
from herder.agent.environment.connection import Connection, Refused, Unreachable
from herder.agent.environment.settings import AgentSettings, SettingsError
from herder.agent.machine.notice_sources import Told, watch
from herder.agent.machine.ports import AgentPorts
from herder.agent.processes.run_as import identity_of
from herder.agent.processes.scratch import make_work_folder
from herder.agent.protocol.activation import activate
from herder.agent.protocol.exchange import Exchange, Leave
from herder.agent.protocol.notice import MachineNotice
from herder.agent.runtimes import Verdict
from herder.model.values.phrases import clause
from herder.model.values.resources import Resources
from herder.model.work.job import Cause
from herder.observability.logs import name_installation, set_up
from herder.wire.worker.exchange import ActivateAnswer

_LOG = logging.getLogger(__name__)
_TERMINATED = Verdict("failed", Cause.DRAINED, "The worker was stopped while this attempt ran.")
_UNWANTED = Verdict("failed", Cause.INFRASTRUCTURE, "The worker had to stop.")
_KILL_LOOKS = 250
_KILL_LOOK_S = 0.02
#: After a fault of the watch for interruption notices, until it begins anew.
_WATCH_AGAIN_S = 30.0


class ExitCode(IntEnum):
    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_ALLOWED = 5
    UNREACHABLE = 6


_EXIT_CODES = {
    Leave.DONE: ExitCode.OK,
    Leave.STOPPED: ExitCode.OK,
    Leave.REFUSED: ExitCode.NOT_ALLOWED,
    Leave.CUT_OFF: ExitCode.UNREACHABLE,
}


def run(settings: AgentSettings) -> int:
    """Lives until the worker has to go; the process's exit code."""
    set_up(
        settings.log_format,
        settings.log_level,
        "%(asctime)s %(levelname)s %(message)s",
        fields={"worker": settings.worker},
        force=True,
    )
    os.umask(0o077)
    return int(asyncio.run(_run(settings)))


async def _run(settings: AgentSettings) -> ExitCode:
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    announced = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, announced.set)
    return await live(settings, leave, announced)


async def live(
    settings: AgentSettings, leave: asyncio.Event, announced: asyncio.Event | None = None
) -> ExitCode:
    """One worker's life inside a running event loop. Setting `leave` ends it gracefully; `announced`: its machine is taken back."""
    try:
        connection = Connection(settings)
        identity_of(settings)
        make_work_folder(settings)
    except SettingsError as error:
        _LOG.error("%s", error)
        return ExitCode.USAGE
    except OSError as error:
        _LOG.error("Cannot create the work folder %s: %s.", settings.folder, error.strerror)
        return ExitCode.FAILURE
    try:
        watching = partial(_watch_notices, announced=announced)
        return await converse(settings, AgentPorts(network=connection, notices=watching), leave)
    finally:
        await connection.close()
        with suppress(OSError):
            settings.folder.rmdir()


async def _watch_notices(settings: AgentSettings, told: Told, announced: asyncio.Event | None) -> None:
    while True:
        try:
            return await watch(settings, clock.CLOCK, told, announced)
        except Exception:  # noqa: BLE001 - a fault of the watch costs no attempt: it is logged, and begun anew
            _LOG.exception(
                "Watching for interruption notices failed. It begins again in %g s.", _WATCH_AGAIN_S
            )
            await asyncio.sleep(_WATCH_AGAIN_S)


async def converse(settings: AgentSettings, ports: AgentPorts, leave: asyncio.Event) -> ExitCode:
    """From activation to the last report, through these ports."""
    try:
        nonce = clock.nonce(ports.chance)
        limits = await _activate_unless(leave, ports, settings, nonce)
        return ExitCode.OK if limits is None else await _work(settings, ports, limits, leave, nonce)
    except Refused as error:
        _LOG.error("The server refused worker %s: %s.", settings.worker, clause(error))
        return ExitCode.NOT_ALLOWED
    except Unreachable as error:
        _LOG.error("Worker %s gives up: %s.", settings.worker, clause(error))
        return ExitCode.UNREACHABLE


async def _activate_unless(
    leave: asyncio.Event, ports: AgentPorts, settings: AgentSettings, nonce: str
) -> ActivateAnswer | None:
    activation = asyncio.ensure_future(activate(ports, settings, nonce))
    leaving = asyncio.ensure_future(leave.wait())
    try:
        await asyncio.wait([activation, leaving], return_when=asyncio.FIRST_COMPLETED)
        return await activation if activation.done() else None
    finally:
        for task in (activation, leaving):
            task.cancel()
        await asyncio.gather(activation, leaving, return_exceptions=True)


async def _work(
    settings: AgentSettings, ports: AgentPorts, limits: ActivateAnswer, leave: asyncio.Event, nonce: str
) -> ExitCode:
    name_installation(limits.installation)
    _LOG.info("Worker %s is activated at %s.", limits.worker, settings.server_url)
    settings = replace(settings, log_most_bytes=limits.log_bytes or settings.log_most_bytes)
    outbox = Outbox(settings)
    allocatable = Resources(limits.cpu_milli, limits.memory_mib, limits.disk_mib, limits.gpu)
    health = ports.open_health(settings)
    attempts = Attempts(settings, outbox, ports, allocatable=allocatable, slots=limits.slots, health=health)
    again = partial(activate, ports, settings, nonce)
    notice = MachineNotice(settings, attempts)
    exchange = Exchange(ports, settings, limits, attempts, outbox, health, again=again, notice=notice)
    watching = _watching(ports, settings, notice, exchange)
    leaving = asyncio.ensure_future(_leave_when_told(leave, attempts, exchange, settings))
    try:
        reason = await exchange.run()
        await _abandon(attempts)
        if reason in (Leave.DONE, Leave.STOPPED):
            await exchange.send_last_report()
        return _EXIT_CODES[reason]
    finally:
        leaving.cancel()
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        await _abandon(attempts)
        await attempts.close()


def _watching(
    ports: AgentPorts, settings: AgentSettings, notice: MachineNotice, exchange: Exchange
) -> "asyncio.Future[None] | None":
    def told(left_s: float, source: str) -> None:
        if notice.announced(left_s, source):
            exchange.wake()

    return None if ports.notices is None else asyncio.ensure_future(ports.notices(settings, told))


async def _leave_when_told(
    leave: asyncio.Event, attempts: Attempts, exchange: Exchange, settings: AgentSettings
) -> None:
    await leave.wait()
    _LOG.info("Termination requested; the attempts are being stopped.")
    attempts.stop_all(_TERMINATED)
    exchange.wake()
    await asyncio.sleep(settings.leave_timeout_s)
    exchange.give_up("the time for stopping has passed")


async def _abandon(attempts: Attempts) -> None:
    """Kill what still runs and wait until it is gone; a process that even SIGKILL cannot end is left to the driver."""
    if attempts.is_idle():
        return
    attempts.abandon_all(_UNWANTED)
    for _ in range(_KILL_LOOKS):
        if attempts.is_idle():
            return
        await asyncio.sleep(_KILL_LOOK_S)
