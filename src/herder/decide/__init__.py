"""Pure planning: what is seen and wanted goes in, a plan that explains itself comes out.

Read `decide/plan/planner.py` first, top-down; each step it names is one file. Nothing in this package does I/O, reads a clock, draws
random numbers or logs.
"""
