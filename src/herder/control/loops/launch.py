"""The launch loop: claims become machines, and machines that are to go are removed.

Each call of a driver goes through `Core.calls`. What is about to be done stands in the store before: a crash in the middle is taken up
again with the same worker name, which makes both calls safe to repeat.
"""

import asyncio
import logging
from functools import partial

from herder.control.clock import derived_token, hash_token
from herder.control.core import Core
from herder.control.exchange import forget_worker
from herder.engine import worker as life
from herder.engine.events import record_event
from herder.engine.state import WorkerLife
from herder.model.changes import Changes
from herder.model.driver import (
    Driver,
    DriverError,
    InvalidRequest,
    NotFound,
    OutOfCapacity,
    QuotaExceeded,
    RateLimited,
    StartData,
    Unauthorised,
    failure_cause,
)
from herder.model.offer import FailureCause
from herder.model.worker import WorkerState

log = logging.getLogger(__name__)

#: Calls to drivers at a time, creations and deletions each.
CALLS_AT_A_TIME = 8
#: Between two tries of a call whose outcome is open, doubled up to the longest.
RETRY_S = 0.5
RETRY_LONGEST_S = 30.0
#: The longest that a provider may take for one machine.
CREATE_S = 900.0
DELETE_S = 300.0
#: These end the claim: trying again at once would not help, the planner decides anew.
FINAL = (InvalidRequest, OutOfCapacity, QuotaExceeded, Unauthorised)


async def run(core: Core) -> None:
    places = asyncio.Semaphore(CALLS_AT_A_TIME)
    under_way: dict[str, asyncio.Task[None]] = {}
    while True:
        core.workers_changed.clear()
        for name, worker in list(core.state.workers.items()):
            if name not in under_way and worker.state in _WORK:
                task = asyncio.create_task(
                    _WORK[worker.state](core, worker, places), name=f"{worker.state}-{name}"
                )
                under_way[name] = task
                task.add_done_callback(partial(_finished, core, under_way, name))
        await core.workers_changed.wait()


def _finished(
    core: Core, under_way: dict[str, asyncio.Task[None]], name: str, task: "asyncio.Task[None]"
) -> None:
    del under_way[name]
    core.workers_changed.set()  # there may be a next step for it, and there is a free place
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("worker %s: %s", name, error, exc_info=error)


async def _create(core: Core, worker: WorkerLife, places: asyncio.Semaphore) -> None:
    name = worker.spec.name
    token = derived_token(core.settings.secret, f"activation/{name}")
    core.directory.activations[hash_token(token)] = name
    changes = Changes()
    life.provisioning(core.state, worker, hash_token(token))
    await core.commit(changes)
    start = StartData(
        server_url=core.settings.server_url,
        activation_token=token,
        self_delete_after_s=core.settings.self_delete_after_s,
    )
    driver = core.drivers.get(worker.spec.driver)
    if driver is None:
        await _failed(core, worker, f"this server has no driver {worker.spec.driver!r} any more")
        return
    async with places:
        await _call_create(core, worker, driver, start)


async def _call_create(core: Core, worker: WorkerLife, driver: Driver, start: StartData) -> None:
    pause = RETRY_S
    while worker.state in (WorkerState.PROVISIONING, WorkerState.JOINING, WorkerState.READY):
        try:
            machine = await core.calls.run(
                worker.spec.driver, "create", partial(driver.create, worker.spec, start), deadline_s=CREATE_S
            )
        except FINAL as error:
            await _failed(core, worker, f"{type(error).__name__}: {error}", failure_cause(error))
            return
        except DriverError as error:
            wait = error.retry_after_s if isinstance(error, RateLimited) else pause
            log.warning("worker %s: %s; trying again in %.1f s", worker.spec.name, error, wait)
            await asyncio.sleep(min(wait, RETRY_LONGEST_S))
            pause = min(pause * 2, RETRY_LONGEST_S)
            continue
        changes = Changes()
        life.provisioned(core.state, changes, worker, machine.handle, core.clock.now_ms())
        await core.commit(changes)
        return


async def _failed(
    core: Core, worker: WorkerLife, text: str, cause: FailureCause = FailureCause.OTHER
) -> None:
    if worker.state.in_flight:
        changes = Changes()
        life.create_failed(core.state, changes, worker, text, core.clock.now_ms(), cause)
        forget_worker(core, worker.spec.name)
        await core.commit(changes)


async def _delete(core: Core, worker: WorkerLife, places: asyncio.Semaphore) -> None:
    """Until the driver says that it is gone: a worker that may still exist still counts and still costs."""
    name, driver = worker.spec.name, core.drivers.get(worker.spec.driver)
    pause, said = RETRY_S, False
    await asyncio.sleep(core.settings.farewell_s)  # the worker hears "stop" and leaves by itself, if it can
    while driver is not None:
        try:
            async with places:
                await core.calls.run(
                    worker.spec.driver, "delete", partial(driver.delete, name), deadline_s=DELETE_S
                )
            break
        except NotFound:
            break
        except DriverError as error:
            if not said:
                said = True
                await _tell_trouble(core, name, f"cannot be removed yet: {error}")
            log.warning("worker %s cannot be removed yet: %s; trying again in %.1f s", name, error, pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, RETRY_LONGEST_S)
    changes = Changes()
    life.terminated(core.state, changes, worker, core.clock.now_ms())
    forget_worker(core, name)
    await core.commit(changes)


async def _tell_trouble(core: Core, name: str, text: str) -> None:
    changes = Changes()
    record_event(core.state, changes, core.clock.now_ms(), "worker.trouble", f"worker/{name}", text)
    await core.commit(changes)


_WORK = {
    WorkerState.REQUESTED: _create,
    WorkerState.PROVISIONING: _create,
    WorkerState.TERMINATING: _delete,
}
