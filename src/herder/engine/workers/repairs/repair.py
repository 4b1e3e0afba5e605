"""Repairs workers: begins the rung that is due, follows it until the worker is well, and keeps within the pool's breaker.

`look` is called by `deadlines.py` twice a second for each worker; `acted` after a rung was carried out, by `control/drivers/repairs.py` and
the exchange. A rung is stored as an intent first, so that it continues after a restart. `ladder.py` decides which rung is next. This module
must never call a driver.
"""

from herder.engine.attempts import worker_health
from herder.engine.attempts.attempt import lose
from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.memory.worker_repair import RepairLife, Step
from herder.engine.workers.bootstraps import nothing_can, rungs_of
from herder.engine.workers.draining.drain_texts import ALARM_EVERY_MS, on_blocked
from herder.engine.workers.repairs import breaker, upgrades
from herder.engine.workers.repairs.ladder import NextRung, active, next_rungs
from herder.engine.workers.repairs.node_repair import is_over, may_act, must_be_empty
from herder.engine.workers.worker import drain
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.membership import LivesBy
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.repair import ALWAYS, COUNTED, RESTARTS, Condition, Outcome, Rung
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.values.phrases import agree, counted, listed, sentence, sentences
from herder.model.values.times import span
from herder.model.work.job import Cause

_OPEN = frozenset({WorkerState.READY, WorkerState.UNHEALTHY})
#: A clean-up has failed when the agent does not report it within this time.
CLEAN_UP_MS = 120_000
#: A restart has failed when the old agent still calls after this time.
STILL_THERE_MS = 120_000


def look(state: EngineState, changes: Changes, worker: WorkerLife, pool: PoolSpec, now_ms: int) -> None:
    """What time brings to the repair of a worker."""
    health = worker.health
    if not health.conditions and health.repair is None and health.quarantined_at_ms is None:
        return
    if worker.state not in _OPEN:
        return
    if health.quarantined_at_ms is not None:
        _look_at_quarantined(state, changes, worker, pool, now_ms)
        return
    repair = health.repair
    if repair is not None:
        _follow(state, changes, worker, repair, pool, now_ms)
    if health.repair is None or not health.repair.under_way:
        _climb(state, changes, worker, pool, now_ms)


def available(state: EngineState, worker: WorkerLife) -> frozenset[Rung]:
    """The rungs that can be carried out: by its driver, by its agent unless it is silent, and always replace and escalate."""
    rungs = ALWAYS | rungs_of(state, worker)
    silent = ("server", Condition.NOT_READY) in worker.health.conditions
    return rungs | {Rung.CLEAN_UP} if worker.health.cleans and not silent else rungs


def keeps(state: EngineState, worker: WorkerLife, pool: PoolSpec) -> bool:
    """Whether a silent worker is repaired, or kept for inspection, instead of being replaced at once."""
    if worker.state not in _OPEN or worker.spec.pool not in state.pools:
        return False
    if worker.health.quarantined_at_ms is not None:
        return True
    rungs = {rule.rung for rule in pool.repair.of(Condition.NOT_READY)}
    return bool(rungs & RESTARTS & rungs_of(state, worker))


def lose_attempts(
    state: EngineState, changes: Changes, worker: WorkerLife, text: str, now_ms: int, cause: Cause
) -> None:
    alone = len(worker.live) == 1
    for attempt in list(worker.live.values()):
        lose(state, changes, attempt, cause, text, now_ms, alone=alone)


def needs_person(worker: WorkerLife) -> bool:
    """Whether an escalation was recorded whose condition still holds."""
    repair = worker.health.repair
    if repair is None or worker.state not in _OPEN:
        return False
    lasting = active(worker.health)
    return (repair.escalated and bool(lasting)) or any(
        rung is Rung.ESCALATE and condition in lasting for condition, rung in repair.done
    )


def is_due(worker: WorkerLife) -> bool:
    """Whether its rung is to be carried out now."""
    repair = worker.health.repair
    return repair is not None and repair.step is Step.DUE and worker.state in _OPEN


def wants_clean_up(worker: WorkerLife) -> bool:
    """Whether its agent is to clean up now."""
    repair = worker.health.repair
    return (
        worker.health.cleans
        and repair is not None
        and repair.step is Step.DUE
        and repair.rung is Rung.CLEAN_UP
    )


