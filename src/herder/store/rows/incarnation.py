"""The incarnation of a store in its row of `meta`, and the numbers that the rows have reached. Read at every start and by restores.

What an incarnation is stands in `model/stored/incarnation.py`. Nothing here decides that a store was put back.
"""

import json
from typing import Any

from sqlalchemy import Connection, func, select

from herder.model.stored.incarnation import Incarnation, Numbers, Seen
from herder.model.stored.records import MetaRecord
from herder.store.rows import tables as t
from herder.store.rows.versions import opened, stamped

#: Keys in `meta`: the incarnation, the tag of the installation, and in a backup and what is restored from it the moment of the backup.
KEY, INSTALLATION, TAKEN_AT = "incarnation", "installation", "backup_taken_at_ms"
#: The event that a store was put back. It is not of what the store remembers: a restore writes it.
PUT_BACK = "store.put_back"
#: The beginning of names in `totals` that hold the highest number ever given of a column.
REACHED = "reached"


def incarnation_record(incarnation: Incarnation) -> MetaRecord:
    after = incarnation.next
    plain = {
        "number": incarnation.number,
        "salt": incarnation.salt,
        "at_ms": incarnation.at_ms,
        "taken_at_ms": incarnation.taken_at_ms,
        "why": incarnation.why,
        "next": {"jobs": after.jobs, "batches": after.batches, "events": after.events, "plans": after.plans},
        "forgotten_plans": [list(each) for each in incarnation.forgotten_plans],
    }
    return MetaRecord(KEY, json.dumps(stamped("incarnation", plain), separators=(",", ":")))


def read_incarnation(connection: Connection) -> Incarnation:
    text = _meta(connection, KEY)
    if text is None:
        return Incarnation()
    plain = opened("incarnation", json.loads(text), "The incarnation of the store")
    return Incarnation(
        number=plain["number"],
        salt=plain.get("salt", 0),
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
    """The latest moment that the rows remember, or that of the backup, in whose last minutes nothing may have happened; 0 of an empty store."""
    e = t.events.c
    newest_plan = select(t.plans.c.made_at_ms).order_by(t.plans.c.number.desc()).limit(1)
    newest_event = select(e.at_ms).where(e.kind != PUT_BACK).order_by(e.sequence.desc()).limit(1)
    newest_job = select(t.jobs.c.created_at_ms).order_by(t.jobs.c.id.desc()).limit(1)
    newest = (connection.execute(query).scalar() for query in (newest_plan, newest_event, newest_job))
    return max(int(_meta(connection, TAKEN_AT) or 0), *(int(each or 0) for each in newest))


def seen_in(connection: Connection) -> Seen:
    """What a store says of its own time."""
    incarnation = read_incarnation(connection)
    return Seen(
        numbers=numbers_following(connection).at_least(incarnation.next),
        at_ms=remembered_until_ms(connection),
        number=incarnation.number,
        epoch=int(connection.execute(select(func.max(t.leader.c.epoch))).scalar() or 0),
        installation=installation_in(connection),
    )


def installation_in(connection: Connection) -> str:
    """Its tag; empty when no server has used the store."""
    return _meta(connection, INSTALLATION) or ""


def _meta(connection: Connection, key: str) -> str | None:
    return connection.execute(select(t.meta.c.value).where(t.meta.c.key == key)).scalar()
