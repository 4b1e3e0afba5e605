"""The solver HiGHS (optional package `highspy`), and a bound that is valid whatever the solver answers. Called by `least_cost`.

The solver's multipliers are only a proposal: `certified` computes from them, by weak duality, a cost that no solution
undercuts. So a run that was stopped early, or is inexact in the last digits, gives a weaker bound and never a wrong one.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from herder.simulate.bounds.relaxation.time_windows import Floats, Ints

if TYPE_CHECKING:
    from highspy import Highs, HighsLp

    from herder.simulate.bounds.relaxation.linear_programme import Programme

#: Rounding in the sums of the bound itself.
ROUNDING = 1e-9
#: The solver's answer and the bound are the same when they differ by no more than this part.
CLOSE = 1e-5
#: The interior point method is ten times as fast here; it fails now and then, and the simplex method does not.
METHODS = ("ipm", "simplex")


@dataclass(frozen=True, slots=True)
class SolverResult:
    bound: float
    complete: bool
    """Whether the bound is the programme's optimum; else the solver was stopped, or its answer is inexact."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """The matrix by columns, as the solver wants it."""

    start: Ints
    index: Ints
    value: Floats


def solve(programme: "Programme", seconds: float) -> SolverResult:
    import highspy

    cost, low, high, floor = (
        np.concatenate(part)
        for part in (programme.cost, programme.low, programme.high, programme.floor)
    )  # fmt: skip
    matrix = _by_columns(programme)
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("run_crossover", "off")
    solver.setOptionValue("time_limit", float(seconds))
    solver.passModel(_model(cost, low, high, floor, matrix))
    best = SolverResult(certified(cost, low, high, floor, matrix, np.zeros(len(floor))), False)
    for method in METHODS:
        solver.setOptionValue("solver", method)
        solver.run()
        bound = certified(cost, low, high, floor, matrix, _multipliers(solver, len(floor)))
        far = abs(solver.getInfo().objective_function_value - bound) > CLOSE * max(abs(bound), 1.0)
        best = SolverResult(max(best.bound, bound), not far)
        if best.complete:
            break
    return best


def _by_columns(programme: "Programme") -> _Columns:
    rows, columns, values = (np.concatenate(part) for part in zip(*programme.entries, strict=True))
    order = np.argsort(columns, kind="stable")
    start = np.zeros(programme.columns + 1, dtype=np.int64)
    np.cumsum(
        np.bincount(columns.astype(np.int64), minlength=programme.columns)[: programme.columns], out=start[1:]
    )
    return _Columns(start, rows[order].astype(np.int64), values[order])


def _model(cost: Floats, low: Floats, high: Floats, floor: Floats, matrix: _Columns) -> "HighsLp":
    import highspy

    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(cost), len(floor)
    model.col_cost_, model.col_lower_, model.col_upper_ = cost, low, high
    model.row_lower_, model.row_upper_ = floor, np.full(len(floor), highspy.kHighsInf)
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.num_col_, model.a_matrix_.num_row_ = len(cost), len(floor)
    model.a_matrix_.start_ = matrix.start.astype(np.int32)
    model.a_matrix_.index_ = matrix.index.astype(np.int32)
    model.a_matrix_.value_ = matrix.value
    return model


def _multipliers(solver: "Highs", rows: int) -> Floats:
    found = np.array(solver.getSolution().row_dual, dtype=np.float64)
    if len(found) != rows or not np.isfinite(found).all():
        return np.zeros(rows)
    return np.asarray(np.maximum(found, 0.0))


def certified(
    cost: Floats, low: Floats, high: Floats, floor: Floats, matrix: _Columns, multipliers: Floats
) -> float:
    """For any multipliers of at least 0 and every x in its bounds with matrix · x ≥ floor:

    cost · x ≥ multipliers · floor + Σ (cost − multipliers · matrix) · x, and the sum is least at a bound of each variable.
    """
    of_column = np.repeat(np.arange(len(cost)), np.diff(matrix.start))
    worth = np.bincount(of_column, matrix.value * multipliers[matrix.index], len(cost))
    reduced = cost - worth
    rest = np.where(reduced > 0, reduced * low, reduced * high)
    total = float(multipliers @ floor + rest.sum())
    size = float(np.abs(multipliers * floor).sum() + np.abs(rest).sum())
    return total - ROUNDING * size
