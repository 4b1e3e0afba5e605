"""Creation and removal of one worker's machine: the steps, the answer to each error, and the wait between two steps.

Called by the launch loop, one task for each worker. No step waits for a machine: the provider is asked how far it is, and what it
answers stands in the worker's row, so that a restart goes on from there. Between two steps nothing of the driver is occupied.
`model/fleet/driver.py` has the table of errors. It never makes a second machine: after an open outcome it looks first.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field

from herder.control.drivers import calling, turns
from herder.control.drivers.bootstraps.stopping import shut_down
from herder.control.drivers.calling import DriverFrozenError
from herder.control.kernel.core import Core
from herder.control.workers.exchange import forget_worker
from herder.engine.memory.events import record_event
from herder.engine.memory.state import WorkerLife
from herder.engine.workers import worker as life
from herder.engine.workers.creation import creation_of, tried
from herder.model.fleet.creation import Step
from herder.model.fleet.driver import (
    AlreadyExists,
    DriverError,
    DriverFault,
    InvalidRequest,
    Machine,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    Phase,
    QuotaExceeded,
    RateLimited,
    StartData,
    Unauthorised,
    failure_cause,
)
from herder.model.fleet.offer import FailureCause
from herder.model.fleet.worker import WorkerState
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause

log = logging.getLogger(__name__)

#: Between two tries of a call that failed, doubled up to the longest.
RETRY_S = 0.5
RETRY_LONGEST_S = 30.0
#: Between two looks at something that takes its time, growing by half up to the longest.
LOOK_S = 0.5
LOOK_LONGEST_S = 10.0
#: The longest that a provider may tell us to wait: beyond it, it is asked again.
RATE_LIMIT_LONGEST_S = 300.0
#: A removal that has not ended after this time is begun again.
REMOVAL_MS = 1_800_000
_TAKES_LONG = "The machine of the worker has not gone within 30 min of its removal. It may still cost. Herder removes it again."
#: These end a creation: trying it again would not help, the planner decides anew.
FINAL = (InvalidRequest, OutOfCapacity, QuotaExceeded, Unauthorised, DriverFault)
_REFUSED_AS = {
    FailureCause.OUT_OF_CAPACITY: "No capacity",
    FailureCause.QUOTA_EXCEEDED: "Quota exceeded",
    FailureCause.INVALID_REQUEST: "Invalid request",
    FailureCause.UNAUTHORISED: "Credentials refused",
}
_MAKING = (WorkerState.PROVISIONING, WorkerState.READY)


@dataclass(slots=True)
class Pauses:
    """Waits of one worker's task. `wake` ends the one that is under way: something has changed."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _retry_s: float = RETRY_S
    _look_s: float = LOOK_S

    async def retry(self, error: DriverError | None) -> float:
        """After an error; answers how long it was to be."""
        wait = self._retry_s
        if isinstance(error, RateLimited):
            wait = min(max(wait, error.retry_after_s), RATE_LIMIT_LONGEST_S)
        self._retry_s = min(self._retry_s * 2, RETRY_LONGEST_S)
        await self.wait(wait)
        return wait

    async def look(self) -> None:
        wait, self._look_s = self._look_s, min(self._look_s * 1.5, LOOK_LONGEST_S)
        self._retry_s = RETRY_S
        await self.wait(wait)

    async def wait(self, seconds: float) -> None:
        """What changed while the driver was asked ends it at once."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wake.wait(), seconds)
        self.wake.clear()


@dataclass(slots=True)
class _Making:
    """Where the creation of one machine is."""

    look: bool
    """Whether to ask for it before making it."""
    unsure: bool
    """Something of it may be there."""
    taken: bool = False
    """The provider said that the name is taken."""
    error: DriverError | None = None
    """Of the last call of `create` that failed and may be tried again."""
    again_ms: int = 0
    """Not before this (monotonic)."""


async def make(core: Core, worker: WorkerLife, start: StartData, pauses: Pauses, *, resumed: bool) -> None:
    """Until the machine runs, or will not. `resumed`: an earlier process may have begun it."""
    making = _Making(look=resumed, unsure=resumed)
    while worker.state in _MAKING:
        try:
            if making.look or worker.state is not WorkerState.PROVISIONING:
                machine = await calling.get(core, worker.spec.driver, worker.spec.name, worker.operation)
            else:
                if not await _may_create(core, worker, making, pauses):
                    continue
                machine = await _create(core, worker, start)
        except DriverFrozenError:
            return  # begun anew when a person has unfrozen the driver
        except DriverError as error:
            if await _creation_failed(core, worker, making, error, pauses):
                return
            continue
        if await _made(core, worker, machine):
            return
        making.look = making.unsure = True
        await pauses.look()


async def _made(core: Core, worker: WorkerLife, machine: Machine) -> bool:
    """Whether there is nothing more to do for its creation."""
    if worker.state not in _MAKING:
        return True
    if machine.phase is Phase.RUNNING:
        with core.change(Changes()) as changes:
            life.in_phase(core.state, worker, machine, core.clock.now_ms())
            life.provisioned(core.state, changes, worker, machine.handle, core.clock.now_ms())
        await core.commit(changes)
        return True
    if machine.phase is not Phase.CREATING:
        detail = f": {clause(machine.detail)}" if machine.detail else ""
        at = "" if machine.step is None else f" in step {machine.step}"
        failed = machine.phase is Phase.FAILED
        cause = FailureCause.STEP_FAILED if failed else FailureCause.OTHER
        await _broke(core, worker, f"The machine is {machine.phase.value}{at}{detail}.", cause)
        return True
    if life.in_phase(core.state, worker, machine, core.clock.now_ms()):
        await core.commit(Changes())
    return False


async def _may_create(core: Core, worker: WorkerLife, making: _Making, pauses: Pauses) -> bool:
    """Whether the driver is to be called now. False: something else has to be looked at first."""
    name, limits = worker.spec.driver, calling.limits_of(core, worker.spec.driver)
    tries = 0 if worker.creation is None else worker.creation.tries
    if making.error is not None and tries >= limits.create_tries:
        end = _broke if making.unsure else _failed
        text = f"{_tries_said(tries)} of creating the machine failed: {clause(making.error)}."
        await end(core, worker, text, failure_cause(making.error))
        return False
    wait_ms = max(turns.wait_ms(core, name, worker.spec.name), making.again_ms - core.clock.monotonic_ms())
    if wait_ms > 0:
        await pauses.wait(wait_ms / 1000)
        return False
    return True


async def _create(core: Core, worker: WorkerLife, start: StartData) -> Machine:
    turns.asked(core, worker.spec.driver, worker.spec.name)
    try:
        return await calling.create(core, worker.spec, start)
    finally:
        turns.answered(core, worker.spec.driver, worker.spec.name)


def _tries_said(tries: int) -> str:
    return "The only try" if tries == 1 else f"All {tries} tries"


async def _creation_failed(
    core: Core, worker: WorkerLife, making: _Making, error: DriverError, pauses: Pauses
) -> bool:
    """The answer to an error; whether the creation is over with it."""
    making.unsure = making.unsure or error.leaves_parts
    if isinstance(error, NotFound):
        if making.taken:
            text = f"Driver {worker.spec.driver} reports that the name {worker.spec.name} is in use, but not by a machine of this installation."
            await _failed(core, worker, text, FailureCause.OTHER)
            return True
        first, making.look = making.look, False
        if not first:
            await pauses.retry(error)
        return False
    if isinstance(error, AlreadyExists) and not making.taken:
        making.look = making.taken = True
        return False
    if isinstance(error, FINAL) and worker.state.in_flight:
        text = (
            str(error)
            if isinstance(error, DriverFault)
            else f"{_REFUSED_AS[failure_cause(error)]}: {clause(error)}."
        )
        # A fault says nothing of what was done: whatever is left of it goes through the driver's deletion.
        end = _broke if making.unsure or isinstance(error, DriverFault) else _failed
        await end(core, worker, text, failure_cause(error))
        return True
    if not making.look:
        return await _try_again(core, worker, making, error, pauses)
    wait = await pauses.retry(error)
    log.warning(
        "Worker %s cannot be created yet: %s. Herder tries again in %.1f s.",
        worker.spec.name,
        clause(error),
        wait,
    )
    return False


async def _try_again(
    core: Core, worker: WorkerLife, making: _Making, error: DriverError, pauses: Pauses
) -> bool:
    """A call of `create` has failed in a way that may pass. What may have happened is looked for at once, the next call is later."""
    wait_s = calling.limits_of(core, worker.spec.driver).create_retry_pause_s
    if isinstance(error, RateLimited):
        wait_s = min(max(wait_s, error.retry_after_s), RATE_LIMIT_LONGEST_S)
    wait_ms = int(wait_s * 1000)
    making.error, making.again_ms = error, core.clock.monotonic_ms() + wait_ms
    tries = tried(core.state, worker, core.clock.now_ms() + wait_ms)
    await core.commit(Changes())
    log.warning(
        "Worker %s cannot be created yet (try %d): %s. Herder tries again in %.1f s at the earliest.",
        worker.spec.name,
        tries,
        clause(error),
        wait_s,
    )
    if isinstance(error, OutcomeUnknown):
        making.look = making.unsure = True
        await pauses.retry(error)
    return False


async def refuse(core: Core, worker: WorkerLife, text: str) -> None:
    """A claim whose driver may not be called: nothing was made, and the planner decides anew."""
    await _failed(core, worker, text, FailureCause.OTHER)


async def no_boot_data(core: Core, worker: WorkerLife, error: DriverError, *, resumed: bool) -> None:
    """Its bootstrap cannot say what its machine boots with: that is wrong until a person corrects it."""
    worker.creation = creation_of(worker).at(Step.CONFIGURE, core.clock.now_ms())
    end = _broke if resumed else _failed
    text = f"Bootstrap {worker.spec.bootstrap} cannot configure the worker: {clause(error)}."
    await end(core, worker, text, failure_cause(error))


async def _failed(core: Core, worker: WorkerLife, text: str, cause: FailureCause) -> None:
    """Nothing was made."""
    if worker.state.in_flight:
        with core.change(Changes()) as changes:
            life.create_failed(core.state, changes, worker, text, core.clock.now_ms(), cause)
        forget_worker(core, worker.spec.name)
        await core.commit(changes)


async def _broke(core: Core, worker: WorkerLife, text: str, cause: FailureCause) -> None:
    """Something of it may be left."""
    if worker.state.in_flight:
        with core.change(Changes()) as changes:
            life.create_broke(core.state, changes, worker, text, core.clock.now_ms(), cause)
        await core.commit(changes)


async def remove(core: Core, worker: WorkerLife, pauses: Pauses) -> None:
    """Until the driver says that it is gone: a worker that may still exist still counts and still costs."""
    name, driver = worker.spec.name, worker.spec.driver
    look, told, asked_ms = worker.phase == Phase.STOPPING.value, False, core.clock.monotonic_ms()
    await asyncio.sleep(core.settings.stop_grace_s)  # the worker hears "stop" and leaves by itself, if it can
    await shut_down(core, worker)
    while worker.state is WorkerState.TERMINATING:
        try:
            if look:
                machine = await calling.get(core, driver, name, worker.operation)
            else:
                asked_ms = core.clock.monotonic_ms()
                machine = await calling.delete(core, driver, name)
        except NotFound:
            break
        except (DriverFrozenError, Unauthorised):
            return  # begun anew when a person has unfrozen the driver
        except DriverError as error:
            look = isinstance(error, OutcomeUnknown)
            if not told:
                text = f"The worker cannot be removed yet: {clause(error)}. Herder tries again."
                told = await _tell_trouble(core, worker, text)
            wait = await pauses.retry(error)
            log.warning(
                "Worker %s cannot be removed yet: %s. Herder tries again in %.1f s.",
                name,
                clause(error),
                wait,
            )
            continue
        if machine.phase is Phase.GONE:
            break
        if life.in_phase(core.state, worker, machine, core.clock.now_ms()):
            core.workers_changed.set()  # it no longer holds a place among the creations
            await core.commit(Changes())
        look = machine.phase is Phase.STOPPING
        await (pauses.look() if look else pauses.retry(None))
        if core.clock.monotonic_ms() - asked_ms >= REMOVAL_MS:
            look = False
            told = told or await _tell_trouble(core, worker, _TAKES_LONG)
    await _gone(core, worker)


async def _gone(core: Core, worker: WorkerLife) -> None:
    if worker.state is not WorkerState.TERMINATING:
        return
    with core.change(Changes()) as changes:
        life.terminated(core.state, changes, worker, core.clock.now_ms())
    forget_worker(core, worker.spec.name)
    calling.notes_of(core, worker.spec.driver).note_ended(worker.spec.name, core.clock.monotonic_ms())
    await core.commit(changes)


async def _tell_trouble(core: Core, worker: WorkerLife, text: str) -> bool:
    """True: it is told."""
    changes = Changes()
    subject = f"worker/{worker.spec.name}"
    record_event(core.state, changes, core.clock.now_ms(), "worker.trouble", subject, text)
    await core.commit(changes)
    return True
