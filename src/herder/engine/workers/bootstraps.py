"""Workers whose machines a bootstrap makes join: refused credentials, conditions of their operating systems, and rungs of repair.

Called by `control/loops/bootstraps.py` and by what looks at repairs. Refused credentials are one row of `meta` for each bootstrap. Nothing
here calls a bootstrap.
"""

import json
from collections.abc import Sequence

from herder.engine.memory.bootstraps import BootstrapLife
from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.memory.worker_repair import SYSTEM
from herder.engine.workers.repairs.conditions import Found, report
from herder.model.fleet.node import NodeCondition
from herder.model.fleet.repair import Rung
from herder.model.fleet.worker import WorkerState
from herder.model.stored.changes import Changes
from herder.model.stored.records import MetaRecord

#: Rows of `meta` whose keys begin so hold one refused bootstrap each; an empty value: it is not refused any more.
META_PREFIX = "bootstrap/"
_JOINED = frozenset({WorkerState.READY, WorkerState.UNHEALTHY, WorkerState.DRAINING})


def rungs_of(state: EngineState, worker: WorkerLife) -> frozenset[Rung]:
    """What its driver or its bootstrap can carry out."""
    life = state.bootstraps.get(worker.spec.bootstrap)
    own = frozenset[Rung]() if life is None else life.rungs
    return own | state.rungs.get(worker.spec.driver, frozenset())


def nothing_can(worker: WorkerLife) -> str:
    """Of a rung, before its verb."""
    driver, bootstrap = worker.spec.driver, worker.spec.bootstrap
    return (
        f"neither driver {driver} nor bootstrap {bootstrap} can" if bootstrap else f"driver {driver} cannot"
    )


def refuse(state: EngineState, changes: Changes, name: str, reason: str, now_ms: int) -> None:
    """Its credentials are not accepted. `reason` is what people read: what happened, and the remedy."""
    life = state.bootstraps.setdefault(name, BootstrapLife())
    life.refused, life.refused_at_ms = reason, now_ms
    state.fresh_demand = True
    plain = {"version": 1, "at_ms": now_ms, "reason": reason}
    changes.put(MetaRecord(META_PREFIX + name, json.dumps(plain, separators=(",", ":"))))
    record_event(state, changes, now_ms, "bootstrap.refused", f"bootstrap/{name}", reason)


def accept(state: EngineState, changes: Changes, name: str, now_ms: int) -> None:
    life = state.bootstraps.get(name)
    if life is None or not life.refused:
        return
    life.refused, life.refused_at_ms = "", 0
    state.fresh_demand = True
    changes.put(MetaRecord(META_PREFIX + name, ""))
    text = f"The credentials of bootstrap {name} are accepted again. Its pools create workers."
    record_event(state, changes, now_ms, "bootstrap.accepted", f"bootstrap/{name}", text)


def recover(state: EngineState, key: str, value: str) -> None:
    """From a row of `meta`; others change nothing."""
    if key.startswith(META_PREFIX) and value:
        plain = json.loads(value)
        life = state.bootstraps.setdefault(key.removeprefix(META_PREFIX), BootstrapLife())
        life.refused, life.refused_at_ms = plain["reason"], plain["at_ms"]


def seen(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    conditions: Sequence[NodeCondition],
    now_ms: int,
) -> None:
    """What the operating system of a worker reports now. One that does not answer changes nothing: it is neither well nor sick."""
    if worker.state not in _JOINED:
        return
    found = {
        each.condition: Found(
            each.text or str(each.condition), count=each.count, since_ms=min(each.since_ms, now_ms)
        )
        for each in conditions
    }
    report(state, changes, worker, SYSTEM, found, now_ms)


def configuring(state: EngineState, worker: WorkerLife, trouble: str) -> None:
    """Why its machine has no configuration yet, as a clause; empty: nothing is known to be wrong."""
    life = state.bootstraps.get(worker.spec.bootstrap)
    if life is None:
        return
    if trouble:
        life.troubles[worker.spec.name] = trouble
    else:
        life.troubles.pop(worker.spec.name, None)


def configuring_text(state: EngineState, worker: WorkerLife) -> str:
    """A clause; empty when nothing is wrong."""
    life = state.bootstraps.get(worker.spec.bootstrap)
    trouble = "" if life is None else life.troubles.get(worker.spec.name, "")
    return f"Bootstrap {worker.spec.bootstrap} has not configured its machine: {trouble}" if trouble else ""


def forget_ended(state: EngineState) -> None:
    for life in state.bootstraps.values():
        for name in [name for name in life.troubles if name not in state.workers]:
            del life.troubles[name]
