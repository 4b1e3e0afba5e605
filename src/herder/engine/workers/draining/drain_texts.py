"""What people are told of a drain: its word in lists, its deadline, how far it is, and what blocks it.

Used by the events of `drains.py` and by `control/reads/`. Users' names are left out unless the reader may see other users' jobs. It
changes nothing.
"""

from herder.engine.memory.state import EngineState, LiveAttempt, WorkerLife, pool_of
from herder.engine.workers.cluster.node_texts import progress as node_progress
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.worker import WorkerState
from herder.model.values.phrases import agree, counted, listed
from herder.model.values.times import span

#: Jobs that a sentence names.
JOBS_NAMED_MAX = 5
#: Attempts that are given more time because the server was away end so long before their machine is taken back: they are still reported.
REPORT_MS = 5_000
#: A drain or a repair that stays blocked is recorded as an event again after this time.
ALARM_EVERY_MS = 3_600_000
#: Longer than any limit.
NEVER_MS = 2**62


def on_blocked(state: EngineState, worker: WorkerLife) -> OnBlocked:
    """The rule of its pool; of a deleted one the default. A machine that is taken back does not wait."""
    return OnBlocked.FORCE if worker.health.interrupted else pool_of(state, worker).lifetime.on_blocked


def drain_word(state: EngineState, worker: WorkerLife) -> str:
    """`draining`, `blocked` or `drained`; empty without a drain. A removal is blocked by a driver that is frozen."""
    if worker.state is WorkerState.TERMINATING:
        return "blocked" if worker.spec.driver in state.frozen_drivers else ""
    if worker.drain is None:
        return ""
    if worker.drain.empty_at_ms is not None:
        return "drained"
    return "draining" if worker.drain.blocked_at_ms is None else "blocked"


def is_blocked(worker: WorkerLife) -> bool:
    """Whether its drain, or that of its repair, waits for attempts beyond its deadline."""
    repair = worker.health.repair
    if worker.drain is not None and worker.drain.blocked_at_ms is not None:
        return True
    return repair is not None and repair.blocked_at_ms is not None and not worker.state.leaving


def until_ms(worker: WorkerLife) -> int | None:
    """Until when attempts may run on it. A provider that takes its machine back does not wait for a server that was away."""
    drain, notice = worker.drain, worker.health.notice
    if drain is None:
        return None
    excused_ms = drain.deadline_ms + worker.excused_ms
    if notice is None or not worker.health.interrupted:
        return excused_ms
    return max(drain.deadline_ms, min(excused_ms, notice.at_ms - REPORT_MS))


def progress_text(state: EngineState, worker: WorkerLife, now_ms: int, *, with_users: bool = False) -> str:
    """How far the drain is, in sentences. `with_users`: whose the jobs are, for those who may see them."""
    text = _progress(state, worker, now_ms, with_users)
    notice = worker.health.notice
    if text and notice is not None and worker.health.interrupted:
        left_ms = notice.at_ms - now_ms
        when = f"takes its machine back in {span(left_ms)}"
        if left_ms <= 0:
            when = f"should have taken its machine back {span(-left_ms)} ago"
        text = f"The provider {when} (announced by its {notice.source}). {text}"
    return text


def _progress(state: EngineState, worker: WorkerLife, now_ms: int, with_users: bool) -> str:
    name, drain = worker.spec.name, worker.drain
    if worker.state is WorkerState.TERMINATING:
        return _removal_text(state, worker)
    if drain is None:
        return ""
    if drain.empty_at_ms is not None:
        return f"Worker {name} is drained: nothing runs on it. It stays, and costs, until it is uncordoned or removed."
    if worker.node is not None:
        return node_progress(state, worker, now_ms, until_ms(worker))
    if drain.blocked_at_ms is not None:
        return blocked_text(state, worker, now_ms, with_users=with_users)
    ended = max(0, drain.attempts - len(worker.live))
    done = f"{ended:,} of {counted(drain.attempts, 'attempt')} {agree(drain.attempts, 'has', 'have')} ended"
    if not worker.live:
        return f"Worker {name} is being drained: {done}."
    limits = [(_most_ms(state, worker, attempt, now_ms), attempt) for attempt in worker.live.values()]
    most_ms, last = max(limits, key=lambda each: (NEVER_MS if each[0] is None else each[0], each[1].job))
    job = _job(state, last, with_users)
    left = "without a time limit" if most_ms is None else f"for {span(most_ms)} more at most"
    return f"Worker {name} is being drained: {done}, and {job} runs {left}."


def blocked_text(state: EngineState, worker: WorkerLife, now_ms: int, *, with_users: bool = False) -> str:
    if worker.node is not None:
        return node_progress(state, worker, now_ms, until_ms(worker))
    name, late_ms = worker.spec.name, now_ms - (until_ms(worker) or now_ms)
    attempts = sorted(worker.live.values(), key=lambda attempt: attempt.job)
    jobs = [_blocker(state, attempt, now_ms, with_users) for attempt in attempts[:JOBS_NAMED_MAX]]
    if len(attempts) > JOBS_NAMED_MAX:
        jobs.append(f"{len(attempts) - JOBS_NAMED_MAX:,} more")
    keeps = worker.drain is not None and worker.drain.keep
    verb = "drain" if keeps else "remove"
    return (
        f"The drain of worker {name} is blocked: its deadline passed {span(max(0, late_ms))} ago, and "
        f"{counted(len(attempts), 'attempt')} still {agree(len(attempts), 'runs', 'run')}: {listed(jobs)}. "
        f"The pool waits for them (on_blocked: wait). To end them now, run `herder worker {verb} {name} --force`."
    )


def _removal_text(state: EngineState, worker: WorkerLife) -> str:
    name, driver = worker.spec.name, worker.spec.driver
    frozen = state.frozen_drivers.get(driver)
    if frozen is None:
        return f"Worker {name} runs nothing, and driver {driver} removes its machine."
    return (
        f"Worker {name} runs nothing, but its machine is not removed, because driver {driver} is frozen. "
        f"To unfreeze it, run `herder driver unfreeze {driver}`."
    )


def _blocker(state: EngineState, attempt: LiveAttempt, now_ms: int, with_users: bool) -> str:
    since = span(max(0, now_ms - (attempt.started_at_ms or attempt.assigned_at_ms)))
    own_ms = _own_limit_ms(state, attempt, now_ms)
    left = "without a time limit" if own_ms is None else f"at most {span(own_ms)} more"
    return f"{_job(state, attempt, with_users)} (for {since}, {left})"


def _job(state: EngineState, attempt: LiveAttempt, with_users: bool) -> str:
    user = f" of {state.classes[attempt.class_id].user}" if with_users else ""
    return f"job {attempt.job}{user}"


def _own_limit_ms(state: EngineState, attempt: LiveAttempt, now_ms: int) -> int | None:
    """How much longer it may run by its own timeout; None: it has none."""
    timeout_s = state.classes[attempt.class_id].timeout_s
    if timeout_s is None:
        return None
    begun_ms = attempt.started_at_ms if attempt.started_at_ms is not None else now_ms
    return max(0, begun_ms + int(timeout_s * 1000) - now_ms)


def _most_ms(state: EngineState, worker: WorkerLife, attempt: LiveAttempt, now_ms: int) -> int | None:
    """How much longer it may run in this drain; None: nothing limits it."""
    own_ms = _own_limit_ms(state, attempt, now_ms)
    if on_blocked(state, worker) is OnBlocked.WAIT:
        return own_ms
    left_ms = max(0, (until_ms(worker) or now_ms) - now_ms)
    return left_ms if own_ms is None else min(left_ms, own_ms)
