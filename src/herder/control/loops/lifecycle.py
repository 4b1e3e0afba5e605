"""The lifecycle loop: boot timeouts, silent workers, ends of drains, preemption. Each `CoreSettings.lifecycle_period_s`.

It checks the clocks first: time in which the server was suspended counts for no deadline, and neither does a changed clock.
"""

import asyncio

from herder.control.kernel.core import Core
from herder.control.recovery.clock_watch import Rounds
from herder.engine.attempts import time_limits
from herder.engine.jobs.backoff import any_due
from herder.engine.workers.deadlines import tick
from herder.model.stored.changes import Changes


async def run(core: Core) -> None:
    period_s = core.settings.lifecycle_period_s
    rounds = Rounds(core, period_s)
    while True:
        with core.change(Changes()) as changes:
            rounds.begin(changes)
            tick(core.state, changes, core.clock.now_ms())
            if core.state.timed:
                time_limits.look(core.state, changes, core.clock.now_ms())
            core.preemptor.look(core.state, changes, core.placer.reservations, core.clock.now_ms())
        if not changes.empty or changes.wake or any_due(core.state, core.clock.now_ms()):
            core.workers_changed.set()
            await core.commit(changes)
        await asyncio.sleep(period_s)
