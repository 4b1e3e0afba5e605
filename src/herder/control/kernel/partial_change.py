"""Whether a failed step had changed anything: if so, memory is ahead of the store and the server must end.

Used by `Core.change`. Every function of `engine/` counts, records or marks what it changes, so a step that left all of these as they
were has changed nothing that matters: a check that stumbled over strange input is answered with an error, and the server lives.
"""

from herder.engine.memory.state import EngineState
from herder.model.stored.changes import Changes

Mark = tuple[object, ...]


def mark(state: EngineState, changes: Changes) -> Mark:
    """Compare it with another, made later: equal means that nothing was touched. A class that was made is no change: it is recorded by
    itself, and of use to the next who names it."""
    return (
        state.next_job,
        state.next_batch,
        state.next_event,
        state.next_plan,
        tuple(state.counts.values()),
        len(state.live),
        len(state.delayed),
        len(state.workers),
        len(state.pools),
        len(state.dirty_batches),
        len(state.dirty_workers),
        state.fleet_version,
        len(changes.jobs_new),
        len(changes.job_status),
        len(changes.attempts),
        sum(map(len, changes.rows.values())),
        len(changes.sweeps),
        len(changes.usage),
        len(changes.wake),
    )
