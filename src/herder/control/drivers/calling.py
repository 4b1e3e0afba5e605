"""Calls to a driver: the only way from `control/` to a provider. Each call has a deadline; a frozen driver is not called; errors are of
one closed family.

Used by the loops and by reads. Whatever a driver does wrong becomes a `DriverFault` here, and is told in an event: it never ends a loop.
Refused credentials freeze the driver here, so that no caller can forget it.
"""

import logging
import math
from collections.abc import Callable, Mapping
from typing import TypeVar

from herder.control.kernel import reported_faults
from herder.control.kernel.bounds.errors import NotKnown
from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import DriverNotes
from herder.control.kernel.reported_faults import short
from herder.engine.workers import drivers
from herder.model.fleet.creation import DEFAULT_LIMITS, CreationLimits, Step
from herder.model.fleet.driver import (
    JOINED,
    Driver,
    DriverError,
    DriverFault,
    InvalidRequest,
    Listing,
    Machine,
    NotFound,
    Phase,
    StartData,
    Unauthorised,
)
from herder.model.fleet.driver_capabilities import (
    CleanUps,
    Console,
    Deadlines,
    Interruption,
    Interruptions,
    Operations,
    ProviderOperation,
    Reboots,
    ServiceRestarts,
)
from herder.model.fleet.repair import Rung
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_V = TypeVar("_V")

#: How long an answer is waited for, by verb. No verb waits for a machine, so these are times of answers: generous for a busy provider.
DEADLINES_S: Mapping[str, float] = {
    "create": 60.0,
    "delete": 60.0,
    "get": 20.0,
    "list": 30.0,
    "health": 10.0,
    "console": 20.0,
}
#: Refused credentials freeze the driver in these; a right that only something optional needs does not.
_VERBS = frozenset({"create", "delete", "get", "list", "health"})
#: For everything else that a driver may be able to do.
DEADLINE_S = 30.0
#: The longest that a driver may ask for: above it, one that hangs would hold its places for too long.
DEADLINE_LONGEST_S = 600.0


#: Of a server whose lease may have ended.
NOT_LEADING = "This server cannot renew its lease of the store, so it calls no driver."


class DriverFrozenError(DriverError):
    """It may not be called now; the text says why, and what to do."""


def notes_of(core: Core, name: str) -> DriverNotes:
    return core.driver_notes.setdefault(name, DriverNotes())


def driver_names(core: Core) -> list[str]:
    """With those that rows name and this server does not have."""
    unused = {JOINED} - {worker.spec.driver for worker in core.state.workers.values()}
    return sorted({*core.drivers, *core.state.frozen_drivers} - unused)


def check_known(core: Core, name: str) -> None:
    """Raises NotKnown."""
    names = driver_names(core)
    if name not in names:
        raise NotKnown(
            f"There is no driver {name!r}.",
            hint=f"Drivers are {', '.join(names)}." if names else "The server has no drivers.",
        )


def may_be_called(core: Core, name: str) -> bool:
    return name in core.drivers and name not in core.state.frozen_drivers


async def create(core: Core, spec: WorkerSpec, start: StartData) -> Machine:
    return _machine(
        core,
        spec.driver,
        spec.name,
        await ask(core, spec.driver, "create", lambda driver: driver.create(spec, start), spec.name),
    )


async def get(core: Core, name: str, worker: WorkerName, operation: str = "") -> Machine:
    found = await ask(core, name, "get", lambda driver: driver.get(worker, operation), worker)
    return _machine(core, name, worker, found)


async def delete(core: Core, name: str, worker: WorkerName) -> Machine:
    found = await ask(core, name, "delete", lambda driver: driver.delete(worker), worker)
    return _machine(core, name, worker, found)


async def listing(core: Core, name: str, *, although_frozen: bool = False) -> Listing:
    """`although_frozen`: for a person who looks; a listing changes nothing at the provider."""
    found: object = await ask(
        core, name, "list", lambda driver: driver.list(), although_frozen=although_frozen
    )
    if not isinstance(found, Listing) or not all(isinstance(each, Machine) for each in found.machines):
        raise _fault(core, name, "list", "", f"it returned {short(found)} instead of a Listing")
    return found


async def health(core: Core, name: str) -> None:
    await ask(core, name, "health", lambda driver: driver.health())


async def repair(core: Core, name: str, worker: WorkerName, rung: Rung) -> Machine:
    """Raises DriverError, also when the driver has no such thing."""

    def act(driver: Driver) -> Machine:
        if rung is Rung.REBOOT and isinstance(driver, Reboots):
            return driver.reboot(worker)
        if rung is Rung.RESTART_SERVICE and isinstance(driver, ServiceRestarts):
            return driver.restart_service(worker)
        if rung is Rung.CLEAN_UP and isinstance(driver, CleanUps):
            return driver.clean_up(worker)
        raise InvalidRequest(f"Driver {name} has no {rung}.")

    return _machine(core, name, worker, await ask(core, name, rung.value, act, worker))


async def interruptions(core: Core, name: str) -> list[Interruption]:
    """What the provider announces now. Raises DriverError, also when the driver has no such thing."""

    def look(driver: Driver) -> object:
        if not isinstance(driver, Interruptions):
            raise InvalidRequest(f"Driver {name} announces no interruptions.")
        return driver.interruptions()

    found = await ask(core, name, "interruptions", look)
    if not isinstance(found, list | tuple) or not all(_is_interruption(each) for each in found):
        raise _fault(core, name, "interruptions", "", f"it returned {short(found)} instead of Interruptions")
    return list(found)


def _is_interruption(found: object) -> bool:
    return isinstance(found, Interruption) and math.isfinite(found.left_s)


