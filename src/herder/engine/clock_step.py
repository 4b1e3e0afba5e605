"""Moves all times when the wall clock was set, or when the server was suspended.

Called by `control/recovery/clock_watch.py`, and at a start by `control/recovery/recover.py`. Everything that lives remembers when things happened, and its age is what decides over it and
what it costs; so when the wall clock is set, every such time moves with it, and all ages stay what they were. What has ended is
history and stays as it was written.
"""

from dataclasses import replace

from herder.engine.attempts.attempt import moved
from herder.engine.jobs import backoff
from herder.engine.memory import worker_repair
from herder.engine.memory.create_history import CreateHistory
from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.memory.totals import USE_SAMPLED
from herder.engine.workers import creation, offers
from herder.model.stored.changes import Changes
from herder.model.stored.records import TotalRecord


def clock_set(state: EngineState, changes: Changes, by_ms: int) -> None:
    """The wall clock is now `by_ms` later than it was (earlier, if negative)."""
    for worker in state.workers.values():
        _move_worker(worker, by_ms)
        state.dirty_workers[worker.spec.name] = worker
    for attempt in state.live.values():
        moved(changes, attempt, by_ms)
    if state.use_sampled_ms:
        state.use_sampled_ms += by_ms
        changes.put(TotalRecord(USE_SAMPLED, str(state.use_sampled_ms)))
    for queue in state.queues.values():
        queue.move(by_ms)
    backoff.clock_set(state, changes, by_ms)
    state.failed_lately.clock_set(by_ms)
    for batch in state.batches.values():
        batch.created_at_ms += by_ms
        if batch.keeping is not None:
            batch.keeping.move(by_ms)
        batch.committed_at_ms = _moved(batch.committed_at_ms, by_ms)
        state.dirty_batches[batch.id] = batch
    for held in state.held_jobs.values():
        held.ready_at_ms += by_ms
    for history in state.history.values():
        _move_history(history, by_ms)
    offers.clock_set(state, changes, by_ms)
    state.readings.update(
        {key: replace(each, at_ms=_moved(each.at_ms, by_ms)) for key, each in state.readings.items()}
    )
    state.stirred_queues.update(state.queues)
    state.fresh_demand = True


def went_back(state: EngineState, changes: Changes, by_ms: int, now_ms: int) -> None:
    """While no server ran: what lives is as old as it was when we last saw it. The event is also what the next start compares with."""
    clock_set(state, changes, -by_ms)
    text = f"The clock of this machine was set back by {by_ms / 1000:.0f} s while no server ran. Ages and costs are not affected."
    record_event(state, changes, now_ms, "server.clock_set", "server", text)


def server_was_away(state: EngineState, away_ms: int, now_ms: int) -> None:
    """The server itself did nothing for so long: it must count for no worker's silence, boot or drain. What has happened since it is back
    is younger than that, and nothing is moved beyond `now_ms`: a time in the future would look like a clock that was set back."""
    for worker in state.workers.values():
        age_ms = now_ms - _judged_from_ms(worker)
        worker.excused_ms = max(worker.excused_ms, min(worker.excused_ms + away_ms, age_ms))
        if worker.creation is not None:
            worker.creation = worker.creation.excused(away_ms, now_ms)
        if worker.last_seen_at_ms is not None:
            worker.last_seen_at_ms = max(
                worker.last_seen_at_ms, min(worker.last_seen_at_ms + away_ms, now_ms)
            )
        worker_repair.move(worker.health, away_ms, now_ms)


def begin_anew(state: EngineState, now_ms: int) -> None:
    """After a start: the deadlines of boots and drains run from now on. While no server ran, no worker could meet one."""
    for worker in state.workers.values():
        worker.excused_ms = now_ms - _judged_from_ms(worker)
        if worker.creation is not None:
            worker.creation = replace(worker.creation, since_ms=max(now_ms, worker.creation.since_ms))
        if worker.last_seen_at_ms is not None:
            worker.last_seen_at_ms = now_ms


def _judged_from_ms(worker: WorkerLife) -> int:
    """From when the time of its boot, or of its drain, is counted."""
    drains = worker.drain is not None and not worker.state.in_flight
    return worker.drain.since_ms if worker.drain is not None and drains else creation.boot_from_ms(worker)


def latest_ms(state: EngineState) -> int:
    """The latest moment that something alive remembers: the clock must have shown it."""
    times = [worker.last_seen_at_ms or worker.requested_at_ms for worker in state.workers.values()]
    times += [worker.ready_at_ms or worker.requested_at_ms for worker in state.workers.values()]
    times += [attempt.assigned_at_ms for attempt in state.live.values()]
    return max(times, default=0)


def _move_worker(worker: WorkerLife, by_ms: int) -> None:
    worker.requested_at_ms += by_ms
    worker.provisioned_at_ms = _moved(worker.provisioned_at_ms, by_ms)
    worker.ready_at_ms = _moved(worker.ready_at_ms, by_ms)
    worker.draining_at_ms = _moved(worker.draining_at_ms, by_ms)
    worker.drain = None if worker.drain is None else worker.drain.moved(by_ms)
    worker.creation = None if worker.creation is None else worker.creation.moved(by_ms)
    worker.last_seen_at_ms = _moved(worker.last_seen_at_ms, by_ms)
    worker.idle_since_ms = _moved(worker.idle_since_ms, by_ms)
    worker.expires_at_ms = _moved(worker.expires_at_ms, by_ms)  # it is to live as long as it was told
    worker.warned_expiry_ms = _moved(worker.warned_expiry_ms, by_ms)
    worker.expired_ms = _moved(worker.expired_ms, by_ms)
    worker_repair.move(worker.health, by_ms)
    worker.faulty_since_ms += by_ms if worker.faulty_since_ms else 0
    worker.probe_at_ms = _moved(worker.probe_at_ms, by_ms)
    if worker.use is not None:
        worker.use = replace(worker.use, at_ms=worker.use.at_ms + by_ms)
    worker.seen = None


def _move_history(history: CreateHistory, by_ms: int) -> None:
    history.last_grown_at_ms = _moved(history.last_grown_at_ms, by_ms)
    history.last_shrunk_at_ms = _moved(history.last_shrunk_at_ms, by_ms)
    history.repairs_ms = {name: at_ms + by_ms for name, at_ms in history.repairs_ms.items()}
    history.removals_ms = [at_ms + by_ms for at_ms in history.removals_ms]
    history.pressed_since_ms = {what: at_ms + by_ms for what, at_ms in history.pressed_since_ms.items()}
    history.rises = {
        template: replace(
            rises,
            lows=tuple((at_ms + by_ms, need) for at_ms, need in rises.lows),
            last_ms=tuple(at_ms + by_ms for at_ms in rises.last_ms),
        )
        for template, rises in history.rises.items()
    }


def _moved(at_ms: int | None, by_ms: int) -> int | None:
    return None if at_ms is None else at_ms + by_ms
