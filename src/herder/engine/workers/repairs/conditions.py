"""The conditions of workers. All sources report them through `report` and `note`, whatever the worker's membership.

Called by the exchange for what agents report, by `deadlines.py` and `engine/attempts/worker_health.py` for silence and failed attempts, and by
memberships that know more. It decides nothing about repair (`repair.py`) and never changes a worker that is leaving.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.memory.worker_repair import SERVER, ConditionSeen
from herder.model.fleet.repair import BLOCKING, Condition
from herder.model.fleet.worker import WorkerState
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause, sentence, sentences

#: Characters of a message that are kept.
SAID_MAX = 200


@dataclass(frozen=True, slots=True)
class Found:
    message: str
    count: int = 0
    since_ms: int | None = None
    """None: since it was first reported."""


def report(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    source: str,
    found: Mapping[Condition, Found],
    now_ms: int,
) -> None:
    """All conditions that `source` reports now. Those that it reported before and does not report now are over."""
    health = worker.health
    if not found and not any(known == source for known, _ in health.conditions):
        return
    for key in [key for key in health.conditions if key[0] == source and key[1] not in found]:
        del health.conditions[key]
        state.dirty_workers[worker.spec.name] = worker
    for condition, said in found.items():
        note(state, changes, worker, source, condition, said, now_ms, since_ms=said.since_ms)


def note(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    source: str,
    condition: Condition,
    said: Found,
    now_ms: int,
    *,
    since_ms: int | None = None,
    told: bool = False,
) -> None:
    """One condition holds. `told`: the caller records the event."""
    seen = worker.health.conditions.get((source, condition))
    message = clause(said.message[:SAID_MAX])
    if seen is not None:
        if seen.count != said.count:
            state.dirty_workers[worker.spec.name] = worker
        seen.last_seen_ms, seen.message, seen.count = now_ms, message, said.count
        return
    worker.health.conditions[source, condition] = ConditionSeen(
        since_ms=now_ms if since_ms is None else since_ms,
        last_seen_ms=now_ms,
        message=message,
        count=said.count,
    )
    state.dirty_workers[worker.spec.name] = worker
    blocked = condition in BLOCKING and worker.state is WorkerState.READY
    if blocked:
        worker.state = WorkerState.UNHEALTHY
    if not told:
        _tell(state, changes, worker, condition, message, now_ms, blocked=blocked)


def heard_of(state: EngineState, worker: WorkerLife) -> None:
    """It is not silent any more."""
    if worker.health.conditions.pop((SERVER, Condition.NOT_READY), None) is not None:
        state.dirty_workers[worker.spec.name] = worker


def over(state: EngineState, worker: WorkerLife, source: str, condition: Condition) -> None:
    if worker.health.conditions.pop((source, condition), None) is not None:
        state.dirty_workers[worker.spec.name] = worker


def release(state: EngineState, worker: WorkerLife, now_ms: int) -> None:
    """A person has released the worker: its conditions count from now on."""
    health = worker.health
    health.quarantined_at_ms, health.repair, health.held = None, None, ""
    health.conditions.pop((SERVER, Condition.FAILED_ATTEMPTS), None)
    for seen in health.conditions.values():
        seen.since_ms = now_ms
    state.dirty_workers[worker.spec.name] = worker


def of_agent(
    troubles: tuple[str, ...], typed: Mapping[Condition, Found], skew_ms: int, skew_most_s: float
) -> dict[Condition, Found]:
    """The conditions in an agent's report. An agent of an older version reports sentences only; they count as NotReady.
    `skew_most_s`: the pool's `clock_skew`."""
    found = dict(typed)
    known = {clause(each.message) for each in typed.values()}
    untyped = [each for each in troubles if clause(each) not in known]
    if untyped:
        found[Condition.NOT_READY] = Found("; ".join(clause(each) for each in untyped))
    if abs(skew_ms) > skew_most_s * 1000:
        ahead = "ahead of" if skew_ms > 0 else "behind"
        found[Condition.CLOCK_SKEW] = Found(f"Its clock is {abs(skew_ms) // 1000:,} s {ahead} the server's.")
    return found


def _tell(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    condition: Condition,
    message: str,
    now_ms: int,
    *,
    blocked: bool,
) -> None:
    name = worker.spec.name
    data: dict[str, object] = {
        "pool": worker.spec.pool,
        "state": worker.state.value,
        "condition": condition.value,
    }
    kind, text = "worker.condition", sentences(f"Worker {name} has condition {condition}", sentence(message))
    if blocked:
        kind = "worker.unhealthy"
        text = sentences(
            f"Worker {name} takes no work, because it has condition {condition}", sentence(message)
        )
    record_event(state, changes, now_ms, kind, f"worker/{name}", text, data=data)
