"""The triggers for free capacity beyond the queue: headroom and target utilisation.

Called by the planner after the queue has been packed. They ask for whole workers of the cheapest template that may be made;
what they ask for together is settled in `combine`.
"""

from herder.decide.scaling.proposals import TriggerResult, WorkerRequest
from herder.decide.scaling.signals.utilisation import Load, headroom_lack, target_lack
from herder.decide.scaling.snapshot import PoolView
from herder.model.fleet.pool import PoolSpec
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import counted
from herder.model.values.resources import Resources
from herder.model.values.vectors import pairs


def concerns(spec: PoolSpec) -> bool:
    return spec.scale_up.headroom.wanted or spec.scale_up.target_utilisation is not None


def ask(view: PoolView, load: Load, size: Resources, _now_ms: int) -> TriggerResult:
    """`load` with what this plan makes for the queue; `size` of the workers that would be made."""
    found = []
    count = headroom_lack(view.spec, load).in_workers(size, view.spec.size.max_workers)
    if count:
        found.append(WorkerRequest(pool=view.spec.name, count=count, reason=_headroom_reason(view, load)))
    count = target_lack(view.spec, load).in_workers(size, view.spec.size.max_workers)
    if count:
        found.append(WorkerRequest(pool=view.spec.name, count=count, reason=_target_reason(view, load)))
    return TriggerResult(asks=tuple(found))


def keeps(view: PoolView, load: Load) -> Reason | None:
    """Why the pool cannot do with this load."""
    spec = view.spec
    if headroom_lack(spec, load).any:
        return Reason(
            kind=ReasonKind.HEADROOM,
            text=f"Idle workers of pool {spec.name} are kept as its headroom: {_wanted(spec)}.",
            evidence=(
                ("empty_workers", load.empty),
                ("headroom_workers", spec.scale_up.headroom.workers),
                ("headroom_cpu_milli", spec.scale_up.headroom.free.cpu_milli),
                ("headroom_memory_mib", spec.scale_up.headroom.free.memory_mib),
                ("flips", "a smaller headroom"),
            ),
        )
    if target_lack(spec, load).any:
        target, use = spec.scale_up.target_utilisation or 1.0, utilisation(load)
        return Reason(
            kind=ReasonKind.TARGET_UTILISATION,
            text=(
                f"Idle workers of pool {spec.name} are kept: with one less, its utilisation would be {use:.0%}, above its "
                f"target_utilisation of {target:.0%}."
            ),
            evidence=(
                ("utilisation", round(use, 3)),
                ("target_utilisation", target),
                ("flips", f"target_utilisation of {use:.2f} or more"),
            ),
        )
    return None


def _wanted(spec: PoolSpec) -> str:
    headroom = spec.scale_up.headroom
    parts = [counted(headroom.workers, "idle worker")] if headroom.workers else []
    return " and ".join([*parts, *([str(headroom.free)] if any(headroom.free) else [])])


def _headroom_reason(view: PoolView, load: Load) -> Reason:
    wanted = view.spec.scale_up.headroom
    free = load.capacity.minus(load.used)
    have, want = free.amounts(), wanted.free.amounts()
    shown = [name for name in have if name in ("cpu_milli", "memory_mib") or want.get(name)]
    text = (
        f"Pool {view.spec.name} is below its headroom: {counted(load.empty, 'idle worker')} and {free} would be free, and "
        f"{_wanted(view.spec)} must be."
    )
    evidence: tuple[tuple[str, int | float | str], ...] = (
        ("empty_workers", load.empty),
        ("headroom_workers", wanted.workers),
        *(
            pair
            for name in shown
            for pair in ((f"free_{name}", have[name]), (f"headroom_{name}", want.get(name, 0)))
        ),
        ("flips", "less headroom, or work that ends"),
    )
    return Reason(kind=ReasonKind.HEADROOM, text=text, evidence=evidence)


def _target_reason(view: PoolView, load: Load) -> Reason:
    target = view.spec.scale_up.target_utilisation or 1.0
    use = utilisation(load)
    text = f"The utilisation of pool {view.spec.name} would be {use:.0%}, above its target_utilisation of {target:.0%}."
    evidence = (
        ("utilisation", round(use, 3)),
        ("target_utilisation", target),
        ("flips", f"target_utilisation of {use:.2f} or more"),
    )
    return Reason(kind=ReasonKind.TARGET_UTILISATION, text=text, evidence=evidence)


def utilisation(load: Load) -> float:
    """Of the scarcest dimension; 1 where there is use and no capacity."""
    parts = [busy / have if have > 0 else 1.0 for have, busy in pairs(load.capacity, load.used) if busy > 0]
    return max(parts, default=0.0)
