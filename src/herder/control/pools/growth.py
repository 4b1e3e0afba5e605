"""Whether a pool may get more workers: it is not frozen, and its limits are not reached.

Called by everything that adds workers on a person's word: scale, join, adopt. The planner has the limits in its snapshot. Changes nothing.
"""

from herder.control.kernel.bounds.errors import Conflict
from herder.control.kernel.core import Core
from herder.model.fleet.pool import PoolSpec
from herder.model.values.phrases import counted


def check_growth(
    core: Core,
    pool: PoolSpec,
    more: int,
    field: str,
    *,
    adopted: int = 0,
    otherwise: str = "request fewer workers",
) -> None:
    """Whether there may be so many more workers. Raises Conflict. `adopted`: workers that exist in the same step, before these;
    `otherwise`: the remedy beside a higher limit."""
    if pool.frozen:
        raise Conflict(f"Pool {pool.name} is frozen.", hint=f"Run `herder pool unfreeze {pool.name}`.")
    actual = adopted + sum(1 for worker in core.state.workers.values() if worker.spec.pool == pool.name)
    room, with_those = pool.size.max_workers - actual, "those adopted now and " if adopted else ""
    if more > room:
        raise Conflict(
            f"Pool {pool.name} cannot get {counted(more, 'more worker')}: {actual} of {pool.size.max_workers} workers exist, including {with_those}those being drained.",
            field=field,
            hint=f"Raise max_workers with `herder apply`, or {otherwise}.",
        )
    live = pool.size.max_live_workers
    staying = adopted + sum(
        worker.spec.pool == pool.name and not worker.state.leaving for worker in core.state.workers.values()
    )
    if live is not None and staying + more > live:
        raise Conflict(
            f"Pool {pool.name} cannot get {counted(more, 'more worker')}: {staying} of {live} live workers exist (max_live_workers).",
            field=field,
            hint=f"Raise max_live_workers with `herder apply`, or {otherwise}.",
        )
