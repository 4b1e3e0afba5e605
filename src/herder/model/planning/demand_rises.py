"""How suddenly the demand for workers of one template has risen: the planner's input for warm workers.

A value: made by `decide.scaling.signals.warm_workers.learn` from the one before, kept by the engine with the pool's history, and part of the
observation. Nothing here depends on how often it is looked at, only on when the demand changed. Bounded in every part.
"""

from dataclasses import dataclass

#: Rises by more than this count as this: the memory of one template stays below some kilobytes.
RISE_MOST = 256
#: Rises are pooled by size for learning: 1, 2, 3–4, 5–8 … 129–256.
GROUPS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Rises:
    lows: tuple[tuple[int, int], ...] = ()
    """(from when, the need then) of the last boot time, where it was below all that came later; oldest first."""
    rise: int = 0
    """By how many workers the need is above its least of the last boot time."""
    last_ms: tuple[int, ...] = ()
    """At place k - 1, when it was last by k or more."""
    hits: tuple[int, ...] = (0,) * GROUPS
    """By group, how often a rise came back to a size after a pause."""
    waits: tuple[float, ...] = (0.0,) * GROUPS
    """By group, the sum of the logarithms of these pauses, over the least that counts as one."""


def group_of(rise: int) -> int:
    return (rise - 1).bit_length()
