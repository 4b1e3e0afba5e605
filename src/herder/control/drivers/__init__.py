"""Drivers in a running server: calls to providers, creation and removal of machines, comparison of listings with the store.

Called by the loops and by `Commands`. A provider that fails or lies must never hold up another.
"""
