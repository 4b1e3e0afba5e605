"""The steps of a creation: which one a worker is in, since when, and what happens when one takes too long.

Called by `worker.py` with what the driver says, and by `deadlines.py`. The time-outs are the pool's (`model/fleet/creation.py`); a step
that the driver does not report apart gives its time to the one before. A creation that failed in time costs no user anything: attempts
cost, and it had none. Its machine is a cost of the pool from when it ran.
"""

from dataclasses import replace

from herder.engine.memory.create_history import CreateHistory
from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.workers import offers
from herder.engine.workers.bootstraps import configuring_text
from herder.model.fleet.creation import Creation, Step, part_of, running_step
from herder.model.fleet.driver import Machine, Phase
from herder.model.fleet.membership import LivesBy
from herder.model.fleet.offer import FailureCause
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause, counted, listed, sentences

#: Before the machine runs, the failure is the driver's; afterwards it is the machine's, whose next success is a boot.
_OF_DRIVER = (WorkerState.REQUESTED, WorkerState.PROVISIONING)


def steps_of(state: EngineState, worker: WorkerLife) -> tuple[Step, ...]:
    return state.driver_steps.get(worker.spec.driver, (Step.CREATE,))


def creation_of(worker: WorkerLife) -> Creation:
    """Of one that is in flight. Rows of earlier versions do not say it: their creation counts from the request."""
    if worker.creation is not None:
        return worker.creation
    step = {WorkerState.REQUESTED: Step.CLAIM, WorkerState.JOINING: Step.BOOT}.get(worker.state, Step.CREATE)
    asked_ms = worker.requested_at_ms
    return Creation(step=step, since_ms=asked_ms, begun_ms=None if step is Step.CLAIM else asked_ms)


def begin(worker: WorkerLife, now_ms: int) -> None:
    """Its turn has come. The time in which it waited does not count for the boot."""
    worker.creation = Creation(step=Step.CREATE, since_ms=now_ms, begun_ms=now_ms)
    worker.excused_ms = 0


def boot_from_ms(worker: WorkerLife) -> int:
    """From when its boot is counted: how long it waited for its turn says nothing of the next one."""
    begun_ms = None if worker.creation is None else worker.creation.begun_ms
    return worker.requested_at_ms if begun_ms is None else begun_ms


def in_step(state: EngineState, worker: WorkerLife, machine: Machine, now_ms: int) -> None:
    """What the driver said of a machine that it makes."""
    if worker.state is WorkerState.PROVISIONING and machine.phase is Phase.CREATING:
        known = machine.step in steps_of(state, worker)
        step = machine.step if known and machine.step is not None else Step.CREATE
        worker.creation = creation_of(worker).at(step, now_ms)


def runs(state: EngineState, worker: WorkerLife, now_ms: int) -> None:
    worker.creation = creation_of(worker).at(running_step(steps_of(state, worker)), now_ms)


def tried(state: EngineState, worker: WorkerLife, next_ms: int) -> int:
    """A call of `create` has failed and is tried again then. Answers how many have."""
    creation = creation_of(worker)
    if worker.state is not WorkerState.PROVISIONING:
        return creation.tries  # it has joined meanwhile, or is to go
    worker.creation = replace(creation, since_ms=next_ms, tries=creation.tries + 1)
    state.dirty_workers[worker.spec.name] = worker
    return creation.tries + 1


def under_way(worker: WorkerLife) -> bool:
    """Whether its driver may be making its machine now, wanted or not."""
    if worker.state is WorkerState.PROVISIONING:
        return True
    begun = worker.creation is not None and worker.creation.begun_ms is not None
    return begun and worker.state is WorkerState.TERMINATING and worker.phase in ("", Phase.CREATING.value)


