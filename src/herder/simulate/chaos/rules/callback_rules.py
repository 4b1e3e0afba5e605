"""Rules of the messages about ended batches and job groups, at rest: each has arrived, always in the same words, or was given up, and that is an event."""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from herder.simulate.chaos.actors.receivers import GONE
from herder.simulate.chaos.world import World
from herder.store.rows.tables import batches, callbacks, events, job_groups

ANNOUNCED, OF_GROUP, SAME, RECORDED = (
    "the end of a batch is announced",
    "the end of a job group is announced",
    "a message comes again in the same words",
    "a message that is given up is recorded",
)
_B, _C, _G = batches.c, callbacks.c, job_groups.c


class CallbackRules:
    def __init__(self, world: World) -> None:
        self._world = world

    def nothing_due(self) -> bool:
        due = select(_C.id).where(_C.next_at_ms.is_not(None)).limit(1)
        with self._world.engine.connect() as connection:
            return connection.execute(due).first() is None

    def at_rest(self) -> Iterator[tuple[str, str]]:
        ended = select(_B.id, _B.ended_at_ms, _B.counts, _B.callback)
        given_up = select(events.c.object).where(events.c.kind == "callback.failed")
        with self._world.engine.connect() as connection:
            rows = connection.execute(ended.where(_B.callback != "", _B.ended_at_ms.is_not(None))).all()
            states = {row.id: row.state for row in connection.execute(select(_C.id, _C.state))}
            told = set(connection.execute(given_up).scalars())
            groups = connection.execute(
                select(job_groups).where(_G.callback != "", _G.ended_at_ms.is_not(None))
            ).all()
        for row in rows:
            state = states.get(f"batch-{row.id}-{row.ended_at_ms}", "")
            if GONE not in row.callback:
                yield from self._arrived(
                    row, f"batch {row.id}", f"batch-{row.id}-{row.ended_at_ms}", ANNOUNCED
                )
            elif state != "failed" or f"batch/{row.id}" not in told:
                event = "has" if f"batch/{row.id}" in told else "has no"
                yield (
                    RECORDED,
                    f"The callback of batch {row.id} is refused, is {state or 'unknown'} and {event} event.",
                )
        for row in groups:
            message = f"batch-{row.batch_id}-group-{row.id}-{row.ended_at_ms}"
            yield from self._arrived(row, f"group {row.path} of batch {row.batch_id}", message, OF_GROUP)
        for name, messages in self._world.receivers.received.items():
            if len({(each.url, each.body) for each in messages}) > 1:
                yield SAME, f"Message {name} came {len(messages)} times, with different words."

    def _arrived(self, row: Any, what: str, message: str, rule: str) -> Iterator[tuple[str, str]]:
        """With the counts that the row has."""
        arrived = self._world.receivers.received.get(message, [])
        said = {json.dumps(json.loads(each.body)["data"]["counts"], sort_keys=True) for each in arrived}
        if not arrived:
            yield rule, f"The end of {what} has not arrived at its callback."
        elif said != {json.dumps(json.loads(row.counts), sort_keys=True)}:
            yield rule, f"The callback of {what} has other counts than its row."
