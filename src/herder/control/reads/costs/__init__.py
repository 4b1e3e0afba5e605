"""Reads of the ledger: lines, their sums, and how each came about."""
