"""The ledger in a running server: usage intervals are written in the commit of the ends that they belong to, and read at start.

Called at each hand-over after `engine.memory.dirty_rows` (`control/kernel/core.py`), and once at start. An interval is booked in memory and written with the rows
of its end in one transaction: a server that dies in between has booked neither, and the next one begins with what the rows say.
"""

import msgspec
from sqlalchemy import Connection, func, select

from herder.control.kernel.budget_rows import read_budgets
from herder.engine.memory.groups import upwards
from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.memory.totals import USE_SAMPLED
from herder.engine.workers.usage import machine_usage
from herder.ledger.costs import cost
from herder.ledger.totals import Spent, Totals
from herder.ledger.use_log import Entry, entry_of
from herder.model.ids import BatchId, PoolName, UserName
from herder.model.stored.changes import Changes
from herder.model.stored.ledger_records import UseLogRecord
from herder.model.stored.records import BatchRecord, TotalRecord, UsageRecord
from herder.model.work.usage import AttemptUsage, UsageInterval
from herder.store.rows import tables as t
from herder.store.rows.ledger_tables import months, use_log
from herder.store.rows.recommendation_rows import stored
from herder.store.rows.report_rows import stored_schedules

#: Names of rows of `totals`: `cost/POOL`, in pico-USD, of the workers that have gone.
COST = "cost"
#: Rows of `totals`: `use/closing/MONTH`, who asked for the close.
CLOSING = "use/closing"
_encode = msgspec.json.Encoder().encode


def book(totals: Totals, state: EngineState, changes: Changes, now_ms: int) -> None:
    """Once for each hand-over: the log of use, rows of users and projects, of pools, and the costs in the rows of batches."""
    if changes.usage:
        _log(totals, changes, entry_of(changes.usage, state.use_sampled_ms, ended=True), now_ms)
    if totals.sample_due:
        _sample(totals, state, changes, now_ms)
    totals.book(changes.usage)
    changes.usage.clear()
    for key in totals.changed_accounts:
        spent = totals.accounts[key]
        changes.put(UsageRecord(*key, spent.attempts, str(spent.cost_pico)))
    for pool in totals.changed_pools:
        changes.put(TotalRecord(f"{COST}/{pool}", str(totals.pools[pool])))
    # A batch of which an attempt has ended has a new row anyhow: its counts have changed.
    batches = changes.rows.get(BatchRecord, {})
    for number, record in batches.items():
        assert isinstance(record, BatchRecord)
        batches[number] = record._replace(cost_pico=str(totals.batches.get(BatchId(record.id), 0)))
        if record.ended_at_ms is not None:
            totals.end_batch(BatchId(record.id))
    totals.changed_accounts.clear()
    totals.changed_pools.clear()
    totals.changed_batches.clear()


def _log(totals: Totals, changes: Changes, entry: Entry, now_ms: int) -> None:
    totals.last_entry += 1
    changes.put(UseLogRecord(totals.last_entry, now_ms, _encode(entry).decode()))


def _sample(totals: Totals, state: EngineState, changes: Changes, now_ms: int) -> None:
    """What lives has used since the last sample, so that no bill waits for its end. At a hand-over, where all that has ended is among its intervals."""
    live: list[UsageInterval] = []
    for worker in state.workers.values():
        used = machine_usage(worker, now_ms)
        if used is not None and worker.ended_at_ms is None:
            live.append(used)
    for attempt in state.live.values():
        job_class = state.classes[attempt.class_id]
        live.append(
            AttemptUsage(
                state.workers[attempt.worker].machine, job_class.user, job_class.project, attempt.batch, attempt.job,
                attempt.number, job_class.request, attempt.assigned_at_ms, now_ms,
            )
        )  # fmt: skip
    if live:
        _log(totals, changes, entry_of(live, state.use_sampled_ms, ended=False), now_ms)
    state.use_sampled_ms, totals.sample_due = now_ms, False
    changes.put(TotalRecord(USE_SAMPLED, str(now_ms)))


def book_groups(state: EngineState, changes: Changes) -> None:
    """Once for each hand-over, before the rows are made and `book` takes the intervals. The end of an attempt has marked its batch and its
    groups as changed; a batch that has just ended is only among the changed ones."""
    grouped = {
        number: batch.groups for number, batch in state.dirty_batches.items() if batch.groups is not None
    }
    if not grouped:
        return
    for usage in changes.usage:
        if not isinstance(usage, AttemptUsage) or usage.batch is None:
            continue
        groups = grouped.get(usage.batch)
        if groups is None:
            continue
        pico = cost(usage)
        for group in upwards(groups.of(usage.job)):
            if group.cost_pico is not None:
                group.cost_pico += pico


def read_ledger(connection: Connection) -> Totals:
    """At start, in the transaction of `recover` or after it: nobody else writes."""
    totals = Totals(budgets=read_budgets(connection))
    for row in connection.execute(select(t.usage)):
        key = (UserName(row.user), row.project, PoolName(row.pool))
        totals.accounts[key] = Spent(attempts=row.attempts, cost_pico=int(row.cost_pico))
    pools = select(t.totals).where(t.totals.c.name.startswith(f"{COST}/"))
    for row in connection.execute(pools):
        totals.pools[PoolName(row.name.partition("/")[2])] = int(row.value)
    totals.last_entry = connection.execute(select(func.max(use_log.c.number))).scalar() or 0
    for row in connection.execute(select(t.totals).where(t.totals.c.name.startswith("use/"))):
        if row.name.startswith(f"{CLOSING}/") and row.value:
            totals.closing[row.name.removeprefix(f"{CLOSING}/")] = row.value
    totals.closed = {row.month: row.known_ms for row in connection.execute(select(months))}
    totals.recommendations = {each.id: each for each in stored(connection)}
    totals.report_schedules = {each.name: each for each in stored_schedules(connection)}
    live = select(t.batches.c.id, t.batches.c.cost_pico).where(t.batches.c.ended_at_ms.is_(None))
    for row in connection.execute(live):
        totals.batches[BatchId(row.id)] = int(row.cost_pico)
    return totals


def worker_cost(worker: WorkerLife, now_ms: int) -> int:
    """Pico-USD of a worker that lives, so far."""
    used = machine_usage(worker, now_ms)
    return 0 if used is None else cost(used)
