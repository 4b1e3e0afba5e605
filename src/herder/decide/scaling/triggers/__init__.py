"""The triggers, one file each: why a pool wants workers. `POOL_TRIGGERS` lists those that look at a pool beyond the queue.

A new one is a module here and a name in that list; nothing else knows the triggers of a pool (docs/how-to/add-a-trigger.md). The
planner asks each of them after the queue was packed, and scale-down whether it could do with a worker less, so that nothing is made
that would go again at once. `queued_jobs` packs demand, `minimum` waits for no cooldown and `stock` looks at what was settled: these
three are steps of the planner's own.
"""

from typing import Protocol

from herder.decide.scaling.load import Load
from herder.decide.scaling.scene import PoolView
from herder.decide.scaling.triggers import cpu, memory, metric, spare
from herder.decide.scaling.wish import Answer
from herder.model.plan import Reason
from herder.model.pool import PoolSpec
from herder.model.resources import Resources


class PoolTrigger(Protocol):
    """What a module of this folder has, to be a trigger of a pool. Pure, like all of `decide`."""

    def concerns(self, spec: PoolSpec, /) -> bool:
        """Whether the pool's settings ask for it; else it is asked nothing more."""

    def ask(self, view: PoolView, load: Load, size: Resources, now_ms: int, /) -> Answer:
        """`load` with what this plan makes for the queue; `size` of the workers that would be made."""

    def keeps(self, view: PoolView, load: Load, /) -> Reason | None:
        """Why the pool cannot do with this load, which is that of one idle worker less; None when it can."""


#: In the order in which they are asked, and in which their reasons count.
POOL_TRIGGERS: tuple[PoolTrigger, ...] = (spare, cpu, memory, metric)


def concerned(spec: PoolSpec) -> list[PoolTrigger]:
    return [trigger for trigger in POOL_TRIGGERS if trigger.concerns(spec)]


def kept_for(view: PoolView, load: Load) -> Reason | None:
    """The first reason of any."""
    reasons = (trigger.keeps(view, load) for trigger in concerned(view.spec))
    return next((reason for reason in reasons if reason is not None), None)
