"""Rules of events: what the server itself calls a mistake of its own is one, and each event says something."""

from collections.abc import Iterator

from herder.model.stored.changes import Changes
from herder.model.stored.records import EventRecord

#: A loop that raised, a plan that broke a rule, a trigger that raised, a driver that did.
MISTAKES = frozenset({"loop.failed", "plan.refused", "trigger.failed", "driver.fault"})


def look(changes: Changes) -> Iterator[tuple[str, str]]:
    for record in changes.rows.get(EventRecord, {}).values():
        assert isinstance(record, EventRecord)
        if record.kind in MISTAKES:
            yield "nothing inside fails", f"{record.kind}: {record.text}"
        elif not record.text:
            yield "every action has a reason", f"Event {record.sequence} ({record.kind}) says nothing."
