"""Rows of alerts; otherwise as `records.py` says, which knows them among all records."""

from typing import NamedTuple


class AlertRecord(NamedTuple):
    """An alert (`ledger/alerts/raising.py`). Amounts are whole base units as text: they may exceed 64 bits. Empty: unknown."""

    id: str
    policy: str
    subject: str
    level: str
    from_ms: int
    to_ms: int
    raised_ms: int
    threshold: str
    used: str
    limit_amount: str
    projected: str
    next_ms: int | None
    told: str
    """Recipients, with commas."""
    told_ms: int | None
    acknowledged_by: str
    acknowledged_ms: int | None
    resolved_ms: int | None
    why_resolved: str
