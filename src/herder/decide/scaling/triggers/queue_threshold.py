"""The threshold of a queue: when a pool creates workers for waiting jobs beyond its minimum (`queue_threshold`).

Called by the planner before the demand is packed. It says whether, never how many: packing does. While the pool has a worker that can take
each of the jobs, they wait for it until more than the threshold wait.
"""

from collections.abc import Mapping

from herder.decide.scaling import limits
from herder.decide.scaling.limits import GrowthLimit
from herder.decide.scaling.snapshot import PoolView, Snapshot
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import PoolName
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import agree, counted
from herder.model.work.demand import DemandGroup, DemandSource


def concerns(spec: PoolSpec) -> bool:
    return spec.scale_up.queue_threshold is not None and spec.membership.takes_jobs


def limits_for_demand(
    snapshot: Snapshot, growth_limits: Mapping[PoolName, GrowthLimit]
) -> dict[PoolName, GrowthLimit]:
    """The limits within which the demand is packed: a pool below its threshold opens no workers for it."""
    found = dict(growth_limits)
    for view in snapshot.pools:
        reason = _waits(snapshot, view) if concerns(view.spec) else None
        if reason is not None and growth_limits[view.spec.name].workers > 0:
            found[view.spec.name] = limits.none(view, reason)
    return found


def _waits(snapshot: Snapshot, view: PoolView) -> Reason | None:
    """Why no worker is created for its jobs now; None when they are, or none waits."""
    groups = [
        group
        for group in snapshot.queue
        if group.source is DemandSource.QUEUED_JOBS and snapshot.templates_for(group, view)
    ]
    count, most = sum(group.count for group in groups), view.spec.scale_up.queue_threshold or 0
    if not count or count > most or not all(_will_run(snapshot, view, group) for group in groups):
        return None
    name = view.spec.name
    text = (
        f"{counted(count, 'queued job')} {agree(count, 'fits', 'fit')} pool {name}; it creates workers beyond its minimum when more than {most:,} "
        f"wait (queue_threshold)."
    )
    evidence = (("jobs", count), ("flips", f"{most + 1:,} queued jobs, or a lower queue_threshold"))
    return Reason(kind=ReasonKind.QUEUE_THRESHOLD, text=text, evidence=evidence)


def _will_run(snapshot: Snapshot, view: PoolView, group: DemandGroup) -> bool:
    """Whether a worker that exists or starts is large enough for it, be it when the work on it has ended."""
    allowed = snapshot.kinds.allowed(group.asks)
    return any(
        snapshot.worker_kinds[worker.name] in allowed and group.asks.request.fits_in(worker.spec.allocatable)
        for worker in view.staying
    )
