"""Pools, their templates and offers, workers, and what makes and joins them.

Frozen data and the protocols of drivers. Nothing here decides.
"""
