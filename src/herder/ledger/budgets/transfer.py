"""What moves between budgets: an approved request, a reallocation, a loan between siblings. The record; `transfers` has the rules."""

from enum import StrEnum
from typing import NamedTuple


class TransferKind(StrEnum):
    REQUEST = "request"
    """More for one budget; an approver says from where."""
    REALLOCATION = "reallocation"
    LOAN = "loan"
    """Between siblings, by themselves."""


class TransferState(StrEnum):
    ASKED = "asked"
    GRANTED = "granted"
    REJECTED = "rejected"
    TAKEN_BACK = "taken_back"
    REPAID = "repaid"
    OVER = "over"
    """Nothing of it can be changed any more: its period has ended, or one of its budgets was deleted."""


class Transfer(NamedTuple):
    number: int
    kind: TransferKind
    source: str
    """The budget that gives; empty: none, the limit of the other grows."""
    target: str
    amount: int
    reason: str
    lasting: bool
    """For every period from then on; else for the period in which it was granted."""
    repay_days: int
    """Repaid in so many daily parts, from the next midnight on; 0: not."""
    asked_by: str
    asked_ms: int
    state: TransferState = TransferState.ASKED
    decided_by: str = ""
    decided_ms: int | None = None
    note: str = ""
    """Of who decided."""
    repaid: int = 0
    due_ms: int | None = None
    """Of the next part; None: nothing is to be repaid."""
    days_left: int = 0
