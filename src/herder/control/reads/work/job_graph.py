"""Which jobs of a batch wait for which. Called by `batch_reads.py`."""

from dataclasses import dataclass

from sqlalchemy import select

from herder.control.kernel.core import Core
from herder.control.reads.work.jobs import batch_view
from herder.model.permissions import Principal
from herder.store.rows import tables as t

#: Dependencies that are read: of more, the graph is not told.
DEPENDENCIES_MAX = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobGraph:
    dependencies: list[tuple[int, int]]
    """(parent, child)"""
    whole: bool
    """False: there are more."""


async def job_graph(core: Core, who: Principal, batch: int) -> JobGraph:
    """Raises NotKnown, also for a batch that `who` may not know of."""
    await batch_view(core, who, batch)  # all jobs of a batch are its owner's
    above = t.job_parents.c
    query = (
        select(above.parent_id, above.child_id)
        .where(above.batch_id == batch)
        .order_by(above.child_id, above.parent_id)
        .limit(DEPENDENCIES_MAX + 1)
    )
    rows = await core.read(
        lambda connection: [(parent, child) for parent, child in connection.execute(query)]
    )
    return JobGraph(dependencies=rows[:DEPENDENCIES_MAX], whole=len(rows) <= DEPENDENCIES_MAX)
