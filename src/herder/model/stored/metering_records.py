"""Rows of rates, of reported use and of its sums by day; otherwise as `records.py` says, which knows them among all records."""

from typing import NamedTuple


class RateRecord(NamedTuple):
    """A price of one resource from one day on. Never changed."""

    id: str
    card: str
    resource: str
    product: str
    from_ms: int
    """The beginning of a day, UTC."""
    per: int
    """Units that the prices are for: 1 hour, 1,000,000 tokens."""
    tiers: str
    """JSON: `[[above, price], …]`, units and US dollars as decimal text."""
    origin: str
    """Where it came from, as a sentence part: `litellm`, `built-in`; empty: a person."""
    added_at_ms: int
    added_by: str


class UsageEventRecord(NamedTuple):
    """One resource of one reported event. Never changed."""

    source: str
    id: str
    resource: str
    at_ms: int
    arrived_ms: int
    product: str
    division: str
    project: str
    user: str
    counter: str
    """Empty: `amount` is what was used; else it is what the counter of this name had come to."""
    amount: str
    """Base units; text, since they may exceed 64 bits."""
    claim: str
    """Names the use itself, whoever reports it, as the id of a model's answer does. Empty: none."""
    reported_by: str
    leased: int = 0
    """1: leases on budgets have paid for it."""
    corrects: str = ""
    """The id of the event that this one corrects. Empty: it is no correction."""


class MeteredDayRecord(NamedTuple):
    """`ledger.quantities.MeteredDay`; `quantity` is text, since it may exceed 64 bits."""

    day_ms: int
    booked: str
    source: str
    resource: str
    product: str
    division: str
    project: str
    user: str
    quantity: str
