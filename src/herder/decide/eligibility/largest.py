"""How much memory a job could have: that of the largest worker on which it could run. Asked when a job is to be tried again with more.

As in `admission`, templates are looked at, not the workers that there happen to be.
"""

from collections.abc import Iterable

from herder.decide.eligibility.matching import job_may_use_template
from herder.model.fleet.pool import PoolSpec
from herder.model.work.demand import Asks


def largest_memory_mib(asks: Asks, pools: Iterable[PoolSpec]) -> int:
    """Of templates that have all else that is requested, each used by one job alone; 0: there is none."""
    rest = asks.request.replaced("memory_mib", 0)
    return max(
        (
            template.allocatable.memory_mib
            for pool in pools
            if pool.size.max_workers > 0
            for template in pool.templates
            if template.slots > 0
            and rest.fits_in(template.allocatable)
            and job_may_use_template(asks, pool, template)
        ),
        default=0,
    )
