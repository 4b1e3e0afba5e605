"""How a submitted job is tried again, checked. Called by `classes.py`, once for each class."""

from dataclasses import replace
from math import isfinite

from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.bounds.limits import check_between, check_name, check_word
from herder.engine.memory.state import EngineState
from herder.model.values.phrases import parts
from herder.model.values.resources import format_mib, parse_mib
from herder.model.work.job import JobClass, RetryPolicy
from herder.wire.api.work import JobSubmission

#: Of `memory_factor`, where it is not 1: with less, a job would be tried very often until it has enough.
FACTOR_MIN = 1.1
FACTOR_MAX = 100


def retry_policy(job: JobSubmission, memory_mib: int, where: str) -> RetryPolicy:
    """`memory_mib`: what it requests at first. Raises Invalid that names the field."""
    check_between(job.retries, 0, 1000, f"{where}retries")
    check_between(job.attempts_max, 1, 1000, f"{where}attempts_max")
    asked = job.on_retry
    if job.memory_profile:
        check_name(job.memory_profile, f"{where}memory_profile")
        if asked is None or asked.memory_factor == 1:
            raise Invalid(
                "A job with a memory_profile needs memory_factor, because it may use more than those before it.",
                field=f"{where}memory_profile",
                hint="Add memory_factor: 2.",
            )
    if asked is None:
        return RetryPolicy(retries=job.retries, attempts_max=job.attempts_max)
    path = f"{where}on_retry."
    factor = asked.memory_factor
    if not isfinite(factor) or (factor != 1 and not FACTOR_MIN <= factor <= FACTOR_MAX):
        raise Invalid(
            f"memory_factor {factor:g} is not between {FACTOR_MIN} and {FACTOR_MAX}.",
            field=f"{path}memory_factor",
            hint="Write 2 to double the memory after each out of memory, or 1 to leave it.",
        )
    if asked.on_demand_after is not None:
        check_between(asked.on_demand_after, 1, 1000, f"{path}on_demand_after")
    return RetryPolicy(
        retries=job.retries,
        attempts_max=job.attempts_max,
        memory_factor=factor,
        memory_max_mib=_memory_max_mib(asked.memory_max, factor, memory_mib, path),
        memory_profile=job.memory_profile,
        on_demand_after=asked.on_demand_after,
    )


def with_learned_memory(state: EngineState, job_class: JobClass) -> JobClass:
    """Requests what jobs of its profile used; the same class where nothing is known, or it has no profile."""
    policy = job_class.retry
    learned_mib = state.memory_peaks.learned_mib(job_class.profile) if policy.memory_profile else None
    if learned_mib is None:
        return job_class
    bounds = (policy.memory_max_mib, state.largest_memory_mib(job_class))
    wanted = min((learned_mib, *(each for each in bounds if each)))
    return replace(job_class, request=job_class.request.replaced("memory_mib", wanted))


def _memory_max_mib(asked: str | int, factor: float, memory_mib: int, path: str) -> int | None:
    field = f"{path}memory_max"
    if asked == "":
        return None
    check_word(asked, field)
    if factor == 1:
        raise Invalid(
            "memory_max has no effect without memory_factor.", field=field, hint="Add memory_factor: 2."
        )
    try:
        most = parse_mib(asked)
    except ValueError as error:
        message, hint = parts(error)
        raise Invalid(message, field=field, hint=hint) from None
    if most < memory_mib:
        raise Invalid(
            f"memory_max is {format_mib(most)}, but the job requests {format_mib(memory_mib)} of memory at first.",
            field=field,
            hint="Raise memory_max, or request less memory.",
        )
    return most
