"""The schedules loop: submits the batches of schedules whose time has come. It looks at each full minute, and between."""

import asyncio

from herder.control.jobs.schedules import tick
from herder.control.kernel.core import Core
from herder.model.stored.changes import Changes

#: Between two looks, at most; a time is a whole minute.
LOOK_S = 15.0
_MINUTE_MS = 60_000


async def run(core: Core) -> None:
    while True:
        if core.state.schedules and core.leadership.holds():
            with core.change(Changes()) as changes:
                tick(core, changes, core.clock.now_ms())
            if not changes.empty:
                await core.commit(changes)
        left_s = (_MINUTE_MS - core.clock.now_ms() % _MINUTE_MS) / 1000
        await asyncio.sleep(min(LOOK_S, left_s + 0.01))
