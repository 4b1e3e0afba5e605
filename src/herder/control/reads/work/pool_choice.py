"""Of a job with `pool: auto`: which pools can hold it, and which of them is the cheapest. For people; the planner and placement decide by
themselves, from all that waits and all that is free."""

from herder.control.kernel.core import Core
from herder.decide.eligibility.matching import AUTO
from herder.decide.eligibility.usable_offers import PoolOffer, cheapest_offers
from herder.model.values.money import format_usd
from herder.model.values.phrases import counted
from herder.model.work.job import JobClass

#: Pools that are named.
SHOWN = 3


def pool_reason(core: Core, job_class: JobClass) -> str:
    """Of one that has not ended; empty for one that names its pool."""
    if job_class.pool != AUTO:
        return ""
    found = cheapest_offers(job_class, core.state.pools.values())
    if not found:
        return "No pool can hold it now."
    first, *others = found
    if not others:
        return f"Only pool {_shown(first)} can hold it."
    more = " …" if len(others) > SHOWN else ""
    return (
        f"Pool {_shown(first)} is the cheapest of {counted(len(found), 'pool')} that can hold it; the others are "
        f"{', '.join(map(_shown, others[:SHOWN]))}{more}. It runs in any of them that has a free place."
    )


def _shown(each: PoolOffer) -> str:
    """`std (two, spot, at $0.10/h)`"""
    spot = ", spot" if each.offer.spot else ""
    return f"{each.pool} ({each.offer.name}{spot}, {format_usd(each.offer.price_pico_per_hour, 2)}/h)"
