"""The last step of a plan: in quiet pools, which work could be moved together. Called by the planner; the rule is `scaling/scale_down/consolidation`."""

from collections.abc import Mapping, Set
from dataclasses import replace
from functools import partial

from herder.decide.scaling.combine import Combined
from herder.decide.scaling.failed_triggers import Failures
from herder.decide.scaling.limits import GrowthLimit
from herder.decide.scaling.scale_down import consolidation
from herder.decide.scaling.scale_down import idle as scale_down
from herder.decide.scaling.scale_down.idle import IdleResult
from herder.decide.scaling.snapshot import PoolView, Snapshot
from herder.decide.scaling.triggers.queued_jobs import QueueResult
from herder.model.fleet.pool import Consolidation
from herder.model.ids import PoolName, WorkerName


def consolidated(
    snapshot: Snapshot,
    growth_limits: Mapping[PoolName, GrowthLimit],
    leaving: Set[WorkerName],
    queue: QueueResult,
    combined: Combined,
    idle: dict[PoolName, IdleResult],
    failures: Failures,
    now_ms: int,
) -> Combined:
    """`idle` is brought up to date with what is moved."""
    for view in snapshot.pools:
        name = view.spec.name
        if _quiet(view, queue, combined, idle[name], now_ms) and not failures.of(name):
            ask = partial(consolidation.ask, snapshot, view, growth_limits[name], leaving, now_ms)
            moved = failures.attempt((name,), "consolidation", ask, consolidation.ConsolidationResult)
            combined = replace(combined, proposals=(*combined.proposals, *moved.proposals))
            held_back = (*idle[name].held_back, *moved.held_back)
            idle[name] = IdleResult(drains=moved.drains, held_back=held_back)
    return combined


def _quiet(view: PoolView, queue: QueueResult, combined: Combined, idle: IdleResult, now_ms: int) -> bool:
    """Nothing is made or drained here, nothing queued wants its room, and no cooldown runs."""
    name = view.spec.name
    until = scale_down.cooldown_until(view)
    return (
        view.spec.scale_down.consolidation is Consolidation.BREAK_EVEN
        and not view.spec.frozen
        and not idle.drains
        and not any(queue.taken[name])
        and name not in queue.beyond_limits
        and all(proposal.pool != name for proposal in combined.proposals)
        and (until is None or now_ms >= until)
    )
