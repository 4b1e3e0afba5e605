"""Totals are the sums of what was booked, by account, batch and pool."""

from herder.ledger.costs import cost
from herder.ledger.totals import Totals
from herder.model.ids import BatchId, JobId, PoolName, UserName, WorkerName
from herder.model.values.resources import Resources
from herder.model.work.usage import AttemptUsage, Machine, MachineUsage

HOUR_MS = 3_600_000
MACHINES = [
    Machine(WorkerName(f"{pool}-1-1"), PoolName(pool), Resources(2000, 4096), 1, 360_000)
    for pool in ("std", "big")
]


def usage(user: str, pool: int, batch: int | None, hours: int) -> AttemptUsage:
    request = Resources(1000, 1024)
    number = None if batch is None else BatchId(batch)
    return AttemptUsage(MACHINES[pool], UserName(user), "default", number, JobId(1), 1, request, 0, hours * HOUR_MS)  # fmt: skip


def test_each_interval_is_booked_on_its_account_and_its_batch() -> None:
    totals = Totals()
    made = [usage("ann", 0, 1, 1), usage("ann", 0, 2, 2), usage("ann", 1, None, 3), usage("bob", 0, 1, 4)]
    totals.book(made)
    one, two, three, four = (cost(each) for each in made)
    accounts = {key: (spent.attempts, spent.cost_pico) for key, spent in totals.accounts.items()}
    assert accounts == {
        ("ann", "default", "std"): (2, one + two),
        ("ann", "default", "big"): (1, three),
        ("bob", "default", "std"): (1, four),
    }
    assert totals.batches == {1: one + four, 2: two}
    assert totals.changed_accounts == set(accounts)
    assert totals.changed_batches == {1, 2}
    assert not totals.changed_pools
    totals.end_batch(BatchId(1))
    assert totals.batches == {2: two}


def test_machines_are_booked_on_their_pool() -> None:
    totals = Totals()
    totals.book([MachineUsage(MACHINES[0], 0, HOUR_MS), MachineUsage(MACHINES[0], 0, HOUR_MS)])
    assert totals.pools == {"std": 720_000}
    assert totals.changed_pools == {"std"}
