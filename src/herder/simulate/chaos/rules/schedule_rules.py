"""Rules of schedules, by rows: each time leads to one batch at most, and is dealt with when it comes."""

import json
from collections.abc import Iterator

from herder.model.stored.changes import Changes
from herder.model.stored.records import BatchRecord
from herder.model.stored.service_records import ScheduleRecord
from herder.simulate.chaos.actors.planners import EVERY_MIN
from herder.simulate.chaos.world import World

ONCE, ON_TIME = "a time of a schedule is one batch", "schedules are on time"
#: For the clock to be followed, for the look, and for a store that is slow.
LATER_S = 240.0
_MINUTE_MS = 60_000


class ScheduleRules:
    def __init__(self, world: World) -> None:
        self._world = world
        self.batches: dict[int, tuple[str, str]] = {}
        """The schedule and the time of each batch that comes from one."""
        self._rows: dict[str, ScheduleRecord] = {}
        self._host, self._late_s = "", dict[str, float]()

    def look(self, changes: Changes) -> Iterator[tuple[str, str]]:
        for batch in changes.rows.get(BatchRecord, {}).values():
            assert isinstance(batch, BatchRecord)
            if batch.id in self.batches or "scheduled_at" not in batch.attributes:
                continue
            said = json.loads(batch.attributes)
            run = said["schedule"], said["scheduled_at"]
            for other in [number for number, each in self.batches.items() if each == run]:
                yield ONCE, f"Batches {other} and {batch.id} are both of schedule {run[0]} at {run[1]}."
            self.batches[batch.id] = run
        for row in changes.rows.get(ScheduleRecord, {}).values():
            assert isinstance(row, ScheduleRecord)
            before = self._rows.get(row.name)
            if before is not None and row.handled_ms < before.handled_ms:
                yield ONCE, f"Schedule {row.name} has forgotten times that it had dealt with."
            self._rows[row.name] = row

    def minute(self, seconds: float) -> Iterator[tuple[str, str]]:
        """Only time counts in which one and the same server runs."""
        server, late = self._world.server, dict[str, float]()
        host = "" if server is None else server.host
        if host and host == self._host:
            passed = seconds if self._world.loop.running(host) else 0.0
            for name, row in self._rows.items():
                period_ms = EVERY_MIN[name] * _MINUTE_MS
                due_ms = self._world.clock.now_ms() // period_ms * period_ms
                if row.deleted or row.handled_ms >= due_ms:
                    continue
                late[name] = self._late_s.get(name, 0.0) + passed
                if late[name] > LATER_S:
                    yield (
                        ON_TIME,
                        f"A time of schedule {name} passed {late[name]:.0f} s ago and was not dealt with.",
                    )
        self._host, self._late_s = host, late
