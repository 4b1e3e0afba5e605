"""Recommendations as the API shows them. Amounts are US dollars a month (30 days) as exact decimal text. Data only."""

import msgspec


class RecommendationView(msgspec.Struct, kw_only=True):
    id: str
    rule: str
    target: str
    action: str
    priority: str
    """high, medium, low"""
    state: str
    """open, approved, pilot, implemented, failed (its pilot was no success), rolled_back, withdrawn"""
    facts: str
    monthly_usd: str
    """What the target costs."""
    saving_usd: str
    """What would be saved of it. Below zero: it costs more, and is worth it. Zero: it costs the same."""
    confidence: float
    observed: int
    supporting: int
    """Of what was observed, so much supports it."""
    risk: str
    needs_approval: bool
    needs_pilot: bool
    command: str
    """What carries it out. Words in capitals are yours."""
    found_at: str
    approved_by: str
    """Also of an approval that has ended because the recommendation has changed: then the state is open."""
    approved_at: str | None
    approved_usd: str | None
    """The saving that was approved. null: none was."""
    begun_by: str
    begun_at: str | None
    """When it was carried out, or its pilot began."""


class RecommendationList(msgspec.Struct, kw_only=True):
    items: list[RecommendationView]
    looked_at: str | None
    """When the facts were last looked at. null: not since the server has started."""
    saving_usd: str
    """Of those that wait."""
    recommended: int
    """All so far, also those that were withdrawn."""
    implemented: int
    implementation_percent: float | None
    """null: nothing was recommended."""


class RecommendationResults(msgspec.Struct, kw_only=True):
    id: str
    state: str
    """open, approved, pilot, implemented, failed, rolled_back, withdrawn"""
    projected_usd: str
    realised_usd: str | None
    """Measured from the ledger, by attempt. null: unknown."""
    realised_percent: int | None
    days: int
    """Whole days since it began that are compared with as many as there are before, at most 30."""
    quality_before_percent: float | None
    """Of the attempts that ended, so many succeeded. null: none is known."""
    quality_after_percent: float | None
    verdict: str
    """Of its pilot: running, success, failure, unknown; none: it has none, or has not begun."""
    text: str