def acted(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    since_ms: int,
    text: str,
    now_ms: int,
    *,
    done: bool,
) -> None:
    """The rung that began at `since_ms` was carried out or has failed. Late and repeated reports change nothing."""
    repair = worker.health.repair
    if repair is None or repair.step is not Step.DUE or repair.since_ms != since_ms:
        return
    repair.step, repair.acted_at_ms, repair.result = Step.ACTED, now_ms, text
    if done:  # a failed rung needs no time to take effect
        repair.done[repair.condition, repair.rung] = now_ms
    repair.rejoins = repair.rejoins and done
    is_over(worker)
    breaker.count(state, worker, repair.condition, repair.rung, Outcome.DONE if done else Outcome.FAILED)
    kind = "worker.repair_done" if done else "worker.repair_failed"
    _tell(state, changes, worker, now_ms, kind, text)


# --- one rung


def _climb(state: EngineState, changes: Changes, worker: WorkerLife, pool: PoolSpec, now_ms: int) -> None:
    """Begin the strongest rung that is due and may begin. A rung that is held back is reported once."""
    health, held, which = worker.health, "", None
    for found in next_rungs(pool.repair, health, available(state, worker), now_ms):
        if not found.due(now_ms):
            break
        if found.rung is Rung.ESCALATE:
            _escalate(state, changes, worker, found, now_ms)
            break
        why = breaker.held(state, worker, pool, found.rung, now_ms)
        if not why:
            held = ""
            _begin(state, changes, worker, pool, found, now_ms)
            break
        held, which = held or why, which or found
    if held and not health.held and which is not None:
        breaker.count(state, worker, which.condition, which.rung, Outcome.HELD)
        _tell(state, changes, worker, now_ms, "worker.repair_held", held)
    health.held = held


def _begin(
    state: EngineState, changes: Changes, worker: WorkerLife, pool: PoolSpec, found: NextRung, now_ms: int
) -> None:
    repair = _repair_of(worker, found, now_ms)
    repair.condition, repair.rung, repair.since_ms = found.condition, found.rung, now_ms
    repair.acted_at_ms = repair.well_since_ms = repair.blocked_at_ms = repair.alarmed_at_ms = None
    repair.result = ""
    repair.tries += 1
    repair.done[found.condition, found.rung] = now_ms
    worker.health.clean_told = False
    breaker.begun(state, worker, found.rung, now_ms)
    because, skipped = _because(worker, found, now_ms), _skipped(worker, found)
    if found.rung is Rung.REPLACE:
        repair.step, repair.acted_at_ms = Step.ACTED, now_ms
        kept = pool.repair.quarantine > 0
        breaker.count(
            state, worker, found.condition, found.rung, Outcome.QUARANTINED if kept else Outcome.REPLACED
        )
        _replace(state, changes, worker, pool, f"{because}{skipped}", now_ms)
        return
    if worker.state is WorkerState.READY:
        worker.state = WorkerState.UNHEALTHY
    waits = must_be_empty(worker, found.rung)
    repair.step = Step.DRAINING
    drains = ""
    if waits:
        work = "pods" if worker.node is not None else counted(len(worker.live), "attempt")
        drains = f" after its {work}"
    if waits and on_blocked(state, worker) is OnBlocked.FORCE:
        drains += f", in at most {pool.lifetime.drain_grace_s:g} s"
    text = f"Repair of worker {worker.spec.name}: {found.rung}{drains}. {because}{skipped}"
    _tell(state, changes, worker, now_ms, "worker.repairing", text)
    if not waits:
        _due(state, changes, worker, repair)


def _due(state: EngineState, changes: Changes, worker: WorkerLife, repair: RepairLife) -> None:
    repair.step = Step.DUE
    by_exchange = worker.spec.membership.lives_by is LivesBy.EXCHANGE
    repair.rejoins = repair.rung is Rung.UPGRADE or (repair.rung in RESTARTS and by_exchange)
    state.dirty_workers[worker.spec.name] = worker
    changes.wake.add(worker.spec.name)


def _follow(
    state: EngineState, changes: Changes, worker: WorkerLife, repair: RepairLife, pool: PoolSpec, now_ms: int
) -> None:
    if repair.step is Step.DRAINING:
        _follow_drain(state, changes, worker, repair, pool, now_ms)
    elif repair.step is Step.DUE:
        vain = _waits_in_vain(state, worker, repair, now_ms)
        if vain:
            acted(state, changes, worker, repair.since_ms, vain, now_ms, done=False)
    else:
        _verify(state, changes, worker, repair, pool, now_ms)


