"""The triggers, one file each: reasons for a pool to have more workers. `POOL_TRIGGERS` lists those that look at a pool beyond the
queue.

A new one is a module here and a name in that list; nothing else knows the triggers of a pool (docs/how-to/add-a-trigger.md). The
planner asks each of them after the queue was packed, and scale-down whether it could do with a worker less, so that nothing is made
that would go again at once. `queued_jobs` packs demand, `minimum` waits for no cooldown and `warm_workers` looks at what was settled: these
three are steps of the planner's own.
"""

from typing import Protocol

from herder.decide.scaling import failed_triggers
from herder.decide.scaling.proposals import TriggerResult, WorkerRequest
from herder.decide.scaling.signals.utilisation import Load
from herder.decide.scaling.snapshot import PoolView
from herder.decide.scaling.triggers import cpu, headroom, memory, metric
from herder.model.fleet.pool import PoolSpec
from herder.model.planning.plan import Reason
from herder.model.values.resources import Resources


class PoolTrigger(Protocol):
    """What a module of this folder has, to be a trigger of a pool. Pure, like all of `decide`."""

    def concerns(self, spec: PoolSpec, /) -> bool:
        """Whether the pool's settings ask for it; else it is asked nothing more."""

    def ask(self, view: PoolView, load: Load, size: Resources, now_ms: int, /) -> TriggerResult:
        """`load` with what this plan makes for the queue; `size` of the workers that would be made."""

    def keeps(self, view: PoolView, load: Load, /) -> Reason | None:
        """Why the pool cannot do with this load, which is that of one idle worker less; None when it can."""


#: In the order in which they are asked, and in which their reasons count.
POOL_TRIGGERS: tuple[PoolTrigger, ...] = (headroom, cpu, memory, metric)


def any_concerned(spec: PoolSpec) -> bool:
    """Whether any has something to say of such a pool, or fails when it is asked that."""
    try:
        return any(trigger.concerns(spec) for trigger in POOL_TRIGGERS)
    except Exception:  # noqa: BLE001 - its own answer says which it was
        return True


def names_for(spec: PoolSpec) -> tuple[str, ...]:
    """Of the triggers that the settings of such a pool ask for. One that fails at that is among them."""
    found = []
    for trigger in POOL_TRIGGERS:
        try:
            concerned = trigger.concerns(spec)
        except Exception:  # noqa: BLE001 - as in `any_concerned`
            concerned = True
        if concerned:
            found.append(_name(trigger))
    return tuple(found)


def ask_all(view: PoolView, load: Load, size: Resources, now_ms: int) -> TriggerResult:
    """What all of them want. One that fails wants nothing and has a note that says so."""
    asks: list[WorkerRequest] = []
    notes: list[Reason] = []
    for trigger in POOL_TRIGGERS:
        try:
            if trigger.concerns(view.spec):
                answer = _sound(view, trigger.ask(view, load, size, now_ms))
                asks += answer.asks
                notes += answer.notes
        except Exception as error:  # noqa: BLE001 - whatever it is, the plan says so
            notes.append(failed_triggers.trigger_failed(view.spec.name, _name(trigger), error))
    return TriggerResult(asks=tuple(asks), notes=tuple(notes))


def kept_for(view: PoolView, load: Load) -> Reason | None:
    """The first reason of any; that a trigger fails is one, because what it would have said is not known."""
    for trigger in POOL_TRIGGERS:
        try:
            reason = trigger.keeps(view, load) if trigger.concerns(view.spec) else None
            if not isinstance(reason, Reason | None):
                raise TypeError(f"keeps() answers {type(reason).__name__}, instead of a Reason or nothing")
        except Exception as error:  # noqa: BLE001 - whatever it is, the plan says so
            reason = failed_triggers.trigger_failed(view.spec.name, _name(trigger), error)
        if reason is not None:
            return reason
    return None


def _sound(view: PoolView, answer: TriggerResult) -> TriggerResult:
    """Raises TypeError and ValueError for what would stop the planner later."""
    for ask in answer.asks:
        count: object = ask.count
        if not isinstance(count, int):
            raise TypeError(f"it wants {count!r} workers, which is not a whole number")
        if ask.pool != view.spec.name:
            raise ValueError(f"it was asked about this pool and wants workers of pool {ask.pool!r}")
    said: list[object] = [*answer.notes, *(ask.reason for ask in answer.asks)]
    if not all(isinstance(reason, Reason) for reason in said):
        raise TypeError("each note, and the reason of each WorkerRequest, has to be a Reason")
    return answer


def _name(trigger: PoolTrigger) -> str:
    """Of its module."""
    return getattr(trigger, "__name__", type(trigger).__name__).rpartition(".")[2]
