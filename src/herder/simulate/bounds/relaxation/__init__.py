"""Bounds for policies that let jobs wait: a linear program over time slots, as large as the settings allow.

`least_cost` is called by the command and by tables. Nothing here is imported unless a bound with waiting is asked for,
because the solver is an optional package.
"""

from herder.simulate.bounds.relaxation.least_cost import (
    Least,
    Limits,
    SolverMissing,
    check_solver,
    least_cost,
)

__all__ = ["Least", "Limits", "SolverMissing", "check_solver", "least_cost"]
