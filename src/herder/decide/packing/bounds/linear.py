"""A small linear program: the largest `gains · x` with `rows · x <= room`, x >= 0. Called by `shadow_prices` and `knapsack`, on a few
dozen rows.

Floats, so what comes out is a hint; nothing may rely on it that is not proved again in whole numbers (`lower_bound` does).
"""

from collections.abc import Sequence

_TINY = 1e-9


def maximise(gains: Sequence[float], rows: Sequence[Sequence[float]], room: Sequence[float]) -> list[float]:
    """The x of a best or, when the steps run out, a good corner. `room` must not be negative: x = 0 is where it starts."""
    return _solved(gains, rows, room)[0]


def shadow_prices(
    gains: Sequence[float], rows: Sequence[Sequence[float]], room: Sequence[float]
) -> list[float]:
    """For each row, what one more of its room would gain."""
    return _solved(gains, rows, room)[1]


def _solved(
    gains: Sequence[float], rows: Sequence[Sequence[float]], room: Sequence[float]
) -> tuple[list[float], list[float]]:
    width, height = len(gains), len(rows)
    table = [[*row, *(1.0 if i == j else 0.0 for j in range(height)), room[i]] for i, row in enumerate(rows)]
    goal = [-gain for gain in gains] + [0.0] * (height + 1)
    basis = list(range(width, width + height))
    for step in range(20 * (width + height)):
        # Dantzig's rule is the fast one; Bland's cannot go round in circles.
        losing = [column for column in range(width + height) if goal[column] < -_TINY]
        if not losing:
            break
        column = min(losing, key=goal.__getitem__) if step < 4 * (width + height) else losing[0]
        ratios = [(row[-1] / row[column], basis[i], i) for i, row in enumerate(table) if row[column] > _TINY]
        if not ratios:
            break
        _, _, pivot = min(ratios)
        _turn(table, goal, pivot, column)
        basis[pivot] = column
    found = [0.0] * (width + height)
    for i, column in enumerate(basis):
        found[column] = max(0.0, table[i][-1])
    return found[:width], [max(0.0, value) for value in goal[width : width + height]]


def _turn(table: list[list[float]], goal: list[float], pivot: int, column: int) -> None:
    by = table[pivot][column]
    row = table[pivot] = [value / by for value in table[pivot]]
    touched = [j for j, value in enumerate(row) if value != 0.0]
    for other in (*(table[i] for i in range(len(table)) if i != pivot), goal):
        factor = other[column]
        if factor != 0.0:
            for j in touched:
                other[j] -= factor * row[j]
