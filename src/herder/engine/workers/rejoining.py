"""An agent that was started anew by a repair activates once more; what ran under the old process is lost.

Called by `worker.py` at an activation. Without a repair that restarts the machine or its service, a second process is never let in.
"""

from herder.engine.attempts.attempt import lose
from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.memory.worker_repair import AGENT, SERVER
from herder.model.fleet.repair import Condition
from herder.model.stored.changes import Changes
from herder.model.work.job import Cause


def may_rejoin(worker: WorkerLife) -> bool:
    repair = worker.health.repair
    return repair is not None and repair.rejoins and not worker.state.leaving


def rejoin(
    state: EngineState, changes: Changes, worker: WorkerLife, token_hash: str, nonce: str, now_ms: int
) -> None:
    """The new process takes over. It numbers its exchanges from 1 on and holds nothing."""
    name, repair = worker.spec.name, worker.health.repair
    assert repair is not None
    for attempt in list(worker.live.values()):
        lose(state, changes, attempt, Cause.WORKER_LOST, f"Worker {name} was restarted.", now_ms)
    repair.rejoins = False
    worker.activation_nonce, worker.token_hash = nonce, token_hash
    worker.exchange_number, worker.told = 0, None
    worker.cancels.clear()
    worker.troubles = ()
    for key in [key for key in worker.health.conditions if key[0] == AGENT]:
        del worker.health.conditions[key]
    worker.health.conditions.pop((SERVER, Condition.FAILED_ATTEMPTS), None)
    state.dirty_workers[name] = worker
    text = f"Worker {name} has joined again after {repair.rung}."
    data: dict[str, object] = {"pool": worker.spec.pool, "state": worker.state.value}
    record_event(state, changes, now_ms, "worker.rejoined", f"worker/{name}", text, data=data)
