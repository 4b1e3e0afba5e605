"""The sweep loop: compares the machines of each provider with the worker rows. One task for each driver, so that none delays another.

What follows from a listing is in `control/drivers/reconciliation.py`. A driver that cannot be listed proves nothing; it is asked again, less and
less often. A frozen one is only asked for its health. It never blocks the start: the first thing that each driver is asked runs here.
"""

import asyncio
import logging
from functools import partial

from herder.control.drivers.calling import DriverFrozenError
from herder.control.drivers.reconciliation import Comparison
from herder.control.kernel.core import Core
from herder.control.recovery.supervision import supervise
from herder.model.fleet.driver import DriverError, RateLimited

log = logging.getLogger(__name__)

#: The longest between two listings of a driver that cannot be listed.
PAUSE_LONGEST_S = 60.0


async def run(core: Core) -> None:
    tasks = [
        asyncio.create_task(
            supervise(core, f"sweep of {name}", partial(_sweep, name=name)), name=f"sweep-{name}"
        )
        for name in core.drivers
    ]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _sweep(core: Core, name: str) -> None:
    comparison, period_s = Comparison(core, name), core.settings.sweep_period_s
    pause_s = period_s
    while True:
        try:
            await comparison.once()
            pause_s = period_s
        except DriverFrozenError:
            pause_s = period_s
        except DriverError as error:
            log.warning("The machines of driver %s cannot be listed: %s", name, error)
            await comparison.heard(error)
            wait_s = error.retry_after_s if isinstance(error, RateLimited) else 0.0
            pause_s = min(max(pause_s * 2, wait_s), max(PAUSE_LONGEST_S, period_s))
        await asyncio.sleep(pause_s)
