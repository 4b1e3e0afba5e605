"""The life of a worker as stages that follow one another, from the events about it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from herder.web.formatting import milliseconds
from herder.wire.api.resources import EventView, WorkerView

#: Stages that are shown: the first one and the latest.
STAGES_MAX = 30

#: What a worker is from an event on.
_STAGES = {
    "worker.requested": "requested",
    "worker.provisioned": "joining",
    "worker.adopted": "joining",
    "worker.ready": "ready",
    "worker.unhealthy": "unhealthy",
    "worker.recovered": "ready",
    "worker.rejoined": "ready",
    "worker.quarantined": "quarantined",
    "worker.draining": "draining",
    "worker.drained": "drained",
    "worker.terminating": "terminating",
    "worker.terminated": "terminated",
    "worker.failed": "failed",
}
#: Stages that a person ends with `uncordon`.
_KEPT = ("draining", "drained", "quarantined")
ENDS = ("terminated", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    state: str
    at: str
    until: str | None
    """When the next one began; None: it goes on, or it is the end."""
    why: str
    actor: str = ""
    """Empty: the server itself."""
    x: float = 0
    width: float = 0
    """Of a line that is 100 long."""


def life_line(worker: WorkerView, events: Sequence[EventView], now_ms: int) -> list[Stage]:
    """`events` of this worker, oldest first; of a long life the first ones may be missing."""
    stages = [Stage(state="requested", at=worker.requested_at, until=None, why=worker.why_made)]
    for event in events:
        state = _STAGES.get(event.kind, "")
        if event.kind == "worker.uncordoned" and stages[-1].state in _KEPT:
            state = "ready"
        if not state or state == stages[-1].state:
            continue
        actor = "" if event.actor == "herder" else event.actor
        stages.append(Stage(state=state, at=event.at, until=None, why=event.text, actor=actor))
    if worker.ended_at is not None and stages[-1].state not in ENDS:
        stages.append(Stage(state=worker.state, at=worker.ended_at, until=None, why=worker.why_removed))
    return _placed(stages[:1] + stages[1:][-(STAGES_MAX - 1) :], now_ms)


def _placed(stages: list[Stage], now_ms: int) -> list[Stage]:
    """With the end of each, and their places on the line."""
    starts = [milliseconds(each.at) for each in stages]
    end = starts[-1] if stages[-1].state in ENDS else max(now_ms, starts[-1])
    whole = max(1, end - starts[0])
    placed = []
    for each, start, following in zip(stages, starts, [*stages[1:], None], strict=True):
        until = end if following is None else milliseconds(following.at)
        placed.append(
            replace(
                each,
                until=None if following is None else following.at,
                x=round(100 * (start - starts[0]) / whole, 2),
                width=round(100 * max(0, until - start) / whole, 2),
            )
        )
    return placed
