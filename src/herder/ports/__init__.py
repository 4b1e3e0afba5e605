"""Interfaces to the outside as protocols: the clock, the store, blocking calls and the network.

Implemented by the server for real and by the simulated world for tests. Nothing here does anything.
"""
