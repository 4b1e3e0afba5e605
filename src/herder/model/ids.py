"""Names and numbers of objects. Ids that people type are short; ids inside a plan are derived, never random."""

from typing import NewType

PoolName = NewType("PoolName", str)
WorkerName = NewType("WorkerName", str)
UserName = NewType("UserName", str)
JobId = NewType("JobId", int)
BatchId = NewType("BatchId", int)
ClassId = NewType("ClassId", int)
PlanNumber = NewType("PlanNumber", int)


def worker_name(pool: PoolName, plan: PlanNumber, ordinal: int) -> WorkerName:
    """The name of the `ordinal`-th worker that plan `plan` makes in `pool`: the same plan always gives the same name."""
    return WorkerName(f"{pool}-{plan}-{ordinal}")
