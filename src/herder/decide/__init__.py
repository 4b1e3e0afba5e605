"""The pure planner: an observation, the policy and the time become a plan with its reasons.

Read `decide/plan/planner.py` first, top-down; each step it names is one file. Nothing in this package does I/O, reads a clock, draws
random numbers or logs.
"""