def overdue(state: EngineState, worker: WorkerLife, pool: PoolSpec, now_ms: int) -> Reason | None:
    """Why its creation is over; None while it has time."""
    creation, name = creation_of(worker), worker.spec.name
    if creation.begun_ms is not None:
        total_s = pool.lifetime.boot_timeout_s
        if creation.step is Step.DEVICE_PLUGIN:
            total_s += pool.lifetime.steps.device_plugin_s
        if now_ms - creation.begun_ms - worker.excused_ms > total_s * 1000:
            return Reason(
                kind=ReasonKind.BOOT_TIMEOUT,
                text=f"{name} was not ready within {total_s:g} s (boot_timeout).",
                evidence=(("boot_timeout_s", total_s), ("step", creation.step.value)),
            )
    node = worker.spec.membership.lives_by is LivesBy.NODE
    parts = part_of(creation.step, steps_of(state, worker), node=node)
    limit_s = sum(pool.lifetime.steps.of(each) for each in parts)
    if now_ms - creation.since_ms <= limit_s * 1000:
        return None
    text = sentences(
        f"{name} did not finish step {creation.step} within {limit_s:g} s",
        configuring_text(state, worker),
        _of_node(worker),
    )
    if len(parts) > 1:
        together = listed([each.value for each in parts])
        text = sentences(text, f"Driver {worker.spec.driver} does not report {together} apart")
    if creation.step is Step.CLAIM:
        text = f"{name} waited for its turn at driver {worker.spec.driver} for {limit_s:g} s (step claim)."
    kind = ReasonKind.CREATE_FAILED if worker.state in _OF_DRIVER else ReasonKind.BOOT_TIMEOUT
    return Reason(kind=kind, text=text, evidence=(("step", creation.step.value), ("step_timeout_s", limit_s)))


def _of_node(worker: WorkerLife) -> str:
    """What its cluster says of it."""
    seen = None if worker.node is None else worker.node.seen
    if seen is None:
        return ""
    if not seen.ready:
        return f"Its node {seen.name} is not ready: {clause(seen.text) or 'its kubelet is silent'}"
    if seen.held_by:
        return f"Its node {seen.name} still has the taint {seen.held_by}"
    wanted = worker.spec.allocatable.gpu
    if seen.allocatable.gpu < wanted:
        have = f"{seen.allocatable.gpu} of {counted(wanted, 'GPU')}"
        return f"Its node {seen.name} shows {have}. Check the device plugin of its GPUs"
    return ""


def look(
    state: EngineState, changes: Changes, worker: WorkerLife, pool: PoolSpec, now_ms: int
) -> Reason | None:
    """Why the worker is to go; None while its creation has time."""
    reason = overdue(state, worker, pool, now_ms)
    if reason is None:
        _alert(state, changes, worker, pool.lifetime.provision_alert_s, now_ms)
        return None
    cause = FailureCause.STEP_TIMEOUT if worker.state in _OF_DRIVER else FailureCause.BOOT_TIMEOUT
    offers.failed(state, changes, worker, cause, reason.text, now_ms)
    _count(state, worker, cause, reason.text)
    return replace(reason, evidence=(*reason.evidence, ("cause", cause.value)))


def failure(state: EngineState, worker: WorkerLife, text: str, cause: FailureCause) -> Reason:
    """The reason of a creation that the driver has failed in; it is counted."""
    _count(state, worker, cause, text)
    evidence = (("cause", cause.value), ("step", creation_of(worker).step.value))
    return Reason(kind=ReasonKind.CREATE_FAILED, text=text, evidence=evidence)


def _count(state: EngineState, worker: WorkerLife, cause: FailureCause, text: str) -> None:
    state.last_creation_failure[worker.spec.pool] = text
    state.creation_failures[worker.spec.pool, cause.value, creation_of(worker).step.value] += 1
    state.history.setdefault(worker.spec.pool, CreateHistory()).failures_in_row += 1


def _alert(state: EngineState, changes: Changes, worker: WorkerLife, alert_s: float, now_ms: int) -> None:
    creation = creation_of(worker)
    if not alert_s or creation.alerted or creation.begun_ms is None:
        return
    took_ms = now_ms - creation.begun_ms - worker.excused_ms
    if took_ms <= alert_s * 1000:
        return
    worker.creation = replace(creation, alerted=True)
    state.dirty_workers[worker.spec.name] = worker
    text = (
        f"The creation of {worker.spec.name} has taken more than {alert_s:g} s (provision_alert). It is in step {creation.step}. "
        f"Run `herder driver get {worker.spec.driver}` to see what its driver does."
    )
    data: dict[str, object] = {"pool": worker.spec.pool, "step": creation.step.value}
    record_event(
        state, changes, now_ms, "worker.creation_slow", f"worker/{worker.spec.name}", text, data=data
    )
