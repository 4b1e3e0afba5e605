"""The pending-pods trigger: when a pool creates workers for pods that wait in its cluster.

Called by the planner before the demand is packed, and by the scaling loop for `pods_since`. It says whether, never how many: packing does.
Pods are pending for a moment in every cluster, so a pool waits until enough of them have waited long enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from herder.decide.scaling import limits
from herder.decide.scaling.limits import GrowthLimit
from herder.decide.scaling.snapshot import PoolView, Snapshot, snapshot_of
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import PoolName
from herder.model.planning.observed import Observed
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import agree, counted
from herder.model.values.times import iso, span
from herder.model.work.demand import DemandSource


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """Pods that some template of the pool fits."""

    count: int
    oldest_ms: int


def concerns(spec: PoolSpec) -> bool:
    """Pools whose workers take pods and nothing else."""
    return spec.membership.takes_pods and not spec.membership.takes_jobs


def limits_for_demand(
    snapshot: Snapshot, growth_limits: Mapping[PoolName, GrowthLimit], now_ms: int
) -> dict[PoolName, GrowthLimit]:
    """The limits within which the demand is packed: a pool that waits opens no workers for it."""
    found = dict(growth_limits)
    for view in snapshot.pools:
        name = view.spec.name
        reason = _waits(snapshot, view, now_ms) if concerns(view.spec) else None
        if reason is not None and growth_limits[name].workers > 0:
            found[name] = limits.none(view, reason)
    return found


def pods_since(observed: Observed, now_ms: int) -> dict[PoolName, int]:
    """Since when enough pods have waited for each pool without a break; to be part of the next observation."""
    if not any(concerns(spec) for spec in observed.pools):
        return {}
    snapshot = snapshot_of(observed, now_ms)
    found = {}
    for view in snapshot.pools:
        enough = view.spec.scale_up.pending_pods
        if concerns(view.spec) and enough is not None and _waiting(snapshot, view).count >= max(1, enough):
            since_ms = view.history.pods_since_ms
            found[view.spec.name] = now_ms if since_ms is None else since_ms
    return found


def _waiting(snapshot: Snapshot, view: PoolView) -> _Waiting:
    count, oldest_ms = 0, 2**62
    for group in snapshot.queue:
        if group.source is DemandSource.PENDING_PODS and snapshot.templates_for(group, view):
            count += group.count
            oldest_ms = min(oldest_ms, group.oldest_ready_at_ms)
    return _Waiting(count=count, oldest_ms=oldest_ms)


def _waits(snapshot: Snapshot, view: PoolView, now_ms: int) -> Reason | None:
    """Why no worker is made for its pods now; None when they are made, or none waits."""
    waiting = _waiting(snapshot, view)
    if not waiting.count:
        return None
    name, enough, for_s = (
        view.spec.name,
        view.spec.scale_up.pending_pods,
        view.spec.scale_up.pending_pods_for_s,
    )
    pods = f"{counted(waiting.count, 'pending pod')} of cluster {view.spec.cluster} {agree(waiting.count, 'fits', 'fit')} pool {name}"
    if enough is None:
        text = f"{pods}, but the pool creates no workers for pending pods. Set pending_pods to change that."
        return _reason(text, waiting, "pending_pods: 5")
    rule = (
        f"it creates workers when at least {enough} have waited for {span(int(for_s * 1000))} (pending_pods)"
    )
    if waiting.count < enough:
        return _reason(f"{pods}; {rule}.", waiting, f"{enough} pending pods, or a lower pending_pods")
    since_ms = view.history.pods_since_ms
    due_ms = (now_ms if since_ms is None else since_ms) + int(for_s * 1000)
    if now_ms >= due_ms:
        return None
    return _reason(f"{pods}; {rule}: at {iso(due_ms)} if this lasts.", waiting, f"at {iso(due_ms)}")


def _reason(text: str, waiting: _Waiting, flips: str) -> Reason:
    evidence = (("pods", waiting.count), ("oldest_ms", waiting.oldest_ms), ("flips", flips))
    return Reason(kind=ReasonKind.PENDING_PODS, text=text, evidence=evidence)
