"""A worker's life: claimed, provisioned, joined, ready, draining, terminating, ended.

Called by `control/` for what planner, drivers, workers and the clock say. `model/worker.py` has the states. Ending a worker
loses its attempts first, so nothing is ever assigned to a worker that is gone.
"""

from herder.engine import health, offers
from herder.engine.attempt import lose
from herder.engine.events import reason_data, record_event
from herder.engine.state import REMOVALS_MOST, CreateHistory, EngineState, WorkerLife
from herder.engine.usage import machine_usage
from herder.model.changes import Changes
from herder.model.driver import JOINED, Machine, Phase
from herder.model.ids import PoolName, WorkerName
from herder.model.job import Cause
from herder.model.membership import LivesBy
from herder.model.offer import FailureCause
from herder.model.plan import CreateWorker, Reason, ReasonKind
from herder.model.pool import PoolSpec
from herder.model.sentence import sentence
from herder.model.worker import WorkerState

#: Weight of the newest boot in the time that the next one is expected to take.
BOOT_WEIGHT = 0.3
#: Why workers are drained because less is needed: these count towards the pool's gradual limit.
LESS_NEEDED = frozenset({ReasonKind.IDLE, ReasonKind.UNDER_USED, ReasonKind.CONSOLIDATED})
#: Exchanges missed before a worker gets no new work.
SUSPECT_AFTER_BEATS = 2


def history_of(state: EngineState, pool: PoolName) -> CreateHistory:
    found = state.history.get(pool)
    if found is None:
        found = state.history[pool] = CreateHistory()
    return found


