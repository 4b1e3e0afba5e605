"""Costs as Cortex documents their paths. Amounts are US dollars as exact decimal text. Data only."""

import msgspec


class PeriodCosts(msgspec.Struct, kw_only=True):
    about: str
    """`agent/ann`, `division/monitoring`, `organization`."""
    first_day: str
    last_day: str
    total_usd: str
    by: dict[str, dict[str, str]]
    """By dimension and group; each dimension sums to the total."""
    tokens: dict[str, str] = {}
    """Tokens by kind."""
    unpriced: dict[str, str] = {}
    """Use that has no rate, by resource, in its unit. It is not part of the cost."""


class Trends(msgspec.Struct, kw_only=True):
    first_day: str
    last_day: str
    days: list[str]
    metrics: dict[str, list[str]]
    """By category: the cost of each day."""


class HorizonView(msgspec.Struct, kw_only=True):
    days: int
    mean_usd: str
    low_usd: str
    """As if each day came out at its lower bound (10 %)."""
    high_usd: str


class CostStatus(msgspec.Struct, kw_only=True):
    about: str
    today: PeriodCosts
    month_to_date: PeriodCosts
    alerts: list[str]
    """Ids of active alerts about it."""
    forecast: list[HorizonView] = []
    """Of the organisation. Empty: fewer than 14 whole days have costs."""


class Roi(msgspec.Struct, kw_only=True):
    first_day: str
    last_day: str
    cost_usd: str
    value_usd: str
    net_usd: str
    roi_percent: float | None
    """null: nothing was spent."""
    payback_days: float | None
    """null: there was no value."""
    cost_per_hour_saved_usd: str | None
