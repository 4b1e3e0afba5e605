"""Counters that outlive the rows they count: jobs by their final state.

Called at each hand-over (`dirty_rows.py`). Read back at start, so that a start takes no longer the longer the history is.
"""

from herder.engine.memory.state import EngineState
from herder.model.stored.changes import Changes
from herder.model.stored.records import TotalRecord
from herder.model.work.job import JobState

#: Names of rows: `jobs/STATE`; and of `EngineState.use_sampled_ms`.
JOBS, USE_SAMPLED = "jobs", "use/sampled"
ENDED_STATES = tuple(int(state) for state in JobState if state.ended)
_NAMES = {int(state): f"{JOBS}/{state.label}" for state in JobState if state.ended}


def put_totals(state: EngineState, changes: Changes) -> None:
    """Those that have changed since they were last written."""
    counts, written = state.counts, state.counts_written
    for number, name in _NAMES.items():
        count = counts[number]
        if written.get(number, 0) != count:
            written[number] = count
            changes.put(TotalRecord(name, str(count)))
