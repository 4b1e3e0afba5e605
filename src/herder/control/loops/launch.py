"""The launch loop: creates machines for claims, removes machines of terminating workers and carries out repairs; one task for each such
worker.

What is about to be done stands in the store before: a crash in the middle is taken up again with the same worker name, which makes
both calls safe to repeat. The steps of one worker are in `control/drivers/machines.py`. Workers of a frozen driver are left as they are.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from functools import partial

from herder.control.drivers import machines, repairs, turns
from herder.control.drivers.boot_data import boot_data
from herder.control.drivers.calling import may_be_called
from herder.control.kernel.core import Core
from herder.control.kernel.secret_tokens import derived_token, hash_token
from herder.engine.memory.state import WorkerLife
from herder.engine.workers import worker as life
from herder.model.fleet.driver import DriverError, StartData
from herder.model.fleet.worker import WorkerState
from herder.model.ids import WorkerName
from herder.model.stored.changes import Changes
from herder.observability.logs import about

log = logging.getLogger(__name__)

#: After an error of Herder's own in a worker's task, before it is begun again.
FAILED_PAUSE_S = 5.0
_WORK = frozenset({WorkerState.REQUESTED, WorkerState.PROVISIONING, WorkerState.TERMINATING})


@dataclass(slots=True)
class _Work:
    task: "asyncio.Task[None]"
    pauses: machines.Pauses
    removes: bool


@dataclass(slots=True)
class _UnderWay:
    core: Core
    work: dict[WorkerName, _Work] = field(default_factory=dict)

    def look(self, name: WorkerName, worker: WorkerLife, queue: turns.Turns) -> None:
        mine = self.work.get(name)
        if mine is not None:
            if worker.state is WorkerState.TERMINATING and not mine.removes:
                mine.pauses.wake.set()  # it makes a machine that is not wanted any more
            return
        if not self.core.leadership.holds():
            return
        if worker.state not in _WORK and not repairs.to_do(self.core, worker):
            return
        if not may_be_called(self.core, worker.spec.driver) and worker.state is not WorkerState.REQUESTED:
            return
        if worker.state is WorkerState.REQUESTED and not queue.may_begin(worker):
            return
        pauses = machines.Pauses()
        with about(worker=name, pool=worker.spec.pool):
            task = asyncio.create_task(_step(self.core, worker, pauses), name=f"{worker.state}-{name}")
        self.work[name] = _Work(task, pauses, worker.state is WorkerState.TERMINATING)
        task.add_done_callback(partial(self._finished, name))

    def _finished(self, name: WorkerName, task: "asyncio.Task[None]") -> None:
        if task.cancelled() or (error := task.exception()) is None:
            self._release(name)
            return
        log.error(
            "Worker %s: %s. It is tried again in %g s.",
            name,
            error,
            FAILED_PAUSE_S,
            exc_info=error,
            extra={"worker": name},
        )
        asyncio.get_running_loop().call_later(FAILED_PAUSE_S, self._release, name)

    def _release(self, name: WorkerName) -> None:
        self.work.pop(name, None)
        turns.leave(self.core, name)
        self.core.workers_changed.set()  # there may be a next step for it

    async def close(self) -> None:
        tasks = [each.task for each in self.work.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def run(core: Core) -> None:
    under_way = _UnderWay(core)
    turns.after_start(core)
    try:
        while True:
            core.workers_changed.clear()
            queue = turns.Turns(core)
            for name, worker in list(core.state.workers.items()):
                under_way.look(name, worker, queue)
            timer = queue.wake_up()
            await core.workers_changed.wait()
            if timer is not None:
                timer.cancel()
    finally:
        await under_way.close()


async def _step(core: Core, worker: WorkerLife, pauses: machines.Pauses) -> None:
    if worker.state is WorkerState.TERMINATING:
        await machines.remove(core, worker, pauses)
    elif worker.state not in _WORK:
        await repairs.carry_out(core, worker, pauses)
    elif not may_be_called(core, worker.spec.driver):
        await machines.refuse(core, worker, _why_not(core, worker.spec.driver))
    else:
        await _make(core, worker, pauses)


def _why_not(core: Core, driver: str) -> str:
    frozen = core.state.frozen_drivers.get(driver)
    return frozen.reason if frozen is not None else f"This server has no driver {driver}."


async def _make(core: Core, worker: WorkerLife, pauses: machines.Pauses) -> None:
    name, resumed = worker.spec.name, worker.state is not WorkerState.REQUESTED
    token = derived_token(core.settings.secret, f"activation/{name}")
    core.directory.activations[hash_token(token)] = name
    changes = Changes()
    life.provisioning(core.state, worker, hash_token(token), core.clock.now_ms())
    await core.commit(changes)
    try:
        boot = boot_data(core, worker)
    except DriverError as error:
        await machines.no_boot_data(core, worker, error, resumed=resumed)
        return
    start = StartData(
        server_url=",".join(core.addresses),
        activation_token=token,
        self_delete_after_s=core.settings.self_delete_after_s,
        boot=boot,
    )
    await machines.make(core, worker, start, pauses, resumed=resumed)
