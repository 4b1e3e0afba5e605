"""The states of a worker: claimed, provisioned, joined, ready, draining, terminating, ended.

Called by `control/` for what planner, drivers, workers and the clock say. `model/fleet/worker.py` has the states. Ending a worker
loses its attempts first, so nothing is ever assigned to a worker that is gone.
"""

from herder.engine.attempts import worker_health
from herder.engine.attempts.attempt import lose
from herder.engine.memory.create_history import REMOVALS_MOST, CreateHistory
from herder.engine.memory.events import reason_data, record_event
from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.workers import creation, offers, rejoining
from herder.engine.workers.draining.drain_orders import drain_order
from herder.engine.workers.repairs import conditions
from herder.engine.workers.usage import machine_usage
from herder.model.fleet.creation import Creation
from herder.model.fleet.driver import JOINED, Machine, Phase
from herder.model.fleet.membership import LivesBy
from herder.model.fleet.offer import FailureCause
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PoolName, WorkerName
from herder.model.planning.plan import CreateWorker, Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.values.phrases import sentence, sentences
from herder.model.work.job import Cause

#: Weight of the newest boot in the time that the next one is expected to take.
BOOT_WEIGHT = 0.3
#: Why workers are drained because less is needed: these count towards the pool's gradual limit.
LESS_NEEDED = frozenset({ReasonKind.IDLE, ReasonKind.UNDER_USED, ReasonKind.CONSOLIDATED})


def history_of(state: EngineState, pool: PoolName) -> CreateHistory:
    return state.history.setdefault(pool, CreateHistory())


def claim(
    state: EngineState,
    changes: Changes,
    action: CreateWorker,
    now_ms: int,
    *,
    manual: bool = False,
    actor: str = "herder",
) -> WorkerLife:
    """Record the intent to make a worker; it is a row before it is a machine."""
    spec = action.spec
    if spec.name in state.workers:
        return state.workers[spec.name]
    worker = WorkerLife(
        spec=spec,
        state=WorkerState.REQUESTED,
        requested_at_ms=now_ms,
        creation=Creation(since_ms=now_ms),
        expires_at_ms=action.expires_at_ms,
        reason_made=action.reason,
        manual=manual,
        free=spec.allocatable,
        free_slots=spec.slots,
        answer_number=state.answer_base,
    )
    state.workers[spec.name] = worker
    state.fleet_version += 1
    history_of(state, spec.pool).last_grown_at_ms = now_ms
    _changed(state, worker)
    _tell(state, changes, worker, now_ms, "worker.requested", action.reason.text, actor, action.reason)
    return worker


def provisioning(
    state: EngineState, worker: WorkerLife, activation_hash: str, now_ms: int | None = None
) -> None:
    """The driver is about to be called. Recorded before, so that a crash in the call is looked after."""
    if worker.state is not WorkerState.REQUESTED:
        return  # taken up again, or told to go in the meantime
    worker.state = WorkerState.PROVISIONING
    worker.activation_hash = activation_hash
    creation.begin(worker, worker.requested_at_ms if now_ms is None else now_ms)
    _changed(state, worker)


def provisioned(state: EngineState, changes: Changes, worker: WorkerLife, handle: str, now_ms: int) -> None:
    """The driver has made it. It may have joined already, while the driver's answer was on its way."""
    worker.handle, worker.phase, worker.operation = handle, Phase.RUNNING.value, ""
    _exists(state, changes, worker, now_ms)
    if worker.state is WorkerState.PROVISIONING:
        worker.state = WorkerState.JOINING
        creation.runs(state, worker, now_ms)
    _changed(state, worker)
    text = f"Driver {worker.spec.driver} created machine {handle}."
    _tell(state, changes, worker, now_ms, "worker.provisioned", text)
    if worker.state is WorkerState.JOINING and worker.spec.membership.lives_by is LivesBy.PROVIDER:
        becomes_ready(state, changes, worker, now_ms)  # it joins nothing that would say so