def _follow_drain(
    state: EngineState, changes: Changes, worker: WorkerLife, repair: RepairLife, pool: PoolSpec, now_ms: int
) -> None:
    """At its deadline the pool's `on_blocked` holds, as for every drain: attempts are ended, or the repair waits for them."""
    late = now_ms - repair.since_ms > pool.lifetime.drain_grace_s * 1000
    if late and on_blocked(state, worker) is OnBlocked.FORCE:
        text = f"Worker {worker.spec.name} is repaired: {repair.rung}."
        lose_attempts(state, changes, worker, text, now_ms, Cause.DRAINED)
    if may_act(worker, late=late, forced=on_blocked(state, worker) is OnBlocked.FORCE):
        repair.blocked_at_ms = None
        _due(state, changes, worker, repair)
    elif late and not any(pool.repair.repairs(condition) for condition in active(worker.health)):
        repair.step, repair.acted_at_ms, repair.blocked_at_ms = Step.ACTED, now_ms, None
        repair.tries -= 1
        is_over(worker)
        repair.result = f"Worker {worker.spec.name} is well again, so {repair.rung} is not carried out."
        breaker.count(state, worker, repair.condition, repair.rung, Outcome.UNNECESSARY)
        _tell(state, changes, worker, now_ms, "worker.repair_done", repair.result)
    elif late and (repair.alarmed_at_ms is None or now_ms - repair.alarmed_at_ms >= ALARM_EVERY_MS):
        if repair.blocked_at_ms is None:
            breaker.count(state, worker, repair.condition, repair.rung, Outcome.BLOCKED)
        repair.blocked_at_ms, repair.alarmed_at_ms = repair.blocked_at_ms or now_ms, now_ms
        _tell(state, changes, worker, now_ms, "worker.drain_blocked", waits_text(worker, now_ms))


def waits_text(worker: WorkerLife, now_ms: int) -> str:
    """Why a repair waits beyond the deadline of its drain; empty when it does not."""
    name, repair, count = worker.spec.name, worker.health.repair, worker.busy
    if repair is None or repair.blocked_at_ms is None or worker.state not in _OPEN:
        return ""
    noun = "attempt" if worker.node is None else "pod"
    return (
        f"The repair of worker {name} ({repair.rung}) has been waiting for {span(now_ms - repair.since_ms)}: the deadline of its drain has "
        f"passed, and {counted(count, noun)} still {agree(count, 'runs', 'run')} (on_blocked: wait). To end "
        f"{agree(count, 'it', 'them')}, set on_blocked: force, or remove the worker with `herder worker remove {name} --force`."
    )


def _waits_in_vain(state: EngineState, worker: WorkerLife, repair: RepairLife, now_ms: int) -> str:
    """Why the rung that is due will not be carried out, as a sentence; empty when it may be."""
    name, driver = worker.spec.name, worker.spec.driver
    able = repair.rung in rungs_of(state, worker)
    if repair.rung in RESTARTS:
        return "" if able else f"Driver {driver} has no {repair.rung} since its settings changed."
    if (able and not worker.health.cleans) or now_ms - repair.since_ms <= CLEAN_UP_MS:
        return ""
    return f"The agent of {name} did not answer within {CLEAN_UP_MS // 1000} s."


def _verify(
    state: EngineState, changes: Changes, worker: WorkerLife, repair: RepairLife, pool: PoolSpec, now_ms: int
) -> None:
    """Its tries are forgotten when it has been well for the cooldown."""
    acted_ms, seen_ms = repair.acted_at_ms or repair.since_ms, worker.last_seen_at_ms or 0
    if upgrades.awaited(worker):
        upgrades.follow(state, worker, now_ms)
    elif repair.rejoins and seen_ms - acted_ms > STILL_THERE_MS:
        repair.rejoins = False
        repair.result += f" It was still heard from {STILL_THERE_MS // 1000} s later."
        state.dirty_workers[worker.spec.name] = worker
    if repair.rejoins or any(pool.repair.repairs(condition) for condition in active(worker.health)):
        if repair.well_since_ms is not None:
            repair.well_since_ms = None
            state.dirty_workers[worker.spec.name] = worker
    elif repair.well_since_ms is None:
        repair.well_since_ms = now_ms
        state.dirty_workers[worker.spec.name] = worker
        if repair.tries:
            breaker.count(state, worker, repair.condition, repair.rung, Outcome.RECOVERED)
            text = f"Worker {worker.spec.name} is well {span(now_ms - acted_ms)} after {repair.rung}."
            _tell(state, changes, worker, now_ms, "worker.repaired", text)
    elif now_ms - repair.well_since_ms >= pool.repair.cooldown_s * 1000:
        _forget(state, worker, repair)


def _forget(state: EngineState, worker: WorkerLife, repair: RepairLife) -> None:
    """Start again at the first rung. Escalations whose condition still holds are kept, so that they are not repeated."""
    lasting = active(worker.health)
    told = {key: at for key, at in repair.done.items() if key[1] is Rung.ESCALATE and key[0] in lasting}
    if told == repair.done and not repair.tries and told:
        return
    repair.tries, repair.done, repair.escalated = 0, told, False
    if not told:
        worker.health.repair = None
    state.dirty_workers[worker.spec.name] = worker


