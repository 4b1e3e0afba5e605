"""Simulated ports of the server and its agents: store, driver calls, network.

Each behaves like the real port, on virtual time, and fails as `Dice` decides. None has a thread, a socket or a file.
"""