def adopted(
    state: EngineState, changes: Changes, worker: WorkerLife, machine: Machine, now_ms: int, *, actor: str
) -> None:
    """Its machine is there already, from a time that the store has forgotten; its agent has yet to activate here."""
    worker.handle, worker.phase, worker.operation = machine.handle, machine.phase.value, machine.operation
    if machine.phase is Phase.RUNNING:
        worker.provisioned_at_ms = now_ms
        worker.state = WorkerState.JOINING
        creation.runs(state, worker, now_ms)
    else:
        creation.in_step(state, worker, machine, now_ms)
    _changed(state, worker)
    text = f"Machine {machine.handle} was adopted as worker {worker.spec.name}."
    _tell(state, changes, worker, now_ms, "worker.adopted", text, actor)
    if worker.state is WorkerState.JOINING and worker.spec.membership.lives_by is LivesBy.PROVIDER:
        becomes_ready(state, changes, worker, now_ms)


def create_failed(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    text: str,
    now_ms: int,
    cause: FailureCause = FailureCause.OTHER,
) -> None:
    """Nothing was made; it costs nothing and frees its place at once. The planner passes the offer over for a while."""
    offers.failed(state, changes, worker, cause, text, now_ms)
    reason = creation.failure(state, worker, sentence(text), cause)
    _end(state, changes, worker, WorkerState.FAILED, reason, now_ms)


def in_phase(state: EngineState, worker: WorkerLife, machine: Machine, now_ms: int) -> bool:
    """What the driver said of its machine; whether that is news. A restart goes on from there."""
    before = worker.creation
    creation.in_step(state, worker, machine, now_ms)
    news = (machine.phase.value, machine.operation, machine.handle or worker.handle)
    if news == (worker.phase, worker.operation, worker.handle) and worker.creation == before:
        return False
    worker.phase, worker.operation, worker.handle = news
    _changed(state, worker)
    return True


def create_broke(
    state: EngineState, changes: Changes, worker: WorkerLife, text: str, now_ms: int, cause: FailureCause
) -> None:
    """Its creation has failed, and something of it may be left: it goes through the driver's deletion."""
    offers.failed(state, changes, worker, cause, text, now_ms)
    text = sentence(text)
    _tell(state, changes, worker, now_ms, "worker.trouble", text)
    reason = creation.failure(state, worker, text, cause)
    terminate(state, changes, worker, reason, now_ms)


def forgotten(
    state: EngineState, changes: Changes, worker: WorkerLife, text: str, now_ms: int, *, actor: str
) -> None:
    """A person gave it up without asking its driver. Its row does not say that the machine was removed, because that is unknown."""
    _tell(state, changes, worker, now_ms, "worker.forgotten", text, actor)
    reason = Reason(kind=ReasonKind.BY_HAND, text=text)
    _end(state, changes, worker, WorkerState.FAILED, reason, now_ms)


def activated(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    token_hash: str,
    nonce: str,
    now_ms: int,
    agent_version: str = "",
) -> bool:
    """It has proved itself with its one-time token. False when it may not (any more). A repeat with the same nonce is fine."""
    if worker.activation_nonce not in (None, nonce) and rejoining.may_rejoin(worker):
        rejoining.rejoin(state, changes, worker, token_hash, nonce, now_ms)
        seen(state, changes, worker, now_ms)
    if worker.activation_nonce is not None:
        return worker.activation_nonce == nonce
    if not worker.state.in_flight:
        return False
    worker.activation_nonce = nonce
    worker.token_hash = token_hash
    worker.agent_version = agent_version
    becomes_ready(state, changes, worker, now_ms)
    return True


