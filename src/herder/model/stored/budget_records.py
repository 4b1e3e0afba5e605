"""Rows of budgets; otherwise as `records.py` says, which knows them among all records. Amounts are text: they may exceed 64 bits."""

from typing import NamedTuple


class BudgetRecord(NamedTuple):
    name: str
    spec: str
    """As herder.yaml would write it, as JSON."""
    lasting: str
    created_at_ms: int
    changed_at_ms: int
    deleted: int
    """0: it exists; 1: it was deleted; 2: it is being deleted, until its last lease has ended."""


class BudgetSpanRecord(NamedTuple):
    """One period of a budget, or a part of its rolling window: kept as its history."""

    budget: str
    start_ms: int
    end_ms: int
    spent: str
    reserved: str
    moved: str
    lent: str


class LeaseRecord(NamedTuple):
    id: str
    budgets: str
    """JSON, as the holder named them."""
    amount: str
    until_ms: int
    number: int
    spans: str
    """JSON: which periods of which budgets it counts in."""
    cost: str
    state: str
    """live, settled, expired."""
    ended_at_ms: int | None


class TransferRecord(NamedTuple):
    number: int
    kind: str
    source: str
    target: str
    amount: str
    reason: str
    lasting: int
    repay_days: int
    asked_by: str
    asked_at_ms: int
    state: str
    decided_by: str
    decided_at_ms: int | None
    note: str
    repaid: str
    due_ms: int | None
    days_left: int
