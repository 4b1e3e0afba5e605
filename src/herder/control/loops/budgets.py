"""The loop of budgets: leases that were not settled by their end expire, what is to be repaid today is repaid, and budgets that are being deleted are gone when their last lease has ended."""

import asyncio

from herder.control.budgets import deleting, leasing, moving
from herder.control.kernel.core import Core
from herder.model.stored.changes import Changes

PERIOD_S = 5.0


async def run(core: Core) -> None:
    while True:
        if core.budgets.budgets and core.leadership.holds():
            with core.change(Changes()) as changes:
                now_ms = core.clock.now_ms()
                leasing.expire(core, changes, now_ms)
                moving.repay(core, changes, now_ms)
                deleting.finish(core, changes, now_ms)
            if not changes.empty:
                await core.commit(changes)
        await asyncio.sleep(PERIOD_S)
