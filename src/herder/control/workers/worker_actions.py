"""Actions of people on workers: cordon, uncordon, drain, extend, remove. Called by `Commands`; dry runs change nothing."""

from collections.abc import Callable
from dataclasses import dataclass

from herder.control.access.access_check import FLEET, check
from herder.control.kernel.bounds.errors import Conflict, Invalid, NotKnown
from herder.control.kernel.bounds.limits import check_message
from herder.control.kernel.core import Core
from herder.control.pools.adding import TTL_LONGEST_S
from herder.control.pools.pool_actions import NOTHING_CHANGED
from herder.control.workers.safety import checks_of_removal
from herder.engine.memory.state import WorkerLife, pool_of
from herder.engine.workers import expiry
from herder.engine.workers import worker as life
from herder.engine.workers.draining import drain_texts, drains
from herder.engine.workers.draining.drain_texts import on_blocked, progress_text
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerState
from herder.model.ids import WorkerName
from herder.model.permissions import Action, Principal
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.values.phrases import agree, clause, counted, listed, sentences
from herder.model.values.times import iso, span
from herder.model.work.job import Cause
from herder.settings.syntax.durations import format_duration
from herder.wire.api.resources import Result, WorkerAction

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
    _check_fields(request, verb, name)
    if worker.state is WorkerState.TERMINATING:
        raise Conflict(
            f"Worker {name} is already being removed; that cannot be taken back.",
            hint=_TOO_LATE.get(verb, f"`herder worker get {name}` shows how far it is."),
        )
    step = _STEPS[verb](core, worker, request, now_ms)
    if not dry_run:
        step.do(changes, who.actor)
        core.workers_changed.set()
    checks = checks_of_removal(core, worker, force=request.force) if dry_run and verb == "remove" else []
    text = step.would if dry_run else step.text
    return Result(object=f"worker/{name}", text=text, dry_run=dry_run, checks=checks)


_TOO_LATE = {
    "extend": "A worker can be extended until it drains; `herder worker list --ttl` shows how long that is."
}


def _check_fields(request: WorkerAction, verb: str, name: str) -> None:
    for name_of, given, of_verbs in (
        ("force", request.force, ("drain", "remove")),
        ("timeout_s", request.timeout_s is not None, ("drain", "remove")),
        ("extend_s", request.extend_s is not None, ("extend",)),
    ):
        if given and verb not in of_verbs:
            raise Invalid(
                f"{name_of} cannot be used with {verb}.",
                field=name_of,
                hint=f"It is for {listed(of_verbs, 'or')}.",
            )
    timeout_s = request.timeout_s
    if timeout_s is not None and not 0 <= timeout_s <= TTL_LONGEST_S:
        longest = format_duration(TTL_LONGEST_S)
        raise Invalid(f"A timeout must be at least 0s and at most {longest}.", field="timeout_s")
    if timeout_s is not None and request.force:
        raise Invalid(
            "The fields force and timeout_s exclude each other, because force ends the attempts at once.",
            field="timeout_s",
            hint="Name only one of them.",
        )


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


def _nothing(text: str) -> _Step:
    """What was ordered is so already."""
    return _Step(
        text=sentences(text, NOTHING_CHANGED),
        would=f"Nothing would change. {text}",
        do=lambda changes, actor: None,
    )


def _cordon(core: Core, worker: WorkerLife, request: WorkerAction, now_ms: int) -> _Step:
    name = worker.spec.name
    if worker.cordoned:
        return _nothing(f"Worker {name} is already cordoned.")
    return _Step(
        text=sentences(f"Worker {name} is cordoned: it gets no new work.", _on_it(worker)),
        would=f"Worker {name} would be cordoned: it would get no new work.",
        do=lambda changes, actor: life.set_cordon(
            core.state, changes, worker, True, now_ms, actor=actor, message=request.message
        ),
    )


