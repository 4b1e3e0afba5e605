"""A finished simulation with what is shown about it. Made by the command, read by the report. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass

from herder.simulate.runs.outcome import Outcome
from herder.simulate.world.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """A simulation that has run. `bounds`: as the command gives them; empty without."""

    title: str
    outcome: Outcome
    world: World
    bounds: Mapping[str, float]
