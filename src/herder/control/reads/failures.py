"""The failures of late that a person should look at, for the one-look status: events, without those that are over.

Used by `control/workers/worker_actions.py`. A sentence such as "Driver gcp is frozen: … run herder driver unfreeze gcp" must not stand there when it is used again.
"""

from typing import Any

from sqlalchemy import Row, select

from herder.control.kernel.core import Core
from herder.engine.health import health_of
from herder.model.ids import WorkerName
from herder.model.times import iso
from herder.model.worker import Health
from herder.store import tables as t

#: Kinds of events that a person should look at.
FAULTS = (
    "worker.failed",
    "worker.trouble",
    "worker.unhealthy",
    "worker.quarantined",
    "worker.orphan",
    "plan.refused",
    "trigger.failed",
    "loop.failed",
    "driver.frozen",
    "driver.missing",
    "driver.fault",
    "driver.unavailable",
)
#: Of them, those that say how something is, and not only what happened.
_STATES = frozenset(
    {"driver.frozen", "driver.missing", "driver.unavailable", "worker.unhealthy", "worker.quarantined"}
)
SHOWN = 5
#: Events that are looked at for them.
LOOKED_AT = 100


async def recent(core: Core) -> list[str]:
    """Newest first."""
    query = (
        select(t.events)
        .where(t.events.c.kind.in_(FAULTS))
        .order_by(t.events.c.sequence.desc())
        .limit(LOOKED_AT)
    )
    rows = await core.read(lambda connection: connection.execute(query).all())
    told: set[tuple[str, str]] = set()
    found = []
    for row in rows:
        if row.kind in _STATES:
            if (row.kind, row.object) in told or _over(core, row):
                continue
            told.add((row.kind, row.object))
        found.append(f"{iso(row.at_ms)} {row.object}: {row.text}")
    return found[:SHOWN]


def _over(core: Core, row: Row[Any]) -> bool:
    """Whether what the event says of its driver or worker is no longer so. A worker that is gone had it to its end."""
    noun, _, name = row.object.partition("/")
    if noun == "worker":
        worker = core.state.workers.get(WorkerName(name))
        return worker is not None and health_of(worker, core.clock.now_ms())[0] is Health.HEALTHY
    if row.kind == "driver.unavailable":
        notes = core.driver_notes.get(name)
        return name not in core.drivers or (notes is not None and notes.usable is True)
    return name not in core.state.frozen_drivers