def _uncordon(core: Core, worker: WorkerLife, request: WorkerAction, now_ms: int) -> _Step:
    """Also the end of a drain that a person ordered, whatever was to follow it."""
    name, drain = worker.spec.name, worker.drain
    if not worker.cordoned and drain is None and worker.health.quarantined_at_ms is None:
        return _nothing(f"Worker {name} is not cordoned.")
    if drain is not None and not _may_be_ended(worker):
        why = "" if worker.reason_removed is None else f" {worker.reason_removed.text}"
        raise Conflict(
            f"Worker {name} is being removed by a rule of its pool, which would remove it again.{why}",
            hint="`herder apply` changes the rules of a pool; `herder pool scale` adds a worker.",
        )
    ended = "" if drain is None else "Its drain was ended."
    would_end = "" if drain is None else "Its drain would be ended."

    def do(changes: Changes, actor: str) -> None:
        message = request.message
        if worker.drain is None:
            life.set_cordon(core.state, changes, worker, False, now_ms, actor=actor, message=message)
        else:
            drains.take_back(core.state, changes, worker, now_ms, actor=actor, message=message)

    return _Step(
        text=sentences(f"Worker {name} is uncordoned: it gets new work again.", ended, _on_it(worker)),
        would=sentences(f"Worker {name} would be uncordoned: it would get new work again.", would_end),
        do=do,
    )


def _may_be_ended(worker: WorkerLife) -> bool:
    """Whether a person may end its drain: one that a person began, or a notice, which may be wrong. A rule would begin it again."""
    reason = worker.reason_removed
    noticed = reason is not None and reason.kind is ReasonKind.INTERRUPTED
    return worker.drain is not None and (worker.drain.by_hand or noticed)


def _drain(core: Core, worker: WorkerLife, request: WorkerAction, now_ms: int) -> _Step:
    name, drain, running = worker.spec.name, worker.drain, worker.busy
    if worker.state.leaving:
        keep = f"To keep it, run `herder worker uncordon {name}` first. " if _may_be_ended(worker) else ""
        raise Conflict(
            f"Worker {name} is being drained and removed.",
            hint=f"{keep}To end its attempts sooner, run `herder worker remove {name}` with --timeout or --force.",
        )
    timeout_s = _new_timeout_s(worker, request)
    if drain is not None and not (worker.occupied and (request.force or timeout_s is not None)):
        return _goes_on(core, worker, now_ms)
    stays = "It stays, and costs, until it is uncordoned or removed."
    when = _when(core, worker, timeout_s, force=request.force)
    anew, would_anew = _anew(worker, timeout_s)
    return _Step(
        text=sentences(
            f"Worker {name} {f'is being drained: it is empty {when}' if running or worker.occupied else 'is drained'}",
            anew,
            stays,
        ),
        would=sentences(
            f"Worker {name} would be drained{f': it would be empty {when}' if running or worker.occupied else ''}",
            would_anew,
            stays,
        ),
        do=lambda changes, actor: drains.keep(
            core.state,
            changes,
            worker,
            now_ms,
            actor=actor,
            message=request.message,
            timeout_s=timeout_s,
            force=request.force,
        ),
    )


def _remove(core: Core, worker: WorkerLife, request: WorkerAction, now_ms: int) -> _Step:
    name, running = worker.spec.name, worker.busy
    by_hand = "Removed by hand with --force." if request.force else "Removed by hand."
    reason = Reason(kind=ReasonKind.BY_HAND, text=request.message or by_hand)
    if request.force or not worker.occupied:
        again = f" Retried on other workers: {_work(worker, 'live ')}." if running else ""
        return _Step(
            text=f"Worker {name} is being removed.{again}",
            would=f"Worker {name} would be removed.{again}",
            do=lambda changes, actor: life.terminate(
                core.state, changes, worker, reason, now_ms, actor=actor, cause=Cause.DRAINED
            ),
        )
    timeout_s = _new_timeout_s(worker, request)
    if worker.state.leaving and timeout_s is None:
        return _goes_on(core, worker, now_ms)
    when = _when(core, worker, timeout_s)
    anew, would_anew = _anew(worker, timeout_s)

    def do(changes: Changes, actor: str) -> None:
        if worker.state.leaving:
            drains.hasten(core.state, changes, worker, now_ms, actor, request.message, timeout_s or 0.0)
        else:
            life.drain(core.state, changes, worker, reason, now_ms, actor=actor, timeout_s=timeout_s)

    return _Step(
        text=sentences(f"Worker {name} is draining; it is removed {when}", anew),
        would=sentences(f"Worker {name} would drain; it would be removed {when}", would_anew),
        do=do,
    )


