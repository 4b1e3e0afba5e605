"""On which days something was used, by project: to tell what use a new rate leaves without a price. Called where rates are added."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from sqlalchemy import Connection, or_, select

from herder.ledger.tokens import PREFIX
from herder.store.rows.ledger_tables import work_days
from herder.store.rows.metering_tables import metered_days

_WORK = {
    "cpu": work_days.c.cpu_milli_ms,
    "memory": work_days.c.memory_mib_ms,
    "gpu": work_days.c.gpu_ms,
}


class UseOfDay(NamedTuple):
    day_ms: int
    resource: str
    product: str
    project: str
    reported: bool
    """Not work of Herder's own: then it is a cost at the internal card, too."""


def use_by_day(connection: Connection, resources: Collection[str]) -> list[UseOfDay]:
    """Of `resources`, and of the kinds of tokens that they stand in for."""
    return [*_reported(connection, resources), *_work(connection, resources)]


def _reported(connection: Connection, resources: Collection[str]) -> Iterator[UseOfDay]:
    m = metered_days.c
    more = [
        m.resource.startswith(f"{each}.", autoescape=True) for each in resources if each.startswith(PREFIX)
    ]
    columns = (m.day_ms, m.resource, m.product, m.project)
    query = select(*columns).where(m.quantity != "0", or_(m.resource.in_(resources), *more)).distinct()
    for row in connection.execute(query):
        yield UseOfDay(*row, True)


def _work(connection: Connection, resources: Collection[str]) -> Iterator[UseOfDay]:
    for resource in sorted(_WORK.keys() & set(resources)):
        columns = (work_days.c.day_ms, work_days.c.project)
        for row in connection.execute(select(*columns).where(_WORK[resource] != "0").distinct()):
            yield UseOfDay(row.day_ms, resource, "", row.project, False)
