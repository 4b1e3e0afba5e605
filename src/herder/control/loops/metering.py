"""The metering loop: samples what lives, makes rows by day of what the log of use has, and closes the months that somebody asked for."""

import asyncio

from herder.control.costs.months import close_asked
from herder.control.costs.use_by_day import fold, sample, sample_due
from herder.control.kernel.core import Core

#: So old may figures of what has ended be.
PAUSE_S = 10.0


async def run(core: Core) -> None:
    while True:
        await asyncio.sleep(PAUSE_S)
        await once(core)


async def once(core: Core) -> None:
    if core.store.trouble is not None:
        return
    if sample_due(core):
        await sample(core)
    async with core.booking:
        await fold(core)
        await close_asked(core)