async def read(core: Core, name: str, verb: str, kind: type[_V]) -> tuple[_V, ...]:
    """What a method without arguments lists, of a driver that has it. Raises DriverError."""
    return _listed(
        core, name, verb, kind, await ask(core, name, verb, lambda driver: getattr(driver, verb)())
    )


def _listed(core: Core, name: str, verb: str, kind: type[_V], found: object) -> tuple[_V, ...]:
    if not isinstance(found, list | tuple) or not all(isinstance(each, kind) for each in found):
        raise _fault(core, name, verb, "", f"it returned {short(found)} instead of a list of {kind.__name__}")
    return tuple(found)


async def console(core: Core, name: str, worker: WorkerName) -> str:
    """Raises DriverError, also when the driver has no such thing."""
    driver = core.drivers.get(name)
    if driver is not None and not isinstance(driver, Console):
        raise DriverError(f"Driver {name} cannot show the console output of a machine.")

    def read(driver: Driver) -> str:
        assert isinstance(driver, Console)
        return driver.console(worker)

    return str(await ask(core, name, "console", read, worker))


async def operations(core: Core, name: str, worker: WorkerName) -> tuple[ProviderOperation, ...]:
    """Raises DriverError, also when the driver cannot tell."""
    driver = core.drivers.get(name)
    if driver is not None and not isinstance(driver, Operations):
        raise DriverError(f"Driver {name} cannot list the operations of a machine.")

    def read(driver: Driver) -> object:
        assert isinstance(driver, Operations)
        return driver.operations(worker)

    found = await ask(core, name, "operations", read, worker)
    return _listed(core, name, "operations", ProviderOperation, found)


async def ask(
    core: Core,
    name: str,
    verb: str,
    work: Callable[[Driver], _T],
    worker: str = "",
    *,
    although_frozen: bool = False,
) -> _T:
    """Raises DriverError and nothing else."""
    driver = _callable(core, name, verb, although_frozen=although_frozen)

    def called() -> _T:
        """In the driver's thread: since the question above the server may have been stopped, and woken up after its lease."""
        if not core.leadership.holds():
            raise DriverFrozenError(NOT_LEADING)
        return work(driver)

    limit_s = deadline_s(driver, verb, limits_of(core, name).call_timeout_s)
    try:
        return await core.calls.run(name, verb, called, deadline_s=limit_s, worker=worker)
    except DriverFrozenError:
        raise  # no trouble of the driver's
    except Unauthorised as error:
        reported_faults.note(core, notes_of(core, name), verb, worker, error)
        if verb in _VERBS:
            await freeze(
                core,
                name,
                f"Driver {name} is frozen: the provider refused its credentials or settings ({short(error)}). Correct them, then run "
                f"`herder driver unfreeze {name}`.",
            )
        raise
    except NotFound:
        raise  # an answer, and no trouble
    except DriverError as error:
        reported_faults.note(core, notes_of(core, name), verb, worker, error)
        raise
    except Exception as error:
        log.error("Driver %s failed in %s: %s.", name, verb, clause(error), exc_info=error)
        raise _fault(core, name, verb, worker, f"{type(error).__name__}: {short(error)}") from error


def _callable(core: Core, name: str, verb: str, *, although_frozen: bool) -> Driver:
    """Raises DriverFrozenError."""
    driver, frozen = core.drivers.get(name), core.state.frozen_drivers.get(name)
    if driver is None or (frozen is not None and verb != "health" and not although_frozen):
        raise DriverFrozenError(frozen.reason if frozen else f"This server has no driver {name}.")
    if not core.leadership.holds():
        raise DriverFrozenError(NOT_LEADING)
    return driver


def limits_of(core: Core, name: str) -> CreationLimits:
    return core.settings.creation_limits.get(name, DEFAULT_LIMITS)


def deadline_s(driver: Driver, verb: str, set_s: float | None = None) -> float:
    """`set_s`: the setting `call_timeout` of the driver."""
    if set_s is not None:
        return min(set_s, DEADLINE_LONGEST_S)
    own = driver.deadlines_s if isinstance(driver, Deadlines) else {}
    return min(own.get(verb, DEADLINES_S.get(verb, DEADLINE_S)), DEADLINE_LONGEST_S)


async def freeze(
    core: Core, name: str, reason: str, *, actor: str = "herder", by_sweep: bool = False
) -> None:
    """Once; whoever comes second finds it frozen. Durable when this returns."""
    if name not in core.state.frozen_drivers:
        log.error("%s", reason)
        changes = Changes()
        drivers.freeze(core.state, changes, name, reason, core.clock.now_ms(), actor=actor, by_sweep=by_sweep)
        core.workers_changed.set()
        await core.commit(changes)


def _machine(core: Core, name: str, worker: WorkerName, found: object) -> Machine:
    known = isinstance(found, Machine) and found.worker == worker and isinstance(found.phase, Phase)
    if isinstance(found, Machine) and known and isinstance(found.step, Step | None):
        return found
    raise _fault(core, name, "", worker, f"asked for worker {worker} it returned {short(found)}")


def _fault(core: Core, name: str, verb: str, worker: str, text: str) -> DriverFault:
    """Told once a minute for the same text: a driver that is broken is asked again and again."""
    where = f" in {verb}" if verb else ""
    said = f"Driver {name} has a bug{where}: {text}. Herder tries again later. Report this to the author of the driver."
    error, notes = DriverFault(said), notes_of(core, name)
    reported_faults.note(core, notes, verb, worker, error)
    reported_faults.report(core, notes, "driver.fault", f"driver/{name}", said)
    return error
