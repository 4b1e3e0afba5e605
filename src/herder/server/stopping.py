"""Stops a server together with its workers (`herder up`): running jobs get a time to end, then the workers are removed.

Called by `runtime.py` at the first signal. Jobs are told by SIGTERM; one that ends in its grace is reported as it ended, the
others are queued again for the next start. It must say what it waits for, and never wait for longer than its bounds.
"""

import asyncio
from collections.abc import Callable

from herder.control.kernel.core import Core
from herder.engine.attempts.attempt import preempt
from herder.engine.workers.worker import drain, terminate
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.values.phrases import counted
from herder.model.work.job import Cause

#: How long what runs may take to end by itself: an agent kills after 5 s, and then has to report it.
END_JOBS_S = 15.0
#: And then, how long the machines may take to go.
REMOVE_WORKERS_S = 15.0
#: How long a store that cannot be written is waited for, before jobs are stopped whose ends it could not take anyway.
STORE_S = 2.0
LOOK_S = 0.02
_REASON = Reason(kind=ReasonKind.BY_HAND, text="The server was stopped.")


def stopping_text(core: Core, *, workers_go: bool) -> str:
    """What is said when a stop begins."""
    workers, jobs = len(core.state.workers), len(core.state.live)
    what = f"{counted(workers, 'worker')} with {counted(jobs, 'running job')}"
    if not workers_go:
        return f"Stopping. {what} continue without the server." if workers else "Stopping."
    if not workers:
        return "Stopping."
    return f"Stopping {what}. Press Ctrl-C again to stop them immediately."


async def stop_workers(core: Core, hastened: asyncio.Event, say: Callable[[str], None]) -> None:
    """Until all are gone, or their time is over."""
    changes, now = Changes(), core.clock.now_ms()
    for worker in list(core.state.workers.values()):
        drain(core.state, changes, worker, _REASON, now)
        for attempt in list(worker.live.values()):
            preempt(core.state, changes, attempt, _REASON.text)
    core.workers_changed.set()
    if await core.durable_within(core.commit(changes), END_JOBS_S, STORE_S):
        await _until_gone(core, END_JOBS_S, hastened)
    elif core.state.workers:
        trouble = core.store.trouble
        say(
            f"{trouble.text if trouble else 'The store cannot be written.'} The ends of jobs cannot be recorded: "
            "the workers are stopped immediately, and their jobs run again after the next start."
        )
    if core.state.workers:
        changes, now = Changes(), core.clock.now_ms()
        for worker in list(core.state.workers.values()):
            terminate(core.state, changes, worker, _REASON, now, cause=Cause.DRAINED)
        core.workers_changed.set()
        await core.durable_within(core.commit(changes), REMOVE_WORKERS_S, 0.0)
        await _until_gone(core, REMOVE_WORKERS_S, None)
    if left := len(core.state.workers):
        say(f"{counted(left, 'worker')} could not be removed in time; the next start removes them.")


async def _until_gone(core: Core, limit_s: float, hastened: asyncio.Event | None) -> None:
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + limit_s
    while core.state.workers and loop.time() < give_up_at:
        if hastened is not None and hastened.is_set():
            return
        await asyncio.sleep(LOOK_S)
