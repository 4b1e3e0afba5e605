"""The steps of a plan that end and replace workers by age and by drift: who takes no new work, who is replaced, which successors are made.

Called by the planner between the growth limits and the demand. The rules are those of `scaling/scale_down`; here they meet the failures of
a plan: a pool in which a step failed keeps its workers.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from functools import partial

from herder.decide.scaling.combine import Combined
from herder.decide.scaling.failed_triggers import Failures
from herder.decide.scaling.limits import GrowthLimit
from herder.decide.scaling.proposals import workers_by_pool
from herder.decide.scaling.scale_down import expired_and_surplus, replacement
from herder.decide.scaling.scale_down.drift import Agents
from herder.decide.scaling.scale_down.replacement import Replacements
from herder.decide.scaling.snapshot import Snapshot
from herder.model.ids import PoolName, WorkerName
from herder.model.planning.observed import Observed
from herder.model.planning.plan import DrainWorker, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepStep:
    replaced: Mapping[PoolName, Replacements]
    drains: tuple[DrainWorker, ...]
    leaving: frozenset[WorkerName]
    """Workers that are no capacity: drained by this plan, or expired."""
    notes: Mapping[PoolName, tuple[Reason, ...]]
    """What is to be said of each pool's old workers."""

    def of(self, pool: PoolName) -> tuple[Reason, ...]:
        return self.notes.get(pool, ())


def upkeep(
    observed: Observed,
    snapshot: Snapshot,
    growth_limits: Mapping[PoolName, GrowthLimit],
    leaving: Set[WorkerName],
    failures: Failures,
    now_ms: int,
) -> UpkeepStep:
    """`leaving`: workers that this plan drains already."""
    agents = Agents(version=observed.agent_version, since_plan=observed.agent_since_plan)
    planned = [view for view in snapshot.pools if view.spec.name not in failures.unplanned]
    expired = {worker.name for view in planned for worker in expired_and_surplus.in_grace(view, now_ms)}
    gone = frozenset(leaving) | expired
    replaced = {}
    for view in planned:
        name = view.spec.name
        ask = partial(replacement.ask, view, agents, growth_limits[name], gone, now_ms)
        replaced[name] = failures.attempt((name,), "replacement", ask, Replacements)
    drains = tuple(drain for answer in replaced.values() for drain in answer.drains)
    return UpkeepStep(
        replaced=replaced,
        drains=drains,
        leaving=gone | {drain.worker for drain in drains},
        notes={
            view.spec.name: (
                *expired_and_surplus.grace_notes(view, now_ms),
                *replaced[view.spec.name].held_back,
            )
            for view in planned
        },
    )


def with_successors(
    snapshot: Snapshot,
    growth_limits: Mapping[PoolName, GrowthLimit],
    combined: Combined,
    replaced: Mapping[PoolName, Replacements],
) -> Combined:
    """What is created anyway is a successor, too: then none is added in this plan."""
    made = workers_by_pool(combined.proposals)
    added = tuple(
        proposal
        for name, answer in replaced.items()
        if answer.successors and not made.get(name)
        for proposal in replacement.proposals(snapshot.pool(name), growth_limits[name], answer)
    )
    return replace(combined, proposals=(*combined.proposals, *added)) if added else combined
