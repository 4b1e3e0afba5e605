"""A user of a chaos run whose batches are submitted on schedules. They are deleted when the faults stop: their work would never end."""

from collections.abc import Awaitable, Callable
from typing import Any

from herder.simulate.chaos.actors.people import People

OWNER = "ann"
_JOB = {"runtime": "noop", "cpu": "250m", "memory": "256Mi", "sleep_ms": 600_000, "attempts_max": 1000}
_BATCH = {"jobs": [_JOB]}
#: Minutes between the times of each; all of UTC, so that they can be reckoned without the product.
EVERY_MIN = {"quarters": 15, "halves": 30}
SCHEDULES: tuple[dict[str, Any], ...] = (
    {"name": "quarters", "cron": "*/15 * * * *", "concurrency": "forbid", "batch": _BATCH},
    {"name": "halves", "cron": "*/30 * * * *", "concurrency": "allow", "batch": _BATCH},
)

Say = Callable[[str, Any], Awaitable[Any]]


class Planners:
    """`say`: makes a call and counts its answer."""

    def __init__(self, people: People, say: Say) -> None:
        self._people, self._say = people, say

    async def begin(self) -> None:
        for each in SCHEDULES:
            await self._say("create schedule", self._people.call(OWNER, "POST", "/schedules", each))

    async def end(self) -> None:
        for each in SCHEDULES:
            gone = self._people.call(OWNER, "DELETE", f"/schedules/{each['name']}")
            await self._say("delete schedule", gone)