def _escalate(state: EngineState, changes: Changes, worker: WorkerLife, found: NextRung, now_ms: int) -> None:
    repair, why = _repair_of(worker, found, now_ms), f" It is not repaired: {found.why}." if found.why else ""
    repair.escalated = repair.escalated or bool(found.why)
    if not found.why:
        repair.done[found.condition, Rung.ESCALATE] = now_ms
    breaker.count(state, worker, found.condition, Rung.ESCALATE, Outcome.ESCALATED)
    text = f"Worker {worker.spec.name} needs a person. {_because(worker, found, now_ms)}{_skipped(worker, found)}{why}"
    _tell(state, changes, worker, now_ms, "worker.escalated", text)


def _repair_of(worker: WorkerLife, found: NextRung, now_ms: int) -> RepairLife:
    repair = worker.health.repair
    if repair is None:
        repair = worker.health.repair = RepairLife(
            condition=found.condition, rung=found.rung, step=Step.ACTED, since_ms=now_ms
        )
    return repair


def _because(worker: WorkerLife, found: NextRung, now_ms: int) -> str:
    seen, name = active(worker.health)[found.condition], worker.spec.name
    if found.condition in COUNTED:
        return sentences(
            f"Worker {name} has condition {found.condition} ({counted(seen.count, 'time')})",
            sentence(seen.message),
        )
    lasted = span(now_ms - seen.since_ms)
    return sentences(
        f"Worker {name} has had condition {found.condition} for {lasted}", sentence(seen.message)
    )


def _skipped(worker: WorkerLife, found: NextRung) -> str:
    if not found.skipped:
        return ""
    return f" Skipped: {listed(list(map(str, found.skipped)), 'and')}, which {nothing_can(worker)} do."


# --- replacing, and keeping for inspection


def _replace(
    state: EngineState, changes: Changes, worker: WorkerLife, pool: PoolSpec, because: str, now_ms: int
) -> None:
    if pool.repair.quarantine > 0:
        _quarantine(state, changes, worker, pool, because, now_ms)
        return
    drain(state, changes, worker, Reason(kind=ReasonKind.UNHEALTHY, text=because), now_ms)


def _quarantine(
    state: EngineState, changes: Changes, worker: WorkerLife, pool: PoolSpec, because: str, now_ms: int
) -> None:
    name, age = worker.spec.name, span(int(pool.repair.quarantine_age_s * 1000))
    worker.health.quarantined_at_ms, worker.cordoned = now_ms, True
    worker.state = WorkerState.UNHEALTHY
    worker_health.forget(worker)
    state.fleet_version += 1
    text = (
        f"{because} Worker {name} is kept for inspection instead of being replaced (quarantine), for at most {age}. "
        f"Release it with `herder worker uncordon {name}`, or remove it with `herder worker remove {name}`."
    )
    _tell(state, changes, worker, now_ms, "worker.quarantined", text)


def _look_at_quarantined(
    state: EngineState, changes: Changes, worker: WorkerLife, pool: PoolSpec, now_ms: int
) -> None:
    """Remove the worker when more than `quarantine` newer ones are kept, or after `quarantine_age`."""
    since_ms, most = worker.health.quarantined_at_ms or now_ms, pool.repair.quarantine
    late = now_ms - since_ms > pool.lifetime.drain_grace_s * 1000
    if late and on_blocked(state, worker) is OnBlocked.FORCE:
        text = f"Worker {worker.spec.name} is kept for inspection."
        lose_attempts(state, changes, worker, text, now_ms, Cause.DRAINED)
    newer = sum(
        other.spec.pool == worker.spec.pool
        and other.state in _OPEN
        and other.health.quarantined_at_ms is not None
        and (other.health.quarantined_at_ms, other.spec.name) > (since_ms, worker.spec.name)
        for other in state.workers.values()
    )
    kept = f"Worker {worker.spec.name} was kept for inspection for {span(now_ms - since_ms)}"
    if newer >= most:
        text = f"{kept}, and quarantine of pool {pool.name} is {most}."
    elif now_ms - since_ms >= pool.repair.quarantine_age_s * 1000:
        text = f"{kept} (quarantine_age)."
    else:
        return
    drain(state, changes, worker, Reason(kind=ReasonKind.UNHEALTHY, text=text), now_ms)


def _tell(
    state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int, kind: str, text: str
) -> None:
    state.dirty_workers[worker.spec.name] = worker
    data: dict[str, object] = {"pool": worker.spec.pool, "state": worker.state.value}
    repair = worker.health.repair
    if repair is not None:
        data |= {"condition": repair.condition.value, "rung": repair.rung.value, "tries": repair.tries}
    record_event(state, changes, now_ms, kind, f"worker/{worker.spec.name}", text, data=data)
