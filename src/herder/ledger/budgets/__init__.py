"""Budgets: limits of what may be spent in a period, held by leases so that they cannot be overspent."""
