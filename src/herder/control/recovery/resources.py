"""The known resources, from the store: those that the previous server declared and that a row still names.

Called by `recover` before anything that holds amounts is read. A resource that is declared no longer stays known as long as a pool,
a worker or a job names it: a job that waits for a licence must not start without one because a line was taken out of a file.
"""

import json

from sqlalchemy import Connection, select

from herder.model.stored.records import MetaRecord
from herder.model.values.resources import DECLARED_MAX, Dimension, Dimensions
from herder.settings import resources_from_text, resources_to_plain
from herder.store.rows import tables as t
from herder.store.rows.meta import RESOURCES, resources_text


def known_resources(connection: Connection, declared: Dimensions) -> Dimensions:
    """What is declared now, and of before what is still named. Raises ValueError when that is more than there may be."""
    names = set(declared.names)
    kept = tuple(
        each
        for each in resources_from_text(resources_text(connection)).declared
        if each.name not in names and _named(connection, each)
    )
    if len(declared.declared) + len(kept) > DECLARED_MAX:
        raise ValueError(
            f"There are more than {DECLARED_MAX} resources: {', '.join(each.name for each in kept)} are no longer declared but still in use."
        )
    return Dimensions((*declared.declared, *kept)) if kept else declared


def _named(connection: Connection, dimension: Dimension) -> bool:
    name = json.dumps(dimension.name)
    where = (
        select(t.pools.c.name).where(t.pools.c.deleted == 0, t.pools.c.spec.contains(name, autoescape=True)),
        select(t.workers.c.name).where(
            t.workers.c.ended_at_ms.is_(None), t.workers.c.spec.contains(name, autoescape=True)
        ),
        select(t.job_classes.c.id).where(t.job_classes.c.spec.contains(name, autoescape=True)),
        select(t.meta.c.key).where(t.meta.c.key == "sharing", t.meta.c.value.contains(name, autoescape=True)),
    )
    return any(connection.execute(each.limit(1)).first() is not None for each in where)


def resources_record(table: Dimensions) -> MetaRecord:
    return MetaRecord(RESOURCES, json.dumps(resources_to_plain(table), separators=(",", ":")))
