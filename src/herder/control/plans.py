"""Recording and applying plans: the picture for the planner, the plan's row, its effect on the engine.

Called by the scale loop, by scale requests and by dry runs, so that all three see the same and do the same.
"""

from typing import Any

import msgspec

from herder.control.core import Core
from herder.engine.state import EngineState, WorkerLife
from herder.engine.worker import claim, drain
from herder.model.changes import Changes
from herder.model.ids import ClassId, PlanNumber
from herder.model.observed import Observed, ObservedWorker, PoolHistory, QueuedClass
from herder.model.plan import CreateWorker, Plan
from herder.model.records import PlanRecord


def observe(state: EngineState, now_ms: int) -> Observed:
    """What the engine knows now. It is the one writer, so its sections are never stale."""
    return Observed(
        plan_number=PlanNumber(state.next_plan),
        pools=tuple(state.pools[name] for name in sorted(state.pools)),
        workers=tuple(_observed(worker) for worker in state.workers.values()),
        workers_as_of_ms=now_ms,
        queued=queued(state),
        queued_as_of_ms=now_ms,
        history=tuple(
            (
                pool,
                PoolHistory(
                    last_grown_at_ms=history.last_grown_at_ms,
                    last_shrunk_at_ms=history.last_shrunk_at_ms,
                    create_failures=history.create_failures,
                    last_create_failure_at_ms=history.last_create_failure_at_ms,
                ),
            )
            for pool, history in sorted(state.history.items())
        ),
    )


def queued(state: EngineState) -> tuple[QueuedClass, ...]:
    return tuple(
        QueuedClass(
            class_id=ClassId(class_id),
            job_class=state.classes[class_id],
            count=queue.count,
            oldest_ready_at_ms=queue.oldest_ready_at_ms,
        )
        for class_id, queue in sorted(state.queues.items())
        if queue.count
    )


def _observed(worker: WorkerLife) -> ObservedWorker:
    return ObservedWorker(
        spec=worker.spec,
        state=worker.state,
        cordoned=worker.cordoned,
        free=worker.free,
        free_slots=worker.free_slots,
        live_attempts=len(worker.live),
        requested_at_ms=worker.requested_at_ms,
        idle_since_ms=worker.idle_since_ms,
        expires_at_ms=worker.expires_at_ms,
        standing=worker.standing,
    )


def plain_plan(plan: Plan) -> dict[str, Any]:
    """As JSON: actions carry their kind."""
    body: dict[str, Any] = msgspec.to_builtins(plan)
    body["actions"] = [
        {"action": "create" if isinstance(action, CreateWorker) else "drain", **msgspec.to_builtins(action)}
        for action in plan.actions
    ]
    return body


def record_plan(state: EngineState, changes: Changes, plan: Plan) -> None:
    """The plan as a row; its number is used up."""
    state.next_plan = max(state.next_plan, plan.number + 1)
    text = msgspec.json.encode(plain_plan(plan)).decode()
    changes.put(PlanRecord(plan.number, plan.made_at_ms, int(plan.empty), text))


def apply_plan(
    core: Core, changes: Changes, plan: Plan, now_ms: int, *, standing: bool = False, actor: str = "herder"
) -> None:
    """Intents only: claims and drains become rows in the same commit as the plan; the loops carry them out afterwards."""
    for action in plan.actions:
        if isinstance(action, CreateWorker):
            claim(core.state, changes, action, now_ms, standing=standing, actor=actor)
        else:
            worker = core.state.workers.get(action.worker)
            if worker is not None:
                drain(core.state, changes, worker, action.reason, now_ms, actor=actor)