def _exists(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    """Its machine exists: a success of its offer when that is first known. What is heard again later says nothing of the offer now."""
    if worker.provisioned_at_ms is None:
        worker.provisioned_at_ms = now_ms
        offers.made(state, changes, worker.spec, now_ms)


def becomes_ready(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    boot_ms = now_ms - creation.boot_from_ms(worker)
    worker.state, worker.creation = WorkerState.READY, None
    worker.ready_at_ms = worker.last_seen_at_ms = now_ms
    worker.idle_since_ms = now_ms if worker.spec.membership.work_is_known else None
    _exists(state, changes, worker, now_ms)
    if worker.expires_at_ms is not None:
        worker.expires_at_ms += now_ms - worker.requested_at_ms  # its time counts from when it can work
    if worker.spec.membership.takes_jobs:
        state.open_workers.add(worker.spec.name)
    offers.booted(state, changes, worker.spec, now_ms)
    _changed(state, worker)
    seconds = (now_ms - worker.requested_at_ms) / 1000
    if worker.spec.driver == JOINED:
        _tell(
            state,
            changes,
            worker,
            now_ms,
            "worker.ready",
            f"{worker.spec.name} is ready: its agent has activated.",
        )
        return  # how long a machine of this pool takes to boot, it does not say
    history, boot_s = history_of(state, worker.spec.pool), boot_ms / 1000
    history.failures_in_row = 0
    history.boot_s = (
        boot_s if history.boot_s is None else (1 - BOOT_WEIGHT) * history.boot_s + BOOT_WEIGHT * boot_s
    )
    _tell(
        state,
        changes,
        worker,
        now_ms,
        "worker.ready",
        f"{worker.spec.name} was ready {seconds:.1f} s after it was requested.",
    )


def seen(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    """Any exchange is a sign of life. Kept in memory; only a change of state is worth a row."""
    worker.last_seen_at_ms = now_ms
    if worker.health.conditions:
        conditions.heard_of(state, worker)
    if worker.state is WorkerState.UNHEALTHY and not worker.sick:
        worker.state = WorkerState.READY
        state.open_workers.add(worker.spec.name)
        _changed(state, worker)
        _tell(state, changes, worker, now_ms, "worker.recovered", f"{worker.spec.name} is heard from again.")


def set_cordon(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    cordoned: bool,
    now_ms: int,
    *,
    actor: str,
    message: str,
) -> None:
    worker.cordoned = cordoned
    if not cordoned and worker.drain is not None and worker.drain.keep:
        worker.drain = None
        if worker.node is not None:
            worker.node.begin_emptying()
    if not cordoned and worker.health.quarantined_at_ms is not None:
        conditions.release(state, worker, now_ms)
        worker_health.forget(worker)
    if not cordoned and worker.state is WorkerState.READY:
        state.open_workers.add(worker.spec.name)
    _changed(state, worker)
    verb = "cordoned" if cordoned else "uncordoned"
    _tell(
        state, changes, worker, now_ms, f"worker.{verb}", message or f"{worker.spec.name} was {verb}.", actor
    )


def drain(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    reason: Reason,
    now_ms: int,
    *,
    actor: str = "herder",
    timeout_s: float | None = None,
) -> None:
    """Nothing new; it goes when what runs has ended, or when its time is over: `timeout_s`, else that of a drain that is under way, else
    the pool's grace. In flight it goes at once."""
    if worker.state.leaving or worker.state.ended:
        return
    worker.reason_removed = reason
    history = history_of(state, worker.spec.pool)
    history.last_shrunk_at_ms = now_ms
    if reason.kind in LESS_NEEDED:
        history.removals_ms = [*history.removals_ms, now_ms][-REMOVALS_MOST:]
    if worker.state.in_flight:
        terminate(state, changes, worker, reason, now_ms, actor=actor)
        return
    worker.state = WorkerState.DRAINING
    worker.draining_at_ms = now_ms
    by_hand = reason.kind is ReasonKind.BY_HAND
    worker.drain = drain_order(state, worker, now_ms, timeout_s, keep=False, by_hand=by_hand)
    changes.wake.add(worker.spec.name)
    _changed(state, worker)
    _tell(state, changes, worker, now_ms, "worker.draining", reason.text, actor, reason)
    if not worker.occupied:
        terminate(state, changes, worker, reason, now_ms, actor=actor)


def terminate(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    reason: Reason,
    now_ms: int,
    *,
    actor: str = "herder",
    cause: Cause = Cause.WORKER_LOST,
) -> None:
    """It is to go now. Its attempts are lost (and tried elsewhere); the driver is told until the machine is gone."""
    if worker.state is WorkerState.TERMINATING or worker.state.ended:
        return
    if worker.health.interrupted:
        cause = Cause.PREEMPTED
    worker.reason_removed = worker.reason_removed or reason
    alone, message = len(worker.live) == 1, sentences(f"Worker {worker.spec.name} was removed", reason.text)
    for attempt in list(worker.live.values()):
        lose(state, changes, attempt, cause, message, now_ms, alone=alone)
    worker.state = WorkerState.TERMINATING
    changes.wake.add(worker.spec.name)
    _changed(state, worker)
    _tell(state, changes, worker, now_ms, "worker.terminating", reason.text, actor, reason)


def machine_gone(
    state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int, stopped: Machine | None = None
) -> None:
    """The provider holds its machine no more. Of a spot machine that says that there is little spot there now. `stopped`: it shows that
    it has ended, and may know why."""
    text, cause = f"The machine of {worker.spec.name} no longer exists.", Cause.WORKER_LOST
    if stopped is not None and stopped.end is not None:
        cause = Cause(stopped.end.value)
        text = sentences(f"The machine of {worker.spec.name} has stopped", stopped.detail)
    elif worker.health.notice is not None:
        text, cause = f"{text} The provider had announced that.", Cause.PREEMPTED
    elif worker.spec.spot:
        cause = Cause.PREEMPTED
        text = f"{text} It was a spot machine, so the provider has probably taken it back."
        offers.failed(state, changes, worker, FailureCause.INTERRUPTED, text, now_ms)
    terminate(state, changes, worker, Reason(kind=ReasonKind.DEAD, text=text), now_ms, cause=cause)


def terminated(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    """The driver says the machine is gone."""
    reason = worker.reason_removed or Reason(
        kind=ReasonKind.DEAD, text=f"The machine of {worker.spec.name} no longer exists."
    )
    _end(state, changes, worker, WorkerState.TERMINATED, reason, now_ms)


def suspect(state: EngineState, changes: Changes, worker: WorkerLife, text: str, now_ms: int) -> None:
    """No new work until it is heard of again."""
    if worker.state is WorkerState.READY:
        worker.state = WorkerState.UNHEALTHY
        _changed(state, worker)
        _tell(state, changes, worker, now_ms, "worker.unhealthy", text)


def _end(
    state: EngineState, changes: Changes, worker: WorkerLife, final: WorkerState, reason: Reason, now_ms: int
) -> None:
    for attempt in list(worker.live.values()):
        lose(
            state, changes, attempt, Cause.WORKER_LOST, f"Worker {worker.spec.name} no longer exists.", now_ms
        )
    worker.state = final
    worker.ended_at_ms = now_ms
    worker.reason_removed = reason
    pool = worker.spec.pool
    used = machine_usage(worker, now_ms)
    if used is not None:
        changes.usage.append(used)
    if pool not in state.pools:
        state.history.pop(pool, None)
        state.last_creation_failure.pop(pool, None)
    worker.token_hash = worker.activation_hash = None
    if reason.kind is ReasonKind.PREEMPTED:
        offers.capacity_freed(state, changes, worker.spec)
    _changed(state, worker)
    del state.workers[worker.spec.name]
    state.fleet_version += 1
    state.open_workers.discard(worker.spec.name)
    changes.wake.add(worker.spec.name)
    _tell(state, changes, worker, now_ms, f"worker.{final.value}", reason.text, "herder", reason)


def _changed(state: EngineState, worker: WorkerLife) -> None:
    state.dirty_workers[WorkerName(worker.spec.name)] = worker


def _tell(
    state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int, kind: str, text: str,
    actor: str = "herder", reason: Reason | None = None,
) -> None:  # fmt: skip
    data: dict[str, object] = {"pool": worker.spec.pool, "plan": worker.spec.plan}
    data["state"] = worker.state.value
    if reason is not None:
        data["reason"] = reason_data(reason)
    record_event(state, changes, now_ms, kind, f"worker/{worker.spec.name}", text, actor=actor, data=data)
