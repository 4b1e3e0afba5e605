"""What users of a chaos run say of some jobs beyond what they request: a type, a deadline, a queue time-out."""

from typing import Any

from herder.simulate.chaos.actors.producers import TYPES
from herder.simulate.chaos.faults.dice import Dice

#: Shares of jobs.
TYPED, WITH_DEADLINE, WITH_TIMEOUT = 0.1, 0.05, 0.05
DEADLINES = ("+2m", "+10m", "+40m", "+2h")
QUEUE_TIMEOUTS_S = (60.0, 300.0, 1200.0)


def limits_of(dice: Dice) -> dict[str, Any]:
    """Of a new job."""
    draw, given = dice.of("limits"), dict[str, Any]()
    kind = draw.random()
    if kind < TYPED:
        given["type"] = draw.choice(TYPES)
    elif kind < TYPED + WITH_DEADLINE:
        given["deadline"] = draw.choice(DEADLINES)
    elif kind < TYPED + WITH_DEADLINE + WITH_TIMEOUT:
        given["queue_timeout_s"] = draw.choice(QUEUE_TIMEOUTS_S)
    return given
