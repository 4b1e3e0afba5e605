"""Bound 3 (jobs may wait) and bound 4 (workers also pay for boots and minimum billing), with a limited size of the program."""

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

from herder.simulate.bounds import no_wait
from herder.simulate.world.world import World

if TYPE_CHECKING:
    from herder.simulate.bounds.relaxation.time_windows import Jobs

#: Lengths of bodies in slots: powers of two and half way between. A job's is the longest that it has, so few are enough.
LENGTHS = tuple(sorted({length for power in range(17) for length in (2**power, 3 * 2**power // 2)}))


#: A least billing is followed over so many slots at most; a longer one counts with that many.
BILLED_SLOTS_MAX = 24
#: Slots are not made longer than leaves so many.
SLOTS_FEW = 24


class SolverMissing(ValueError):
    """The optional package is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`slot_s`: the shortest slot; it is doubled until the programme has at most `columns` variables. `seconds`: of solving."""

    slot_s: float = 300.0
    columns: int = 100_000
    seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Least:
    """Least costs for everybody whose jobs start within `wait_s` of when they could: `waiting` (bound 3), `starting` (bound 4,
    with boots and least billing). `complete`: False when the solver was stopped by its time limit; the figures hold all the same."""

    wait_s: float
    waiting: float
    starting: float
    slot_s: float
    slots: int
    variables: int
    complete: bool


def check_solver() -> None:
    """Raises SolverMissing."""
    if importlib.util.find_spec("highspy") is None:
        raise SolverMissing(
            "Bounds with waiting need a solver that is not installed. Install it with `pip install 'herder[optimise]'`."
        )


def least_cost(world: World, wait_s: float, limits: Limits | None = None) -> Least:
    """Boots count with the shortest that the boot time allows. Raises SolverMissing."""
    check_solver()
    from herder.simulate.bounds.relaxation.highs import solve
    from herder.simulate.bounds.relaxation.linear_programme import build
    from herder.simulate.bounds.relaxation.time_windows import curves, jobs_of, unavoidable

    chosen = limits or Limits()
    jobs = jobs_of(world, max(0.0, wait_s))
    slot_s, slots = _slots(world, jobs, chosen)
    work = curves(jobs, slot_s, slots, LENGTHS)
    certain = unavoidable(world, jobs, slot_s, slots)
    count_starts = world.boot.least_s > 0 or any(each.billed_s for each in world.templates)
    found = []
    for starts in (False, True) if count_starts else (False,):
        programme = build(world, jobs, work, certain, slot_s, BILLED_SLOTS_MAX if starts else None)
        found.append((solve(programme, chosen.seconds), programme.columns))
    waiting = max(found[0][0].bound, no_wait.volume(world))
    return Least(
        wait_s=wait_s,
        waiting=waiting,
        starting=max(waiting, found[-1][0].bound),
        slot_s=slot_s,
        slots=slots,
        variables=found[-1][1],
        complete=all(answer.complete for answer, _ in found),
    )


def _slots(world: World, jobs: "Jobs", limits: Limits) -> tuple[float, int]:
    """Length and number of slots. With so few that doubling brings nothing, the programme is small anyway."""
    from herder.simulate.bounds.relaxation.time_windows import bodies, directions

    slot_s, ways = limits.slot_s, len(directions(jobs))
    billed_s = max(template.billed_s for template in world.templates)
    while True:
        slots = int(jobs.end_s / slot_s) + 2 + min(int(billed_s / slot_s), BILLED_SLOTS_MAX)
        curves_most = ways * (len(set(bodies(jobs, slot_s, LENGTHS).tolist())) + 1)
        if slots * (2 * len(world.templates) + curves_most) <= limits.columns or slots <= SLOTS_FEW:
            return slot_s, slots
        slot_s *= 2
