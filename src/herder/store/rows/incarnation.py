"""The incarnation of a store in its row of `meta`, and the numbers that the rows have reached. Read at every start and by restores.

What an incarnation is stands in `model/stored/incarnation.py`. Nothing here decides that a store was put back.
"""

import json
from typing import Any

from sqlalchemy import Connection, func, select

from herder.model.stored.incarnation import Incarnation, Numbers
from herder.model.stored.records import MetaRecord
from herder.store.rows import tables as t
from herder.store.rows.versions import opened, stamped

#: Key in `meta`.
KEY = "incarnation"
#: The beginning of names in `totals` that hold the highest number ever given of a column.
REACHED = "reached"


def incarnation_record(incarnation: Incarnation) -> MetaRecord:
    after = incarnation.next
    plain = {
        "number": incarnation.number,
        "at_ms": incarnation.at_ms,
        "taken_at_ms": incarnation.taken_at_ms,
        "why": incarnation.why,
        "next": {"jobs": after.jobs, "batches": after.batches, "events": after.events, "plans": after.plans},
        "forgotten_plans": [list(each) for each in incarnation.forgotten_plans],
    }
    return MetaRecord(KEY, json.dumps(stamped("incarnation", plain), separators=(",", ":")))


def read_incarnation(connection: Connection) -> Incarnation:
    text = connection.execute(select(t.meta.c.value).where(t.meta.c.key == KEY)).scalar()
    if text is None:
        return Incarnation()
    plain = opened("incarnation", json.loads(text), "The incarnation of the store")
    return Incarnation(
        number=plain["number"],
        at_ms=plain["at_ms"],
        taken_at_ms=plain["taken_at_ms"],
        why=plain["why"],
        next=Numbers(**plain["next"]),
        forgotten_plans=tuple((first, end) for first, end in plain["forgotten_plans"]),
    )


def numbers_following(connection: Connection) -> Numbers:
    """The next number of each kind, as the rows say it; also when those with the highest numbers are not kept any more."""
    kept = numbers_reached(connection)

    def following(column: Any) -> int:
        reached = int(connection.execute(select(func.max(column))).scalar() or 0)
        return max(reached, kept.get(str(column), 0)) + 1

    return Numbers(
        jobs=following(t.jobs.c.id),
        batches=following(t.batches.c.id),
        events=following(t.events.c.sequence),
        plans=max(following(t.plans.c.number), following(t.workers.c.plan)),
    )


def numbers_reached(connection: Connection) -> dict[str, int]:
    """By column, as SQLAlchemy names it (`jobs.id`)."""
    rows = connection.execute(select(t.totals).where(t.totals.c.name.startswith(f"{REACHED}/")))
    return {row.name.partition("/")[2]: int(row.value) for row in rows}


def remembered_until_ms(connection: Connection) -> int:
    """The latest moment that the rows remember; 0 of an empty store."""
    newest_plan = select(t.plans.c.made_at_ms).order_by(t.plans.c.number.desc()).limit(1)
    newest_event = select(t.events.c.at_ms).order_by(t.events.c.sequence.desc()).limit(1)
    newest_job = select(t.jobs.c.created_at_ms).order_by(t.jobs.c.id.desc()).limit(1)
    return max(
        int(connection.execute(query).scalar() or 0) for query in (newest_plan, newest_event, newest_job)
    )
