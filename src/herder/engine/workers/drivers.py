"""Freezes and unfreezes drivers: the stored row and the event.

Called by `control/`. A frozen driver is called for `engine/attempts/worker_health` only; its workers and machines stay as they are, and the planner sees its
pools as frozen. One row for each frozen driver, in `meta`, so that a restart keeps it.
"""

import json

from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState
from herder.engine.workers.offers import credentials_renewed
from herder.model.fleet.driver import FrozenDriver
from herder.model.stored.changes import Changes
from herder.model.stored.records import MetaRecord
from herder.model.values.phrases import counted

#: Rows of `meta` whose keys begin so hold one frozen driver each; an empty value: it is not frozen any more.
META_PREFIX = "driver/"


def freeze(
    state: EngineState,
    changes: Changes,
    driver: str,
    reason: str,
    now_ms: int,
    *,
    actor: str = "herder",
    by_sweep: bool = False,
) -> None:
    """`reason` is the sentence that people read: what happened, and the remedy."""
    frozen = FrozenDriver(at_ms=now_ms, reason=reason, by_sweep=by_sweep)
    state.frozen_drivers[driver] = frozen
    state.fresh_demand = True
    plain = {"version": 1, "at_ms": now_ms, "reason": reason, **({"by_sweep": True} if by_sweep else {})}
    value = json.dumps(plain, separators=(",", ":"))
    changes.put(MetaRecord(META_PREFIX + driver, value))
    record_event(state, changes, now_ms, "driver.frozen", f"driver/{driver}", reason, actor=actor)


def unfreeze(
    state: EngineState, changes: Changes, driver: str, text: str, now_ms: int, *, actor: str
) -> None:
    """It is called again; offers that rested because its credentials were refused are tried at once."""
    state.frozen_drivers.pop(driver, None)
    state.fresh_demand = True
    changes.put(MetaRecord(META_PREFIX + driver, ""))
    credentials_renewed(state, changes, driver)
    record_event(state, changes, now_ms, "driver.unfrozen", f"driver/{driver}", text, actor=actor)


def note_missing(state: EngineState, changes: Changes, driver: str, now_ms: int) -> None:
    """The server was started without it, and rows still name it. Not stored: the next start looks again."""
    workers = sum(worker.spec.driver == driver for worker in state.workers.values())
    pools = sorted(pool.name for pool in state.pools.values() if driver in pool.drivers)
    has = counted(workers, "worker")
    used = f" and is named by {'pool' if len(pools) == 1 else 'pools'} {', '.join(pools)}" if pools else ""
    reason = (
        f"Driver {driver} is missing from the server's settings, but it still has {has}{used}. Add it again under "
        f"`drivers` in herder.yaml and restart the server, or give up its workers with `herder driver forget {driver}`."
    )
    state.frozen_drivers[driver] = FrozenDriver(at_ms=now_ms, reason=reason, missing=True)
    record_event(state, changes, now_ms, "driver.missing", f"driver/{driver}", reason)


def from_meta(key: str, value: str) -> tuple[str, FrozenDriver] | None:
    """A stored freeze; None for one that is over."""
    if not key.startswith(META_PREFIX) or not value:
        return None
    plain = json.loads(value)
    return key.removeprefix(META_PREFIX), FrozenDriver(
        at_ms=plain["at_ms"], reason=plain["reason"], by_sweep=plain.get("by_sweep", False)
    )
