"""The faults of the simulated world: which, and when. All are drawn from one seed.

Ports ask `dice` for the fault of each call. `mishaps` breaks hosts, machines, clocks and the spot market.
"""
