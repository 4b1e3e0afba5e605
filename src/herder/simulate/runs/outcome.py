"""The outcome of a simulation: cost, waits, starts, and the bound. Computed from a finished world; shown by the command."""

from collections.abc import Sequence
from dataclasses import dataclass

from herder.simulate.world.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`bound` is the least that starting every job on arrival can cost (see `bounds`); `ratio` is cost by bound. `vm_hours`
    from request to release. Waits are from arrival to start. `work_killed_s`: run time lost with workers that went.
    `seconds`: CPU time of the simulation."""

    cost: float
    bound: float
    ratio: float
    vm_hours: float
    wait_mean_s: float
    wait_p50_s: float
    wait_p95_s: float
    wait_max_s: float
    workers_started: int
    work_killed_s: float
    jobs: int
    seconds: float


def outcome_of(world: World, bound: float, seconds: float) -> Outcome:
    waits = sorted(
        started_s - from_s
        for started_s, from_s in zip(world.started_s, world.waits_from_s, strict=True)
        if started_s >= 0
    )
    cost = cost_of(world)
    return Outcome(
        cost=cost,
        bound=bound,
        ratio=cost / bound if bound else 1.0,
        vm_hours=sum((worker.closed_s or 0.0) - worker.requested_s for worker in world.closed) / 3600,
        wait_mean_s=sum(waits) / len(waits) if waits else 0.0,
        wait_p50_s=quantile(waits, 0.5),
        wait_p95_s=quantile(waits, 0.95),
        wait_max_s=waits[-1] if waits else 0.0,
        workers_started=len(world.closed),
        work_killed_s=world.work_killed_s,
        jobs=len(waits),
        seconds=seconds,
    )


def cost_of(world: World) -> float:
    total = 0.0
    for worker in world.closed:
        template = world.templates[worker.template]
        paid_s = max((worker.closed_s or 0.0) - worker.requested_s, template.billed_s)
        total += paid_s / 3600 * template.price
    return total


def quantile(ordered: Sequence[float], part: float) -> float:
    """The smallest value that at least this part does not exceed; 0 when there is none."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, max(0, -(-int(part * len(ordered) * 1000) // 1000) - 1))]
