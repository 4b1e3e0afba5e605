"""From the log of use to rows by day: each entry once, in the commit that notes it as done. A server that dies in between goes on where the rows are."""

from functools import partial

from herder.control.kernel.core import Core
from herder.model.stored.changes import Changes
from herder.model.stored.records import TotalRecord
from herder.store.rows.use_rows import FOLDED, folded, next_rows

#: Live attempts and machines that are sampled in a second, on average: what a sample adds to the log stays small beside what ends.
SAMPLED_PER_S = 20
SAMPLE_LEAST_S, SAMPLE_LONGEST_S = 60, 3600


def sample_due(core: Core) -> bool:
    """Whether what lives has used enough since the last sample to be noted."""
    live = len(core.state.live) + len(core.state.workers)
    pause_s = min(SAMPLE_LONGEST_S, max(SAMPLE_LEAST_S, live // SAMPLED_PER_S))
    return core.clock.now_ms() - core.state.use_sampled_ms >= pause_s * 1000


async def sample(core: Core) -> None:
    """What lives has used so far is in the log afterwards."""
    core.ledger.sample_due = True
    await core.settle()


async def fold(core: Core) -> int:
    """What is in the log when it begins. The number of the last entry; whoever has `core.booking` calls this."""
    ledger = core.ledger
    number, upto = ledger.folded, ledger.last_entry  # more is logged meanwhile, perhaps without end
    if number is None:
        number = ledger.folded = int(await core.read(folded))
    while number < upto:
        rows, last = await core.read(partial(next_rows, after=number))
        if not last:  # what is new is not written yet
            break
        with core.change(Changes()) as changes:
            for row in rows:
                changes.put(row)
            changes.put(TotalRecord(FOLDED, str(last)))
        ledger.folded = None  # of a commit that fails nobody knows whether it was written
        await core.commit(changes)
        number = ledger.folded = last
    return number
