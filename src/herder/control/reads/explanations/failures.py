"""Recent failures that a person should check, for `herder status`: events, without those whose cause has ended.

Used by `control/reads/fleet/pools_and_workers.py`. That driver gcp is frozen is no failure any more once it is in use again, and what was wrong with a worker
is none once the worker is removed. A machine that belonged to no worker and was removed is no failure: nothing is left to be done.
"""

from typing import Any

from sqlalchemy import Row, select

from herder.control.kernel.core import Core
from herder.engine.attempts.worker_health import health_of
from herder.model.fleet.worker import Health
from herder.model.ids import WorkerName
from herder.model.values.times import iso
from herder.store.rows import tables as t

#: Kinds of events that a person should look at.
FAULTS = (
    "worker.failed",
    "worker.trouble",
    "worker.unhealthy",
    "worker.excluded",
    "worker.escalated",
    "worker.quarantined",
    "worker.repair_held",
    "worker.repair_failed",
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
    {
        "driver.frozen",
        "driver.missing",
        "driver.unavailable",
        "worker.unhealthy",
        "worker.excluded",
        "worker.escalated",
        "worker.quarantined",
        "worker.repair_held",
    }
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
    """Whether what the event says of its driver or worker is no longer so. A worker that has ended needs nobody."""
    noun, _, name = row.object.partition("/")
    if noun == "worker":
        worker = core.state.workers.get(WorkerName(name))
        return worker is None or health_of(worker, core.clock.now_ms())[0] is Health.HEALTHY
    if row.kind == "driver.unavailable":
        notes = core.driver_notes.get(name)
        return name not in core.drivers or (notes is not None and notes.usable is True)
    return name not in core.state.frozen_drivers
