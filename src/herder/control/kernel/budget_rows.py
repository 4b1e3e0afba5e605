"""The rows of budgets: what has changed of them goes into the commit of the change, and a server begins with what the rows say.

`put_rows` is called at the end of each use case that changes a budget (`control/budgets`), before anything is awaited.
"""

import json
from typing import Any

from sqlalchemy import Connection, Row, func, select

from herder.ledger.budgets.budget import SPANS_KEPT, Budget, Span
from herder.ledger.budgets.leases import LATE_MS, REMOVED_KEPT, Lease, Leases, LeaseState
from herder.ledger.budgets.periods import PARTS, bounds, window_ms
from herder.ledger.budgets.transfer import Transfer, TransferKind, TransferState
from herder.model.stored.budget_records import BudgetRecord, BudgetSpanRecord, LeaseRecord, TransferRecord
from herder.model.stored.changes import Changes
from herder.settings.sections.budgets import budget_to_plain, budgets_from_plain
from herder.store.rows import budget_tables as t
from herder.store.rows.versions import opened, stamped

#: Of `BudgetRecord.deleted`.
EXISTS, DELETED, DELETING = 0, 1, 2
#: Of a rolling window: one more on each side of it.
PARTS_KEPT = PARTS + 2


def put_rows(leases: Leases, changes: Changes, now_ms: int) -> None:
    for name in leases.touched_budgets:
        changes.put(_budget_row(leases.budgets[name], now_ms))
    for name, start in leases.touched_spans:
        budget = leases.budgets.get(name)
        span = None if budget is None else budget.spans.get(start)
        if span is not None:
            changes.put(_span_row(name, span))
    for lease in leases.touched_leases.values():
        changes.put(_lease_row(lease))
    for transfer in leases.touched_transfers.values():
        changes.put(_transfer_row(transfer))
    leases.touched_budgets.clear()
    leases.touched_spans.clear()
    leases.touched_leases.clear()
    leases.touched_transfers.clear()


def _budget_row(budget: Budget, now_ms: int, *, deleted: bool = False) -> BudgetRecord:
    state = DELETED if deleted else DELETING if budget.deleting else EXISTS
    text = json.dumps(stamped("budget", budget_to_plain(budget.spec)), separators=(",", ":"))
    return BudgetRecord(budget.spec.name, text, str(budget.lasting), budget.created_at_ms, now_ms, state)


def put_deleted(changes: Changes, budget: Budget, now_ms: int) -> None:
    """Its name can be given again; what was spent stays as its history."""
    changes.put(_budget_row(budget, now_ms, deleted=True))


def _span_row(name: str, span: Span) -> BudgetSpanRecord:
    amounts = (str(each) for each in (span.spent, span.reserved, span.moved, span.lent))
    return BudgetSpanRecord(name, span.start_ms, span.end_ms, *amounts)


def _lease_row(lease: Lease) -> LeaseRecord:
    return LeaseRecord(
        lease.id, json.dumps(lease.budgets), str(lease.amount), lease.until_ms, lease.number,
        json.dumps(lease.spans), str(lease.cost), lease.state.value, lease.ended_ms,
    )  # fmt: skip


def _transfer_row(each: Transfer) -> TransferRecord:
    return TransferRecord(
        each.number, each.kind.value, each.source, each.target, str(each.amount), each.reason, int(each.lasting),
        each.repay_days, each.asked_by, each.asked_ms, each.state.value, each.decided_by, each.decided_ms,
        each.note, str(each.repaid), each.due_ms, each.days_left,
    )  # fmt: skip


def read_budgets(connection: Connection) -> Leases:
    """At start, in the transaction of `recover` or after it: nobody else writes."""
    found = Leases()
    rows = connection.execute(select(t.budgets).where(t.budgets.c.deleted != DELETED)).all()
    plain = {
        row.name: opened("budget", json.loads(row.spec), f"The stored budget {row.name}") for row in rows
    }
    specs = budgets_from_plain(plain, {}, "The stored budgets")
    for row in rows:
        budget = Budget(
            specs[row.name],
            lasting=int(row.lasting),
            created_at_ms=row.created_at_ms,
            deleting=row.deleted == DELETING,
        )
        found.budgets[row.name] = budget
        for span in _spans(connection, budget):
            budget.spans[span.start_ms] = span
    _read_removed(connection, found)
    _read_leases(connection, found)
    waits = t.budget_transfers.c.state.in_((TransferState.ASKED.value, TransferState.GRANTED.value))
    for row in connection.execute(select(t.budget_transfers).where(waits)):
        if all(name in found.budgets for name in (row.source, row.target) if name):
            found.transfers[row.number] = transfer_of(row)
    found.next_transfer = 1 + (
        connection.execute(select(func.max(t.budget_transfers.c.number))).scalar() or 0
    )
    return found