def _work(worker: WorkerLife, which: str = "") -> str:
    """What runs on it, counted."""
    return counted(worker.busy, "pod" if worker.node is not None else f"{which}attempt")


def _new_timeout_s(worker: WorkerLife, request: WorkerAction) -> float | None:
    """The timeout that is ordered; None: none, or the one that the drain which is under way has already."""
    timeout_s, drain = request.timeout_s, worker.drain
    same = timeout_s is not None and drain is not None and drain.lasts(int(timeout_s * 1000))
    return None if same else timeout_s


def _anew(worker: WorkerLife, timeout_s: float | None) -> tuple[str, str]:
    """That a drain under way has another deadline now, and in a dry run that it would have."""
    if worker.drain is None or timeout_s is None or not worker.occupied:
        return "", ""
    return "Its deadline was changed", "Its deadline would be changed"


def _goes_on(core: Core, worker: WorkerLife, now_ms: int) -> _Step:
    """The order is repeated: the drain goes on, with the deadline that it has."""
    text, until_ms = progress_text(core.state, worker, now_ms), drain_texts.until_ms(worker)
    if worker.occupied and until_ms is not None and until_ms > now_ms:
        text = sentences(text, f"Its deadline stays: {iso(until_ms)}")
    return _Step(text=text, would=f"Nothing would change. {text}", do=lambda changes, actor: None)


def _on_it(worker: WorkerLife) -> str:
    running = worker.busy
    return f"{_work(worker)} on it {agree(running, 'continues', 'continue')}." if running else ""


def _when(core: Core, worker: WorkerLife, timeout_s: float | None, *, force: bool = False) -> str:
    """When its attempts will have ended."""
    if force:
        if worker.node is not None:
            return "as soon as its pods are deleted"
        return f"now, and {_work(worker)} {agree(worker.busy, 'is', 'are')} retried on other workers"
    running = worker.busy
    until = drain_texts.until_ms(worker)
    given = pool_of(core.state, worker).lifetime.drain_grace_s if timeout_s is None else timeout_s
    when = (
        f"when its {_work(worker)} {agree(running, 'has', 'have')} ended"
        if running
        else "when its node is known to be empty"
    )
    if on_blocked(core.state, worker) is OnBlocked.WAIT:
        return f"{when}, however long that takes (on_blocked: wait)"
    if until is not None and timeout_s is None:
        return f"{when}, at {iso(until)} at the latest"
    return f"{when}, after {format_duration(given)} at most"


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
        longest = format_duration(TTL_LONGEST_S)
        raise Invalid(f"An extension must be more than 0s and at most {longest}.", field="extend_s")
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
    most_s = None if pool is None else pool.lifetime.ttl_max_s
    if pool is not None and most_s is not None and until_ms - born_ms > most_s * 1000:
        over_s = -(-(until_ms - born_ms - int(most_s * 1000)) // 1000)
        left_s = (int(most_s * 1000) - ((worker.expires_at_ms or now_ms) - born_ms)) // 1000
        raise Conflict(
            f"Worker {name} would live {format_duration(over_s)} longer than ttl_max of pool {pool.name}, which is {format_duration(most_s)}.",
            hint=f"Extend the worker by at most {format_duration(left_s)}."
            if left_s > 0
            else f"To get another worker, run `herder pool scale {pool.name} 1`.",
        )


_STEPS: dict[str, Callable[[Core, WorkerLife, WorkerAction, int], _Step]] = {
    "cordon": _cordon,
    "uncordon": _uncordon,
    "drain": _drain,
    "extend": _extend,
    "remove": _remove,
}
