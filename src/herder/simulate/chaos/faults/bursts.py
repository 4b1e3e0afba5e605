"""Bursts of interruptions: how spot machines of one group were taken back, minute by minute, in two records of real spot markets.

Source: uclasystem/bamboo (Thorpe et al., NSDI 2023), MIT licence, `traces/p3-trace.csv` (a group of 32) and
`traces/gcloud/v100x1-east1c.txt` (80 wanted), of which `simulate/excerpts/` has the excerpts. A burst has no more than five minutes between
two losses, and takes at least an eighth of the group. `tests/simulation/test_bursts.py` derives the table again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from herder.simulate.chaos.faults.chance import Chance


@dataclass(frozen=True, slots=True)
class Burst:
    """`of`: machines of the group. `taken`: how many of them were taken back in each minute."""

    of: int
    taken: tuple[int, ...]


BURSTS = (
    Burst(32, (4,)),
    Burst(32, (6, 0, 3, 1, 1, 0, 3, 0, 3)),
    Burst(32, (3, 0, 1, 0, 2)),
    Burst(32, (1, 5, 1, 2)),
    Burst(32, (6, 0, 0, 0, 3)),
    Burst(32, (1, 0, 0, 0, 0, 3, 3, 3)),
    Burst(32, (1, 0, 0, 0, 1, 0, 1, 0, 4)),
    Burst(32, (6, 0, 1)),
    Burst(32, (3, 0, 3, 0, 1, 0, 0, 0, 2, 0, 1)),
    Burst(32, (4, 0, 1)),
    Burst(32, (1, 0, 6, 0, 4, 0, 3)),
    Burst(32, (4, 0, 1, 0, 0, 0, 3)),
    Burst(32, (2, 0, 0, 0, 1, 0, 2)),
    Burst(32, (4, 0, 4, 0, 2, 0, 2, 0, 1)),
    Burst(32, (3, 0, 1)),
    Burst(32, (2, 0, 1, 0, 1)),
    Burst(32, (2, 0, 0, 0, 1, 0, 1)),
    Burst(80, (10, 10, 2, 2, 0, 10)),
    Burst(80, (1, 0, 2, 0, 3, 0, 0, 6, 0, 0, 0, 11, 0, 0, 1)),
    Burst(80, (5, 0, 7, 7)),
    Burst(80, (12,)),
    Burst(80, (38,)),
    Burst(80, (10, 0, 0, 0, 0, 4)),
    Burst(80, (28,)),
    Burst(80, (29, 0, 0, 0, 0, 1)),
    Burst(80, (13,)),
    Burst(80, (40,)),
    Burst(80, (17,)),
    Burst(80, (10,)),
    Burst(80, (30,)),
    Burst(80, (20,)),
)


def parts(draw: Chance, machines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """(minute, machines that are taken back then) of a drawn burst; at least one machine in all, if there is one."""
    burst, left, taken, whole = draw.choice(BURSTS), list(machines), 0, len(machines)
    for minute, count in enumerate(burst.taken):
        taken += count
        due = -(-taken * whole // burst.of) - (whole - len(left))
        chosen = [left.pop(draw.randrange(len(left))) for _ in range(min(due, len(left)))]
        if chosen:
            yield minute, chosen


def strike(
    draw: Chance,
    machines: list[str],
    later: Callable[[float, Callable[[], None]], None],
    take: Callable[[list[str]], None],
) -> None:
    """Have `take` called with each part when its minute has come."""
    for minute, chosen in parts(draw, machines):
        if minute:
            later(minute * 60.0, lambda chosen=chosen: take(chosen))  # type: ignore[misc]
        else:
            take(chosen)
