"""The leases of workers on the budgets of their pools: which is whose, what a worker has cost, and the end of a lease with its worker.

`settle_ended` is called at each hand-over, so that the end of a worker and the settlement of its lease are in one commit: it is settled at
exactly what the ledger books. Without budgets it costs nothing.
"""

from herder.control.kernel.budget_rows import put_rows
from herder.control.kernel.jobs.usage_ledger import worker_cost
from herder.engine.memory.state import EngineState, WorkerLife
from herder.ledger.budgets.leases import Lease, Leases
from herder.model.ids import WorkerName
from herder.model.stored.changes import Changes


def lease_id(worker: WorkerName) -> str:
    return f"worker/{worker}"


def lease_of(leases: Leases, worker: WorkerName) -> Lease | None:
    """Also one that has expired: its worker lives."""
    key = lease_id(worker)
    return leases.live.get(key) or leases.expired.get(key)


def cost_of_lease(lease: Lease | None, worker: WorkerLife, now_ms: int) -> int:
    """What the worker has cost since it was created. A clock that was set back makes nothing unspent."""
    return max(worker_cost(worker, now_ms), 0 if lease is None else lease.cost)


def settle_ended(leases: Leases, state: EngineState, changes: Changes, now_ms: int) -> None:
    """Before the rows of the engine are made."""
    if not leases.budgets:
        return
    for worker in state.dirty_workers.values():
        lease = None if worker.ended_at_ms is None else lease_of(leases, worker.spec.name)
        if lease is not None:
            leases.settle(lease.id, cost_of_lease(lease, worker, now_ms), now_ms)
    put_rows(leases, changes, now_ms)
