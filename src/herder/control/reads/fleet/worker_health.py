"""The view of a worker's health, and what `why worker` says of its repair. From the engine's memory; it changes nothing."""

from herder.control.kernel.bootstrap_notes import BootstrapNotes, SystemNote
from herder.control.kernel.bounds.errors import NotKnown
from herder.control.kernel.core import Core
from herder.engine.attempts.worker_health import health_of
from herder.engine.memory.state import WorkerLife, pool_of
from herder.engine.memory.worker_repair import RepairLife
from herder.engine.workers.bootstraps import configuring_text
from herder.engine.workers.draining.drain_texts import blocked_text
from herder.engine.workers.repairs import breaker
from herder.engine.workers.repairs.ladder import NextRung, active, next_rungs
from herder.engine.workers.repairs.repair import available, waits_text
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.repair import COUNTED, Rung
from herder.model.ids import WorkerName
from herder.model.values.phrases import counted, sentence, sentences
from herder.model.values.times import iso, iso_or_none, span
from herder.wire.api.health import (
    BreakerView,
    ConditionView,
    NextRungView,
    RepairView,
    SystemView,
    WorkerHealthView,
)
from herder.wire.api.resources import ReasonView


def worker_health_view(core: Core, name: str) -> WorkerHealthView:
    """Of a live worker. Raises NotKnown."""
    worker = core.state.workers.get(WorkerName(name))
    if worker is None:
        raise NotKnown(
            f"There is no live worker {name!r}.", hint="`herder worker list` shows the live workers."
        )
    now_ms, pool = core.clock.now_ms(), pool_of(core.state, worker)
    health, reason = health_of(worker, now_ms)
    known, at_ms = worker.health, worker.health.quarantined_at_ms
    until_ms = None if at_ms is None else at_ms + int(pool.repair.quarantine_age_s * 1000)
    return WorkerHealthView(
        worker=worker.spec.name,
        pool=worker.spec.pool,
        state=worker.state.value,
        health="" if health is None else health.value,
        reason=reason,
        conditions=[
            ConditionView(
                condition=condition.value,
                source=source,
                since=iso(seen.since_ms),
                last_seen=iso(seen.last_seen_ms),
                count=seen.count,
                message=sentence(seen.message),
            )
            for (source, condition), seen in known.conditions.items()
        ],
        repair=None if known.repair is None else _repair(known.repair, pool),
        next=[_next(each) for each in coming(core, worker, pool, now_ms)],
        held=_held(core, worker, now_ms),
        breaker=_breaker(core, worker, pool, now_ms),
        quarantined_at=iso_or_none(at_ms),
        quarantined_until=iso_or_none(until_ms),
        system=_system(core, worker),
    )


def _system(core: Core, worker: WorkerLife) -> SystemView | None:
    name = worker.spec.bootstrap
    if not name:
        return None
    notes = core.bootstrap_notes.get(name) or BootstrapNotes()
    note = notes.systems.get(worker.spec.name) or SystemNote()
    seen, waits = note.seen, configuring_text(core.state, worker)
    trouble = note.trouble or waits
    return SystemView(
        bootstrap=name,
        stage="" if seen is None else seen.stage.value,
        ready=None if seen is None or note.trouble else seen.ready,
        version="" if seen is None else seen.version,
        text="" if seen is None else sentence(seen.text),
        seen_at=iso_or_none(note.seen_at_ms),
        trouble=sentence(trouble) if trouble else "",
    )


def repair_facts(core: Core, name: str) -> list[ReasonView]:
    """What is wrong with a live worker now, and what comes next or is held back."""
    worker = core.state.workers.get(WorkerName(name))
    if worker is None:
        return []
    now_ms, pool, known = core.clock.now_ms(), pool_of(core.state, worker), worker.health
    texts = []
    for condition, seen in active(known).items():
        often = f", {counted(seen.count, 'time')}" if condition in COUNTED else ""
        lasted = f"It has had condition {condition} for {span(now_ms - seen.since_ms)}{often}"
        texts.append(sentences(lasted, sentence(seen.message)))
    held = _held(core, worker, now_ms)
    if held:
        texts.append(held)
    else:
        texts += [_coming_text(each, now_ms) for each in coming(core, worker, pool, now_ms)[:1]]
    return [ReasonView(kind="health", text=text) for text in texts]


def _held(core: Core, worker: WorkerLife, now_ms: int) -> str:
    """Why the rung that is due is not carried out, or does not go on."""
    waits = waits_text(worker, now_ms)
    drain, repair = worker.drain, worker.health.repair
    if not waits and worker.state.leaving and repair is not None and repair.rung is Rung.REPLACE:
        waits = (
            "" if drain is None or drain.blocked_at_ms is None else blocked_text(core.state, worker, now_ms)
        )
    return worker.health.held or waits


def coming(core: Core, worker: WorkerLife, pool: PoolSpec, now_ms: int) -> list[NextRung]:
    """Nothing while a rung is being carried out, nor for a worker that leaves or is kept for inspection."""
    known = worker.health
    under_way = known.repair is not None and known.repair.under_way
    if under_way or known.quarantined_at_ms is not None or worker.state.leaving:
        return []
    return next_rungs(pool.repair, known, available(core.state, worker), now_ms)


def _coming_text(found: NextRung, now_ms: int) -> str:
    if found.at_ms is None:
        return f"Next repair: {found.rung}, when {found.condition} has been counted {counted(found.count, 'time')}."
    return f"Next repair: {found.rung} in {span(max(0, found.at_ms - now_ms))}, if {found.condition} lasts."


def _repair(repair: RepairLife, pool: PoolSpec) -> RepairView:
    return RepairView(
        condition=repair.condition.value,
        rung=repair.rung.value,
        step=repair.step.value,
        since=iso(repair.since_ms),
        acted_at=iso_or_none(repair.acted_at_ms),
        result=repair.result,
        tries=repair.tries,
        tries_max=pool.repair.tries,
        escalated=repair.escalated,
        well_since=iso_or_none(repair.well_since_ms),
    )


def _next(found: NextRung) -> NextRungView:
    return NextRungView(
        condition=found.condition.value,
        rung=found.rung.value,
        at=iso_or_none(found.at_ms),
        count=found.count,
        skipped=[each.value for each in found.skipped],
    )


def _breaker(core: Core, worker: WorkerLife, pool: PoolSpec, now_ms: int) -> BreakerView:
    found = breaker.under_repair(core.state, pool, now_ms)
    limit = breaker.limit(core.state, pool)
    return BreakerView(
        open=len(found) >= limit,
        under_repair=sorted(found),
        limit=limit,
        window_s=pool.repair.breaker.window_s,
    )
