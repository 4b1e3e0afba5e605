"""Rules of events: no event reports an error of the server itself, and each event has a text."""

from collections.abc import Iterator

from herder.model.stored.changes import Changes
from herder.model.stored.records import EventRecord

#: A loop raised, a plan broke a rule, a trigger raised, a driver raised.
MISTAKES = frozenset({"loop.failed", "plan.refused", "trigger.failed", "driver.fault"})


def look(changes: Changes) -> Iterator[tuple[str, str]]:
    for record in changes.rows.get(EventRecord, {}).values():
        assert isinstance(record, EventRecord)
        if record.kind in MISTAKES or (record.kind == "intake.paused" and "inside of Herder" in record.text):
            yield "nothing inside fails", f"{record.kind}: {record.text}"
        elif not record.text:
            yield "every action has a reason", f"Event {record.sequence} ({record.kind}) has no text."
