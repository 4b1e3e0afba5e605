"""Searches for the cheapest packing within a budget, and bounds its distance from the optimum.

Called by `herder pack`, the planner and the bench. It starts with what `pack` finds, so it is never worse, and never
returns nothing. `improve` is a number of steps (the same answer each time) or a function that says whether to go on (a
clock at the edge: the answer then depends on how far one gets). What existing bins take is left as `pack` has it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from fractions import Fraction

from herder.decide.packing.bounds.lower_bound import lower_bound
from herder.decide.packing.dominated import needed_offers
from herder.decide.packing.groups import Bin, BinOffer, ItemGroup, Packing, in_asked_dimensions
from herder.decide.packing.open_bins import Known
from herder.decide.packing.pack import fill_bins, first_runs, priced_worth, put_runs
from herder.decide.packing.search.configurations import Mix, mix_of_contents
from herder.decide.packing.search.local_search import improve_answer
from herder.decide.packing.search.solution import Solution, Task, cost_of, score_of
from herder.decide.packing.shapes import Shape, ShapeTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimised:
    """`bound`: no packing that places as many of each item, on these bins and offers, costs less."""

    packing: Packing
    cost_pico_per_hour: int
    bound_pico_per_hour: int
    offers: int = 0
    """How many of the offers the search looked at."""

    @property
    def gap(self) -> Fraction:
        """Cost over bound, less one; zero when nothing has to be paid."""
        if self.bound_pico_per_hour <= 0:
            return Fraction(0)
        return Fraction(self.cost_pico_per_hour, self.bound_pico_per_hour) - 1


def optimise(
    items: Iterable[ItemGroup],
    bins: Sequence[Bin] = (),
    *,
    open_bins: Sequence[BinOffer],
    group_limits: Mapping[int, int] | None = None,
    improve: Callable[[], bool] | int = 0,
    finer: Set[int] = frozenset(),
) -> Optimised:
    """`finer`: limit groups in which many small bins are preferred to few large ones that cost the same."""
    asked, bins, open_bins = in_asked_dimensions(tuple(items), bins, open_bins)
    table = ShapeTable(asked)
    if not table.shapes:
        return Optimised(
            packing=Packing(placed=(), opened=(), unplaced=()), cost_pico_per_hour=0, bound_pico_per_hour=0
        )
    demand = [shape.left for shape in table.shapes]
    known: Known = {}
    fill_bins(table, bins, known)
    limits = dict(group_limits or {})
    left = [shape.left for shape in table.shapes]
    best, bound, offers = Solution((), (sum(left), 0, 0)), 0, 0
    if any(left):
        open_bins = needed_offers(table.shapes, open_bins, limits)
        offers = len(open_bins)
        best = _first(table, open_bins, limits, known, finer)
        bound = _bound(table, demand, left, best, bins, open_bins, limits)
        steps = _steps(improve) if isinstance(improve, int) else improve
        if cost_of(best.runs) > bound or best.score[0]:
            task = Task(table=table, left=left, offers=open_bins, group_limits=limits, keep_going=steps)
            task.restore()
            worth = priced_worth(table, open_bins, limits)
            proved: list[tuple[list[tuple[Shape, int]], int]] = []

            def mixed(answer: Solution) -> Mix:
                rows = _placed(table, demand, left, answer)
                mix = mix_of_contents(
                    rows,
                    bins,
                    open_bins,
                    limits,
                    known=answer.runs,
                    worth=worth,
                    enough=cost_of(answer.runs),
                    keep_going=steps,
                )
                proved.append((rows, mix.bound))
                return mix

            better = improve_answer(task, best, worth, bound, mixed)
            placed = _placed(table, demand, left, better)
            if placed != _placed(table, demand, left, best):
                bound = _bound(table, demand, left, better, bins, open_bins, limits)
            bound = max(bound, *(each for rows, each in proved if rows == placed), 0)
            best = better
    return _written(table, left, best, bound, offers)


def _steps(count: int) -> Callable[[], bool]:
    left = iter(range(count))
    return lambda: next(left, None) is not None


def _first(
    table: ShapeTable,
    offers: Sequence[BinOffer],
    group_limits: Mapping[int, int],
    known: Known,
    finer: Set[int],
) -> Solution:
    runs = first_runs(table, offers, group_limits, known, finer)
    return Solution(tuple(runs), score_of(runs, sum(shape.left for shape in table.shapes)))


def _bound(
    table: ShapeTable,
    demand: Sequence[int],
    left: Sequence[int],
    answer: Solution,
    bins: Sequence[Bin],
    offers: Sequence[BinOffer],
    group_limits: Mapping[int, int],
) -> int:
    return lower_bound(_placed(table, demand, left, answer), bins, offers, group_limits)


def _placed(
    table: ShapeTable, demand: Sequence[int], left: Sequence[int], answer: Solution
) -> list[tuple[Shape, int]]:
    """What this answer places, on bins and offers together."""
    placed = {id(shape): all_ - new for shape, all_, new in zip(table.shapes, demand, left, strict=True)}
    for _, pattern, copies in answer.runs:
        for shape, count in pattern:
            placed[id(shape)] += count * copies
    return [(shape, placed[id(shape)]) for shape in table.shapes]


def _written(table: ShapeTable, left: Sequence[int], answer: Solution, bound: int, offers: int) -> Optimised:
    for shape, count in zip(table.shapes, left, strict=True):
        shape.left = count
    for _, pattern, copies in answer.runs:
        for shape, count in pattern:
            shape.left -= count * copies
    opened = put_runs(answer.runs)
    return Optimised(
        packing=Packing(placed=tuple(table.placed()), opened=tuple(opened), unplaced=tuple(table.unplaced())),
        cost_pico_per_hour=cost_of(answer.runs),
        bound_pico_per_hour=bound,
        offers=offers,
    )
