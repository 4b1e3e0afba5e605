"""Pools, templates, offers, workers, drivers and memberships.

Frozen data and the protocols of drivers. Nothing here decides.
"""
