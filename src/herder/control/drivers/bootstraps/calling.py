"""Calls to a bootstrap: the only way from `control/` to an operating system. Each call has a deadline; errors are of one closed family.

Used by the loops and by reads. Whatever a bootstrap does wrong becomes a `DriverFault` here, and is told in an event: it never ends a loop.
Refused credentials are recorded here, so that no caller can forget it: its pools create nothing until `check` succeeds. A bootstrap may
hold secrets, so the text of an unexpected error is never told.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from herder.control.drivers.calling import NOT_LEADING, DriverFrozenError
from herder.control.kernel import reported_faults
from herder.control.kernel.bootstrap_notes import BootstrapNotes, SystemNote
from herder.control.kernel.bounds.errors import NotKnown
from herder.control.kernel.core import Core
from herder.engine.workers import bootstraps as life
from herder.model.fleet.driver import (
    DriverError,
    DriverFault,
    NotFound,
    OutcomeUnknown,
    Unauthorised,
    Unavailable,
)
from herder.model.fleet.driver_capabilities import Check
from herder.model.fleet.repair import Rung
from herder.model.ids import WorkerName
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause
from herder.ports.bootstrap import Bootstrap, Joining, SystemSeen, Target

log = logging.getLogger(__name__)

_T = TypeVar("_T")

#: How long an answer is waited for, by verb: one machine may have several addresses, and the first may not answer.
DEADLINES_S: Mapping[str, float] = {
    "configure": 60.0,
    "look": 30.0,
    "repair": 60.0,
    "shut_down": 10.0,
    "logs": 30.0,
    "check": 30.0,
}
#: These change nothing: one that did not answer in time had no effect.
_READS = frozenset({"look", "logs", "check"})
LOG_LINES = 200


def notes_of(core: Core, name: str) -> BootstrapNotes:
    return core.bootstrap_notes.setdefault(name, BootstrapNotes())


def system_of(core: Core, name: str, worker: WorkerName) -> SystemNote:
    return notes_of(core, name).systems.setdefault(worker, SystemNote())


def check_known(core: Core, name: str) -> None:
    """Raises NotKnown."""
    if name not in core.bootstraps:
        names = ", ".join(sorted(core.bootstraps))
        raise NotKnown(
            f"There is no bootstrap {name!r}.",
            hint=f"Bootstraps are {names}." if names else "The server has no bootstraps.",
        )


def refused(core: Core, name: str) -> str:
    """Why its credentials are refused, as sentences; empty: they are not known to be."""
    known = core.state.bootstraps.get(name)
    return "" if known is None else known.refused


async def configure(core: Core, name: str, joining: Joining, target: Target) -> bool:
    return bool(await _ask(core, name, "configure", lambda it: it.configure(joining, target), joining.worker))


async def look(core: Core, name: str, target: Target) -> SystemSeen:
    found: object = await _ask(core, name, "look", lambda it: it.look(target), target.worker)
    if not isinstance(found, SystemSeen):
        raise _bug(core, name, "look", target.worker, f"it returned {type(found).__name__}")
    return found


async def repair(core: Core, name: str, target: Target, rung: Rung) -> None:
    await _ask(core, name, "repair", lambda it: it.repair(target, rung), target.worker)


async def shut_down(core: Core, name: str, target: Target) -> None:
    await _ask(core, name, "shut_down", lambda it: it.shut_down(target), target.worker)


async def logs(core: Core, name: str, target: Target, service: str) -> str:
    return str(await _ask(core, name, "logs", lambda it: it.logs(target, service, LOG_LINES), target.worker))


async def checks(core: Core, name: str) -> Sequence[Check]:
    """What a person must know of it. Whether its credentials are refused follows from it. Raises DriverError."""
    try:
        found = list(await _call(core, name, "check", lambda it: it.check(), ""))
    except Unauthorised as error:
        await _refuse(core, name, error)
        raise
    if refused(core, name) and all(each.passed for each in found):
        changes = Changes()
        life.accept(core.state, changes, name, core.clock.now_ms())
        core.demand_changed.set()
        await core.commit(changes)
    return found


async def _ask(
    core: Core, name: str, verb: str, work: Callable[[Bootstrap], Awaitable[_T]], worker: str
) -> _T:
    """Raises DriverError and nothing else."""
    try:
        return await _call(core, name, verb, work, worker)
    except Unauthorised as error:
        if not refused(core, name) and not await _checks_pass(core, name):
            await _refuse(core, name, error)
        raise


async def _checks_pass(core: Core, name: str) -> bool:
    """A machine of somebody else that has the address of ours refuses us, too: then only that machine does."""
    try:
        found = await _call(core, name, "check", lambda it: it.check(), "")
    except DriverError:
        return False
    return bool(found) and all(each.passed for each in found)


async def _call(
    core: Core, name: str, verb: str, work: Callable[[Bootstrap], Awaitable[_T]], worker: str
) -> _T:
    bootstrap = core.bootstraps.get(name)
    if bootstrap is None:
        raise Unavailable(f"This server has no bootstrap {name}.")
    if not core.leadership.holds():
        raise DriverFrozenError(NOT_LEADING)
    limit_s, about = DEADLINES_S[verb], f" of worker {worker}" if worker else ""
    try:
        async with asyncio.timeout(limit_s):
            return await work(bootstrap)
    except NotFound:
        raise  # an answer, and no trouble
    except DriverError as error:
        reported_faults.note(core, notes_of(core, name), verb, worker, error)
        raise
    except TimeoutError:
        kind = Unavailable if verb in _READS else OutcomeUnknown
        late = kind(f"Bootstrap {name} did not answer {verb}{about} within {limit_s:g} s.")
        reported_faults.note(core, notes_of(core, name), verb, worker, late)
        raise late from None
    except Exception as error:  # noqa: BLE001 - a bug of the bootstrap; its text may quote a secret, so it is not told
        where = "".join(traceback.format_tb(error.__traceback__))
        log.error("Bootstrap %s failed in %s: %s.\n%s", name, verb, type(error).__name__, where)
        raise _bug(core, name, verb, worker, type(error).__name__) from None


def _bug(core: Core, name: str, verb: str, worker: str, text: str) -> DriverFault:
    notes = notes_of(core, name)
    error = DriverFault(
        f"Bootstrap {name} has a bug in {verb}: {text}. Herder tries again later. Report this to the author of the bootstrap."
    )
    reported_faults.note(core, notes, verb, worker, error)
    reported_faults.report(core, notes, "bootstrap.fault", f"bootstrap/{name}", str(error))
    return error


async def _refuse(core: Core, name: str, error: Unauthorised) -> None:
    """Once. Durable when this returns."""
    if refused(core, name):
        return
    reason = (
        f"The credentials of bootstrap {name} are refused ({clause(error)}). Its pools create no workers until they are accepted. "
        f"Correct them, restart the server if a file has changed, and run `herder bootstrap check {name}`."
    )
    log.error("%s", reason)
    changes = Changes()
    life.refuse(core.state, changes, name, reason, core.clock.now_ms())
    core.demand_changed.set()
    await core.commit(changes)
