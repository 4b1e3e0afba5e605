"""What people are told of a job's pool and memory: which pools can hold it and which of them is the cheapest, and what was learned of its profile.

The planner and placement decide by themselves, from all that waits and all that is free.
"""

from herder.control.kernel.core import Core
from herder.decide.eligibility.matching import AUTO
from herder.decide.eligibility.usable_offers import PoolOffer, cheapest_offers
from herder.engine.memory.memory_peaks import ATTEMPTS_MIN
from herder.model.values.money import format_usd
from herder.model.values.phrases import agree, counted
from herder.model.values.resources import format_mib
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
        f"Pool {_shown(first)} is the cheapest of {counted(len(found), 'pool')} that can hold it; the {agree(len(others), 'other is', 'others are')} "
        f"{', '.join(map(_shown, others[:SHOWN]))}{more}. It runs in any of them that has a free place."
    )


def memory_reason(core: Core, job_class: JobClass) -> str:
    """Of one with a memory profile."""
    name = job_class.retry.memory_profile
    if not name:
        return ""
    attempts, peak = core.state.memory_peaks.of(job_class.profile)
    learned = core.state.memory_peaks.learned_mib(job_class.profile)
    if learned is None:
        least = counted(ATTEMPTS_MIN, "successful attempt")
        return f"Memory profile {name} has {attempts} of {least} from which memory is learned."
    return (
        f"The last {counted(attempts, 'successful attempt')} with the memory profile {name} used at most {format_mib(peak)}; "
        f"jobs that are submitted now request {format_mib(learned)}."
    )


def _shown(each: PoolOffer) -> str:
    """`std (two, spot, $0.10/h)`"""
    spot = ", spot" if each.offer.spot else ""
    return f"{each.pool} ({each.offer.name}{spot}, {format_usd(each.offer.price_pico_per_hour, 2)}/h)"
