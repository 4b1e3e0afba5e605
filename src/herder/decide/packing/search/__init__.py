"""Searches for cheaper packings within a budget.

Called by `optimise` only. It must never return anything worse than what it was given.
"""