def claim(
    state: EngineState,
    changes: Changes,
    action: CreateWorker,
    now_ms: int,
    *,
    manual: bool = False,
    actor: str = "herder",
) -> WorkerLife:
    """Record the wish for a worker; it is a row before it is a machine."""
    spec = action.spec
    if spec.name in state.workers:
        return state.workers[spec.name]
    worker = WorkerLife(
        spec=spec,
        state=WorkerState.REQUESTED,
        requested_at_ms=now_ms,
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


def provisioning(state: EngineState, worker: WorkerLife, activation_hash: str) -> None:
    """The driver is about to be called. Recorded before, so that a crash in the call is looked after."""
    if worker.state is not WorkerState.REQUESTED:
        return  # taken up again, or told to go in the meantime
    worker.state = WorkerState.PROVISIONING
    worker.activation_hash = activation_hash
    _changed(state, worker)


def provisioned(state: EngineState, changes: Changes, worker: WorkerLife, handle: str, now_ms: int) -> None:
    """The driver has made it. It may have joined already, while the driver's answer was on its way."""
    worker.handle, worker.phase, worker.operation = handle, Phase.RUNNING.value, ""
    if worker.provisioned_at_ms is None:
        worker.provisioned_at_ms = now_ms
    if worker.state is WorkerState.PROVISIONING:
        worker.state = WorkerState.JOINING
    offers.made(state, changes, worker.spec, now_ms)
    _changed(state, worker)
    text = f"Driver {worker.spec.driver} created machine {handle}."
    _tell(state, changes, worker, now_ms, "worker.provisioned", text)
    if worker.state is WorkerState.JOINING and worker.spec.membership.lives_by is LivesBy.PROVIDER:
        _ready(state, changes, worker, now_ms)  # it joins nothing that would say so


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
    reason = Reason(kind=ReasonKind.CREATE_FAILED, text=text, evidence=(("cause", cause.value),))
    _end(state, changes, worker, WorkerState.FAILED, reason, now_ms)


def in_phase(state: EngineState, worker: WorkerLife, machine: Machine) -> bool:
    """What the driver said of its machine; whether that is news. A restart goes on from there."""
    news = (machine.phase.value, machine.operation, machine.handle or worker.handle)
    if news == (worker.phase, worker.operation, worker.handle):
        return False
    worker.phase, worker.operation, worker.handle = news
    _changed(state, worker)
    return True


def create_broke(
    state: EngineState, changes: Changes, worker: WorkerLife, text: str, now_ms: int, cause: FailureCause
) -> None:
    """Its creation has failed, and something of it may be left: it goes through the driver's deletion."""
    offers.failed(state, changes, worker, cause, text, now_ms)
    _tell(state, changes, worker, now_ms, "worker.trouble", text)
    reason = Reason(kind=ReasonKind.CREATE_FAILED, text=text, evidence=(("cause", cause.value),))
    terminate(state, changes, worker, reason, now_ms)


def forgotten(
    state: EngineState, changes: Changes, worker: WorkerLife, text: str, now_ms: int, *, actor: str
) -> None:
    """A person gave it up without asking its driver. Its row does not say that the machine was removed, because nobody knows."""
    _tell(state, changes, worker, now_ms, "worker.forgotten", text, actor)
    reason = Reason(kind=ReasonKind.BY_HAND, text=text)
    _end(state, changes, worker, WorkerState.FAILED, reason, now_ms)


def activated(
    state: EngineState, changes: Changes, worker: WorkerLife, token_hash: str, nonce: str, now_ms: int
) -> bool:
    """It has proved itself with its one-time token. False when it may not (any more). A repeat with the same nonce is fine."""
    if worker.activation_nonce is not None:
        return worker.activation_nonce == nonce
    if not worker.state.in_flight:
        return False
    worker.activation_nonce = nonce
    worker.token_hash = token_hash
    _ready(state, changes, worker, now_ms)
    return True


def _ready(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    worker.state = WorkerState.READY
    worker.ready_at_ms = worker.last_seen_at_ms = now_ms
    worker.idle_since_ms = now_ms if worker.spec.membership.work_is_known else None
    if worker.provisioned_at_ms is None:
        worker.provisioned_at_ms = now_ms
    if worker.expires_at_ms is not None:
        worker.expires_at_ms += now_ms - worker.requested_at_ms  # its time counts from when it can work
    if worker.spec.membership.takes_jobs:
        state.open_workers.add(worker.spec.name)
    offers.booted(state, changes, worker.spec, now_ms)
    _changed(state, worker)
    seconds = (now_ms - worker.requested_at_ms) / 1000
    if worker.spec.driver == JOINED:
        _tell(state, changes, worker, now_ms, "worker.ready", "Ready: the agent has activated.")
        return  # how long a machine of this pool takes to boot, it does not say
    history = history_of(state, worker.spec.pool)
    history.boot_s = (
        seconds if history.boot_s is None else (1 - BOOT_WEIGHT) * history.boot_s + BOOT_WEIGHT * seconds
    )
    _tell(state, changes, worker, now_ms, "worker.ready", f"Ready {seconds:.1f} s after the request.")


def seen(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    """Any exchange is a sign of life. Kept in memory; only a change of state is worth a row."""
    worker.last_seen_at_ms = now_ms
    if worker.state is WorkerState.UNHEALTHY and not worker.sick:
        worker.state = WorkerState.READY
        state.open_workers.add(worker.spec.name)
        _changed(state, worker)
        _tell(state, changes, worker, now_ms, "worker.recovered", "The worker answers again.")


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
    if not cordoned and worker.state is WorkerState.READY:
        state.open_workers.add(worker.spec.name)
    _changed(state, worker)
    verb = "cordoned" if cordoned else "uncordoned"
    _tell(state, changes, worker, now_ms, f"worker.{verb}", message or f"{verb.capitalize()}.", actor)


def extend(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    until_ms: int,
    now_ms: int,
    *,
    actor: str,
    message: str,
) -> None:
    worker.expires_at_ms = until_ms
    worker.extensions += 1
    _changed(state, worker)
    _tell(state, changes, worker, now_ms, "worker.extended", message or "Time to live extended.", actor)


def drain(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    reason: Reason,
    now_ms: int,
    *,
    actor: str = "herder",
) -> None:
    """Nothing new; it goes when what runs has ended, or when the pool's grace is over. In flight it goes at once."""
    if worker.state in (WorkerState.DRAINING, WorkerState.TERMINATING) or worker.state.ended:
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
    worker.excused_ms = 0
    worker.generation += 1
    changes.wake.add(worker.spec.name)
    _changed(state, worker)
    _tell(state, changes, worker, now_ms, "worker.draining", reason.text, actor, reason)
    if not worker.live:
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
    worker.reason_removed = worker.reason_removed or reason
    alone, message = len(worker.live) == 1, f"Worker {worker.spec.name} was removed. {sentence(reason.text)}"
    for attempt in list(worker.live.values()):
        lose(state, changes, attempt, cause, message, now_ms, alone=alone)
    worker.state = WorkerState.TERMINATING
    worker.generation += 1
    changes.wake.add(worker.spec.name)
    _changed(state, worker)
    _tell(state, changes, worker, now_ms, "worker.terminating", reason.text, actor, reason)


def machine_gone(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    """The provider holds its machine no more. Of a spot machine that says that there is little spot there now."""
    text, cause = "The machine no longer exists.", Cause.WORKER_LOST
    if worker.spec.spot:
        cause = Cause.PREEMPTED
        text = "The machine no longer exists; it was a spot machine that the provider probably reclaimed."
        offers.failed(state, changes, worker, FailureCause.INTERRUPTED, text, now_ms)
    terminate(state, changes, worker, Reason(kind=ReasonKind.DEAD, text=text), now_ms, cause=cause)


def terminated(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    """The driver says the machine is gone."""
    reason = worker.reason_removed or Reason(kind=ReasonKind.DEAD, text="The machine no longer exists.")
    _end(state, changes, worker, WorkerState.TERMINATED, reason, now_ms)


_JOINED = frozenset({WorkerState.READY, WorkerState.UNHEALTHY, WorkerState.DRAINING})


def tick(state: EngineState, changes: Changes, now_ms: int, beat_s: dict[PoolName, float]) -> None:
    """What time alone brings: boots that take too long, silence, drains whose grace is over."""
    for worker in list(state.workers.values()):
        # The workers of a deleted pool still have to go: the usual times hold for them.
        pool = state.pools.get(worker.spec.pool) or PoolSpec(name=worker.spec.pool)
        if worker.state.in_flight:
            _check_boot(state, changes, worker, pool.lifetime.boot_timeout_s, now_ms)
        elif worker.state in _JOINED and worker.spec.membership.lives_by is LivesBy.EXCHANGE:
            _check_silence(
                state, changes, worker, pool.lifetime.dead_after_s, beat_s.get(pool.name, 10.0), now_ms
            )
        sick = health.look(state, changes, worker, now_ms)
        if sick is not None:
            drain(state, changes, worker, sick, now_ms)
        if worker.state is WorkerState.DRAINING:
            _check_drain(state, changes, worker, pool.lifetime.drain_grace_s, now_ms)


def _check_boot(
    state: EngineState, changes: Changes, worker: WorkerLife, boot_timeout_s: float, now_ms: int
) -> None:
    if now_ms - worker.requested_at_ms - worker.excused_ms > boot_timeout_s * 1000:
        reason = Reason(
            kind=ReasonKind.BOOT_TIMEOUT,
            text=f"Not ready {boot_timeout_s:g} s after the request (boot_timeout).",
            evidence=(("boot_timeout_s", boot_timeout_s),),
        )
        offers.failed(state, changes, worker, FailureCause.BOOT_TIMEOUT, reason.text, now_ms)
        terminate(state, changes, worker, reason, now_ms)


def _check_silence(
    state: EngineState, changes: Changes, worker: WorkerLife, dead_after_s: float, beat_s: float, now_ms: int
) -> None:
    silent_s = (now_ms - (worker.last_seen_at_ms or now_ms)) / 1000
    if silent_s > dead_after_s:
        reason = Reason(
            kind=ReasonKind.DEAD,
            text=f"No heartbeat for {silent_s:.0f} s (dead_after {dead_after_s:g} s).",
            evidence=(("silent_s", round(silent_s, 1)), ("dead_after_s", dead_after_s)),
        )
        terminate(state, changes, worker, reason, now_ms)
    elif silent_s > SUSPECT_AFTER_BEATS * beat_s and worker.state is WorkerState.READY:
        suspect(state, changes, worker, f"No heartbeat for {silent_s:.0f} s: no new work.", now_ms)


def suspect(state: EngineState, changes: Changes, worker: WorkerLife, text: str, now_ms: int) -> None:
    """No new work until it is heard of again."""
    if worker.state is WorkerState.READY:
        worker.state = WorkerState.UNHEALTHY
        _changed(state, worker)
        _tell(state, changes, worker, now_ms, "worker.unhealthy", text)


def _check_drain(
    state: EngineState, changes: Changes, worker: WorkerLife, grace_s: float, now_ms: int
) -> None:
    reason = worker.reason_removed or Reason(kind=ReasonKind.BY_HAND, text="Drained.")
    drains_ms = now_ms - (worker.draining_at_ms or now_ms) - worker.excused_ms
    overdue = drains_ms > grace_s * 1000
    if not worker.live or overdue:
        terminate(state, changes, worker, reason, now_ms, cause=Cause.DRAINED)


def _end(
    state: EngineState, changes: Changes, worker: WorkerLife, final: WorkerState, reason: Reason, now_ms: int
) -> None:
    lost = f"Worker {worker.spec.name} no longer exists."
    for attempt in list(worker.live.values()):
        lose(state, changes, attempt, Cause.WORKER_LOST, lost, now_ms)
    worker.state = final
    worker.ended_at_ms = now_ms
    worker.reason_removed = reason
    pool = worker.spec.pool
    used = machine_usage(worker, now_ms)
    if used is not None:
        changes.usage.append(used)
    if pool not in state.pools:
        state.history.pop(pool, None)
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
