"""What people do to workers: cordon, uncordon, drain, extend, remove. Called by the API; dry runs only say what would happen."""

from collections.abc import Callable
from dataclasses import dataclass

from herder.control.access.authorization import FLEET, OF_KIND, check
from herder.control.jobs.submission import job_thing
from herder.control.kernel.core import Core
from herder.control.kernel.errors import Conflict, Invalid, NotKnown
from herder.control.kernel.limits import check_message
from herder.control.pools.pool_actions import TTL_LONGEST_S
from herder.engine import worker as life
from herder.engine.attempt import cancel as cancel_attempt
from herder.engine.backoff import withdraw_delayed
from herder.engine.batch_end import close_if_done
from herder.engine.events import record_event
from herder.engine.job import end_job
from herder.engine.state import BatchLife, WorkerLife
from herder.model.changes import Changes
from herder.model.ids import BatchId, ClassId, JobId, WorkerName
from herder.model.job import Cause, JobState
from herder.model.phrases import clause, counted, sentence
from herder.model.plan import Reason, ReasonKind
from herder.model.principal import Action, Kind, Principal
from herder.model.times import iso
from herder.model.worker import WorkerState
from herder.settings.syntax.durations import format_duration
from herder.wire.resources import Result, WorkerAction

#: Single jobs that go in one call with their user: each is found in its queue by going through it.
SINGLE_JOBS_MAX = 1_000
VERBS = ("cordon", "uncordon", "drain", "extend", "remove")


def act(
    core: Core,
    who: Principal,
    name: str,
    verb: str,
    request: WorkerAction,
    changes: Changes,
    now_ms: int,
    *,
    dry_run: bool,
) -> Result:
    """One of VERBS on one worker. Raises Refused."""
    check(who, Action.CHANGE, FLEET)
    check_message(request.message)
    worker = worker_named(core, name)
    for name_of, given, of_verb in (
        ("force", request.force, "remove"),
        ("extend_s", request.extend_s, "extend"),
    ):
        if given and verb != of_verb:
            hint = (
                f"To end the attempts now, run `herder worker remove {name} --force`."
                if name_of == "force"
                else ""
            )
            raise Invalid(f"{name_of} cannot be used with {verb}.", field=name_of, hint=hint)
    if worker.state is WorkerState.TERMINATING:
        raise Conflict(f"Worker {name} is already being removed.")
    step = _STEPS[verb](core, worker, request, now_ms)
    if not dry_run:
        step.do(changes, who.actor)
        core.workers_changed.set()
    return Result(object=f"worker/{name}", text=step.would if dry_run else step.text, dry_run=dry_run)


