"""Whether budgets last, as plans and dry runs tell it."""

import msgspec


class BudgetOutlook(msgspec.Struct, kw_only=True):
    """Amounts are exact decimals in US dollars. `least` and `most`: of the minimum and the maximum of pools; of a plan both are the same."""

    budget: str
    per_hour_least_usd: str
    per_hour_most_usd: str
    until: str | None
    """The end of its period, or of a rolling window that begins now; None: it never ends."""
    cost_least_usd: str | None
    """From now until then; None: it never ends."""
    cost_most_usd: str | None
    left_usd: str
    """Not spent, in this period; what is reserved is for these workers."""
    holds_least: bool
    """Whether what is left pays for all of it."""
    holds_most: bool
    text: str
