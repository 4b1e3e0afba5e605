"""What goes wrong in the simulated world, and when: all chance, from one seed.

Ports ask `dice` what becomes of one call; `mishaps` strikes at hosts, machines, clocks and the market.
"""
