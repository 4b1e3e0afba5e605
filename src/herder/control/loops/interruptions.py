"""The interruptions loop: asks each driver that can announce interruptions which machines its provider takes back. One task for each.

It decides nothing: `engine/workers/notices.py` does. A driver that fails is asked again, less and less often; agents hear of the end of
their machines by themselves as well, so a notice that is missed here costs time and no work.
"""

import asyncio
import logging
from functools import partial

from herder.control.drivers import calling
from herder.control.kernel.core import Core
from herder.control.recovery.supervision import supervise
from herder.engine.workers import notices
from herder.model.fleet.driver import DriverError, RateLimited
from herder.model.fleet.driver_capabilities import Interruptions
from herder.model.fleet.notice import NoticeSource
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause

log = logging.getLogger(__name__)

#: The longest between two questions to a driver that does not answer.
PAUSE_LONGEST_S = 120.0


async def run(core: Core) -> None:
    names = [name for name, driver in core.drivers.items() if isinstance(driver, Interruptions)]
    tasks = [
        asyncio.create_task(
            supervise(core, f"interruptions of {name}", partial(_ask, name=name)),
            name=f"interruptions-{name}",
        )
        for name in names
    ]
    try:
        await (asyncio.gather(*tasks) if tasks else asyncio.Event().wait())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ask(core: Core, name: str) -> None:
    pause_s = period_s = core.settings.interruptions_period_s
    while True:
        await asyncio.sleep(pause_s)
        if not calling.may_be_called(core, name) or not _has_workers(core, name):
            continue
        try:
            await look(core, name)
            pause_s = period_s
        except calling.DriverFrozenError:
            pause_s = period_s
        except DriverError as error:
            log.warning("Driver %s cannot say which machines are taken back: %s.", name, clause(error))
            wait_s = error.retry_after_s if isinstance(error, RateLimited) else 0.0
            pause_s = min(max(pause_s * 2, wait_s), max(PAUSE_LONGEST_S, period_s))


def _has_workers(core: Core, name: str) -> bool:
    return any(worker.spec.driver == name for worker in core.state.workers.values())


async def look(core: Core, name: str) -> None:
    """Once. The time of the call is taken off what is left: a driver counts when it answers, or earlier."""
    asked_ms = core.clock.monotonic_ms()
    found = await calling.interruptions(core, name)
    took_ms = core.clock.monotonic_ms() - asked_ms
    with core.change(Changes()) as changes:
        for each in found:
            worker = core.state.workers.get(each.worker)
            if worker is not None and worker.spec.driver == name:
                left_ms = int(each.left_s * 1000) - took_ms
                notices.announced(
                    core.state, changes, worker, left_ms, NoticeSource.DRIVER, core.clock.now_ms()
                )
    if not changes.empty or changes.wake:
        core.workers_changed.set()
        await core.commit(changes)
