"""Rows of recommendations; otherwise as `records.py` says, which knows them among all records."""

from typing import NamedTuple


class RecommendationRecord(NamedTuple):
    """A recommendation (`analysis/optimisation/recommendations.py`) and what became of it. Amounts are pico-USD as text: they may exceed 64 bits."""

    id: str
    kind: str
    target: str
    action: str
    why: str
    how: str
    """The command that carries it out."""
    project: str
    user: str
    pool: str
    """Whose lines of the ledger its effect is seen in. Empty: of any."""
    monthly_pico: str
    saving_pico: str
    observed: int
    supporting: int
    state: str
    """open, approved, pilot, implemented, failed, rolled_back, withdrawn"""
    found_ms: int
    approved_by: str
    """Also of an approval that has ended: then the state is open."""
    approved_ms: int | None
    begun_by: str
    begun_ms: int | None
    """When it was carried out, or its pilot began."""
    closed_ms: int | None
    """When it was withdrawn or rolled back, or its pilot has ended."""
    approved_pico: str = ""
    """The saving that was approved; empty: none was. It stays when the approval has ended."""