def _read_removed(connection: Connection, found: Leases) -> None:
    """The newest of those that were deleted, the oldest first."""
    b = t.budgets.c
    query = (
        select(t.budgets)
        .where(b.deleted == DELETED)
        .order_by(b.changed_at_ms.desc(), b.name)
        .limit(REMOVED_KEPT)
    )
    for row in reversed(connection.execute(query).all()):
        plain = opened("budget", json.loads(row.spec), f"The stored budget {row.name}")
        # Without its parent, which may not exist any more.
        kept: dict[str, Any] = {
            "limit": None,
            **{key: plain[key] for key in ("unit", "period", "timezone") if key in plain},
        }
        spec = budgets_from_plain({row.name: kept}, {}, "The stored budgets")[row.name]
        budget = found.removed[row.name] = Budget(spec, created_at_ms=row.created_at_ms)
        for span in _spans(connection, budget):
            budget.spans[span.start_ms] = span


def _spans(connection: Connection, budget: Budget) -> list[Span]:
    """The newest since its creation: of a rolling window at least all that still count. Older ones are of another that had its name."""
    most = PARTS_KEPT if window_ms(budget.spec.period) else SPANS_KEPT
    s = t.budget_spans.c
    mine = (s.budget == budget.spec.name) & (s.end_ms > budget.created_at_ms)
    query = select(t.budget_spans).where(mine).order_by(s.start_ms.desc()).limit(most)
    found = [span_of(row) for row in connection.execute(query)]
    period, zone = budget.spec.period, budget.spec.timezone
    return [each for each in found if bounds(period, zone, each.start_ms) == (each.start_ms, each.end_ms)]


def span_of(row: Row[Any]) -> Span:
    """`reserved` is added up from the leases: they are the truth of it."""
    return Span(row.start_ms, row.end_ms, int(row.spent), 0, int(row.moved), int(row.lent))


def _read_leases(connection: Connection, found: Leases) -> None:
    lease = t.budget_leases.c
    newest_ms = connection.execute(select(func.max(lease.ended_at_ms))).scalar() or 0
    late = (lease.state == LeaseState.EXPIRED.value) & (lease.ended_at_ms > newest_ms - LATE_MS)
    for row in connection.execute(select(t.budget_leases).where(lease.ended_at_ms.is_(None) | late)):
        each = lease_of(row)
        if each.state is LeaseState.EXPIRED:
            found.expired[each.id] = each
            continue
        found.live[each.id] = each
        for name, start in each.spans:
            span = found.budgets[name].spans.get(start) or _older(connection, found.budgets[name], start)
            span.reserved += each.amount
            span.leases += 1


def _older(connection: Connection, budget: Budget, start: int) -> Span:
    """A period that is over, in which something is still reserved."""
    s = t.budget_spans.c
    query = select(t.budget_spans).where((s.budget == budget.spec.name) & (s.start_ms == start))
    span = budget.spans[start] = span_of(connection.execute(query).one())
    return span


def lease_of(row: Row[Any]) -> Lease:
    spans = tuple((name, start) for name, start in json.loads(row.spans))
    return Lease(
        row.id, tuple(json.loads(row.budgets)), int(row.amount), row.until_ms, row.number, spans, int(row.cost),
        LeaseState(row.state), row.ended_at_ms,
    )  # fmt: skip


def transfer_of(row: Row[Any]) -> Transfer:
    return Transfer(
        row.number, TransferKind(row.kind), row.source, row.target, int(row.amount), row.reason, bool(row.lasting),
        row.repay_days, row.asked_by, row.asked_at_ms, TransferState(row.state), row.decided_by, row.decided_at_ms,
        row.note, int(row.repaid), row.due_ms, row.days_left,
    )  # fmt: skip
