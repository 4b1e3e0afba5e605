"""Budgets: their settings, leases on them, and what moves between them. The truth is in memory (`Core.budgets`); each change goes with its rows into one commit."""
