"""Actions of people on workers: cordon, uncordon, drain, extend, remove. Called by `Commands`; dry runs change nothing."""

from collections.abc import Callable
from dataclasses import dataclass

from herder.control.access.access_check import FLEET, check
from herder.control.kernel.bounds.errors import Conflict, Invalid, NotKnown
from herder.control.kernel.bounds.limits import check_message
from herder.control.kernel.core import Core
from herder.control.pools.pool_actions import TTL_LONGEST_S
from herder.engine.memory.state import WorkerLife
from herder.engine.workers import expiry
from herder.engine.workers import worker as life
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerState
from herder.model.ids import WorkerName
from herder.model.permissions import Action, Principal
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause, counted
from herder.model.values.times import iso, span
from herder.model.work.job import Cause
from herder.settings.syntax.durations import format_duration
from herder.wire.resources import Result, WorkerAction

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
        raise Conflict(f"Worker {name} is already being removed.", hint=_TOO_LATE.get(verb, ""))
    step = _STEPS[verb](core, worker, request, now_ms)
    if not dry_run:
        step.do(changes, who.actor)
        core.workers_changed.set()
    return Result(object=f"worker/{name}", text=step.would if dry_run else step.text, dry_run=dry_run)


_TOO_LATE = {
    "extend": "A worker can be extended until it drains; `herder worker list --ttl` shows how long that is."
}


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
    if worker.state is WorkerState.DRAINING:
        why = "" if worker.reason_removed is None else f" ({clause(worker.reason_removed.text)})"
        raise Conflict(
            f"Worker {name} cannot be extended, because it is draining{why}.",
            hint=f"To get another worker, run `herder pool scale {worker.spec.pool} 1`.",
        )
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
    _check_extended(worker, pool, until_ms, now_ms)
    return _Step(
        text=f"Worker {name} expires at {iso(until_ms)}.",
        would=f"Worker {name} would expire at {iso(until_ms)}.",
        do=lambda changes, actor: expiry.extend(
            core.state, changes, worker, until_ms, now_ms, actor=actor, message=request.message
        ),
    )


def _check_extended(worker: WorkerLife, pool: PoolSpec | None, until_ms: int, now_ms: int) -> None:
    """That the new expiry is still to come and within the pool's limit. Raises Conflict."""
    name, born_ms = worker.spec.name, worker.ready_at_ms or worker.requested_at_ms
    if until_ms <= now_ms:
        raise Conflict(
            f"Worker {name} would still be past its ttl: the extension ends at {iso(until_ms)}.",
            hint=f"Extend the worker by more than {span(now_ms - (worker.expires_at_ms or now_ms))}.",
        )
    if (
        pool is not None
        and pool.lifetime.ttl_max_s is not None
        and until_ms - born_ms > pool.lifetime.ttl_max_s * 1000
    ):
        raise Conflict(
            f"Worker {name} would live for {(until_ms - born_ms) / 3_600_000:.1f} h, longer than ttl_max of pool {pool.name}.",
            hint=f"The pool allows {format_duration(pool.lifetime.ttl_max_s)}; extend the worker by less.",
        )


_STEPS: dict[str, Callable[[Core, WorkerLife, WorkerAction, int], _Step]] = {
    "cordon": _set_cordon(True),
    "uncordon": _set_cordon(False),
    "drain": _drain,
    "extend": _extend,
    "remove": _remove,
}
