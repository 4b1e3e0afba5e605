"""Lower bounds of the cost of every policy on a trace: with every job started at once, and with waiting (`relaxation`).

Called after a simulation. A bound must never be above the optimum.
"""