def worker_named(core: Core, name: str) -> WorkerLife:
    worker = core.state.workers.get(WorkerName(name))
    if worker is None:
        raise NotKnown(
            f"There is no live worker {name!r}.", hint="`herder worker list` shows the live workers."
        )
    return worker


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What happens, what would happen in a dry run, and how to make it happen."""

    text: str
    would: str
    do: Callable[[Changes, str], None]


def _set_cordon(cordoned: bool) -> Callable[[Core, WorkerLife, WorkerAction, int], _Step]:
    def step(core: Core, worker: WorkerLife, request: WorkerAction, now_ms: int) -> _Step:
        name, running = worker.spec.name, len(worker.live)
        on_it = (
            f" {counted(running, 'attempt')} on it continue{'s' if running == 1 else ''}." if running else ""
        )
        return _Step(
            text=f"Worker {name} is {'cordoned: it gets no new work' if cordoned else 'uncordoned: it gets new work again'}.{on_it}",
            would=f"Worker {name} would be {'cordoned: it would get no new work' if cordoned else 'uncordoned: it would get new work again'}.",
            do=lambda changes, actor: life.set_cordon(
                core.state, changes, worker, cordoned, now_ms, actor=actor, message=request.message
            ),
        )

    return step


def _drain(core: Core, worker: WorkerLife, request: WorkerAction, now_ms: int) -> _Step:
    reason = Reason(kind=ReasonKind.BY_HAND, text=request.message or "Drained by hand.")
    pool = core.state.pools.get(worker.spec.pool)
    grace = f"{pool.lifetime.drain_grace_s:g} s" if pool else "the drain grace"
    name, running = worker.spec.name, len(worker.live)
    when = f"when its {counted(running, 'attempt')} {'has' if running == 1 else 'have'} ended, after {grace} at most"
    return _Step(
        text=f"Worker {name} is draining; it is removed {when if running else 'now'}.",
        would=f"Worker {name} would drain; it would be removed {when if running else 'at once'}.",
        do=lambda changes, actor: life.drain(core.state, changes, worker, reason, now_ms, actor=actor),
    )


def _remove(core: Core, worker: WorkerLife, request: WorkerAction, now_ms: int) -> _Step:
    name, runs = worker.spec.name, counted(len(worker.live), "live attempt")
    if worker.live and not request.force:
        raise Conflict(
            f"Worker {name} has {runs}.",
            hint="Drain the worker, or remove it with --force; its attempts are then retried on other workers.",
        )
    by_hand = "Removed by hand with --force." if request.force else "Removed by hand."
    reason = Reason(kind=ReasonKind.BY_HAND, text=request.message or by_hand)
    again = f" Retried on other workers: {runs}." if worker.live else ""
    return _Step(
        text=f"Worker {name} is being removed.{again}",
        would=f"Worker {name} would be removed.{again}",
        do=lambda changes, actor: life.terminate(
            core.state, changes, worker, reason, now_ms, actor=actor, cause=Cause.DRAINED
        ),
    )


def _extend(core: Core, worker: WorkerLife, request: WorkerAction, now_ms: int) -> _Step:
    name, pool = worker.spec.name, core.state.pools.get(worker.spec.pool)
    if worker.expires_at_ms is None:
        raise Conflict(f"Worker {name} has no time to live that could be extended.")
    if pool is not None and worker.extensions >= pool.lifetime.extensions_max:
        raise Conflict(
            f"Worker {name} was extended {counted(worker.extensions, 'time')}, the maximum of pool {pool.name} (extensions_max)."
        )
    seconds = (
        request.extend_s if request.extend_s is not None else (pool.lifetime.extension_s if pool else 7200)
    )
    if not 0 < seconds <= TTL_LONGEST_S:
        raise Invalid(f"extend_s must be more than 0 and at most {TTL_LONGEST_S}.", field="extend_s")
    until_ms = worker.expires_at_ms + int(seconds * 1000)
    born_ms = worker.ready_at_ms or worker.requested_at_ms
    if (
        pool is not None
        and pool.lifetime.ttl_max_s is not None
        and until_ms - born_ms > pool.lifetime.ttl_max_s * 1000
    ):
        raise Conflict(
            f"Worker {name} would live for {(until_ms - born_ms) / 3_600_000:.1f} h, longer than ttl_max of pool {pool.name}.",
            hint=f"The pool allows {format_duration(pool.lifetime.ttl_max_s)}; extend the worker by less.",
        )
    return _Step(
        text=f"Worker {name} expires at {iso(until_ms)}.",
        would=f"Worker {name} would expire at {iso(until_ms)}.",
        do=lambda changes, actor: life.extend(
            core.state, changes, worker, until_ms, now_ms, actor=actor, message=request.message
        ),
    )


_STEPS: dict[str, Callable[[Core, WorkerLife, WorkerAction, int], _Step]] = {
    "cordon": _set_cordon(True),
    "uncordon": _set_cordon(False),
    "drain": _drain,
    "extend": _extend,
    "remove": _remove,
}


def cancel_job(
    core: Core,
    who: Principal,
    job: JobId,
    class_id: ClassId,
    batch_id: BatchId | None,
    changes: Changes,
    now_ms: int,
    *,
    message: str = "",
    dry_run: bool = False,
) -> str:
    """Cancel one job wherever it is. `class_id` and `batch_id` are from its row; they never change."""
    check(who, Action.CHANGE, OF_KIND[Kind.JOB])
    check_message(message)
    job_class = core.state.classes.get(class_id)
    if job_class is None:  # forgotten: no job of it is left that has not ended
        return f"Job {job} has already ended."
    check(who, Action.CHANGE, job_thing(job, job_class.user, job_class.project))
    batch = core.state.batches.get(batch_id) if batch_id is not None else None
    step = _cancellation(core, job, class_id, batch, now_ms)
    if step is None:
        return f"Job {job} has already ended."
    if dry_run:
        return step.would
    step.do(changes, who.actor)
    record_event(
        core.state,
        changes,
        now_ms,
        "job.cancelled",
        f"job/{job}",
        sentence(f"{clause(step.text)}: {message}") if message else step.text,
        actor=who.actor,
        owner=job_class.user,
        project=job_class.project,
    )
    return step.text


def _cancellation(
    core: Core, job: JobId, class_id: ClassId, batch: BatchLife | None, now_ms: int
) -> _Step | None:
    """How a job is cancelled where it is now; None when it has ended. Raises Conflict."""
    state = core.state
    attempt = state.live.get(job)
    if attempt is not None:
        return _Step(
            text=f"Job {job} is being stopped on {attempt.worker}.",
            would=f"Job {job} would be stopped on {attempt.worker}.",
            do=lambda changes, actor: cancel_attempt(state, changes, attempt),
        )
    if job in state.delayed or job in state.queue(class_id):

        def withdraw(changes: Changes, actor: str) -> None:
            if not withdraw_delayed(state, job):
                state.queue(class_id).withdraw(job)
            attempts, failures = state.tried_of(batch.id if batch else None).pop(job, (0, 0))
            state.preempted_of(batch.id if batch else None).pop(job, None)
            _end(core, changes, job, batch, JobState.READY, attempts, failures, now_ms)

        return _Step(
            text=f"Job {job} was cancelled before it started.",
            would=f"Job {job} would be cancelled before it starts.",
            do=withdraw,
        )
    if batch is not None and batch.state == "open":
        # Jobs that are added later may still name it as their parent, and would wait for an end that has been.
        raise Conflict(
            f"Batch {batch.id} is not committed, so its jobs cannot be cancelled one by one.",
            hint=f"Cancel the whole batch with `herder batch cancel {batch.id}`.",
        )
    if batch is None or job not in batch.waiting:
        return None

    def leave(changes: Changes, actor: str) -> None:
        del batch.waiting[job]
        _end(core, changes, job, batch, JobState.BLOCKED, 0, 0, now_ms)

    return _Step(
        text=f"Job {job} was cancelled while it waited for its parents.",
        would=f"Job {job} would be cancelled while it waits for its parents.",
        do=leave,
    )


def cancel_single_jobs(
    core: Core, who: Principal, user: str, changes: Changes, now_ms: int, *, dry_run: bool
) -> int:
    """Jobs of no batch of one user; answers how many. At most `SINGLE_JOBS_MAX` in one call."""
    state = core.state
    running = [a for a in state.live.values() if a.batch is None and state.classes[a.class_id].user == user]
    queued = [
        (JobId(job), class_id)
        for class_id, queue in state.queues.items()
        if state.classes[class_id].user == user
        for job in queue.of_no_batch(SINGLE_JOBS_MAX)
    ]
    jobs = [*((a.job, a.class_id) for a in running), *queued][:SINGLE_JOBS_MAX]
    if not dry_run:
        why = f"user {user} was deleted"
        for job, class_id in jobs:
            cancel_job(core, who, job, class_id, None, changes, now_ms, message=why)
    return len(jobs)


def _end(
    core: Core,
    changes: Changes,
    job: JobId,
    batch: BatchLife | None,
    old: JobState,
    attempts: int,
    failures: int,
    now_ms: int,
) -> None:
    end_job(
        core.state,
        changes,
        job,
        batch,
        old=old,
        new=JobState.CANCELLED,
        cause=Cause.CANCELLED,
        attempts=attempts,
        failures=failures,
        now_ms=now_ms,
    )
    if batch is not None:
        close_if_done(core.state, changes, batch, now_ms)
