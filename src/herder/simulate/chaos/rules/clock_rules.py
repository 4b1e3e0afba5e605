"""The rule of clocks: what is written has the time of the server's wall clock, a minute after it was set at the latest."""

from collections.abc import Callable, Iterator

from herder.model.stored.changes import Changes
from herder.model.stored.records import EventRecord
from herder.simulate.chaos.world import World

#: In the server's own time: while it is stopped it can follow no clock.
FOLLOWS_WITHIN_S = 60.0
#: What was noted before the server was stopped is written when it goes on.
OLD_S = 600.0


class ClockRules:
    def __init__(self, world: World, server_time: Callable[[], float]) -> None:
        self._world, self._server_time = world, server_time
        self._sets = 0
        self._set_at_s = -FOLLOWS_WITHIN_S

    def look(self, changes: Changes) -> Iterator[tuple[str, str]]:
        world = self._world
        if world.stats["clock set"] != self._sets:
            self._sets, self._set_at_s = world.stats["clock set"], self._server_time()
        if self._server_time() - self._set_at_s < FOLLOWS_WITHIN_S:
            return
        for record in changes.rows.get(EventRecord, {}).values():
            assert isinstance(record, EventRecord)
            apart_s = (record.at_ms - world.clock.now_ms()) / 1000
            if abs(apart_s) > OLD_S:
                yield (
                    "rows have the time of the clock",
                    f"Event {record.sequence} ({record.kind}) has a time {apart_s:.0f} s from the clock's.",
                )
                return
