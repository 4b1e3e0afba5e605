"""What the rules of `rules.py` are asked about: measured facts of one target. Pure. None: unknown, and a rule that needs it says nothing.

`monthly_pico`: what the target costs in 30 days. `alternative_pico`: what it would cost as recommended, at known rates; where it is unknown, the documented share is expected.
"""

from typing import NamedTuple

from herder.analysis.optimisation.recommendations import Evidence


class ModelUse(NamedTuple):
    target: str
    task: str
    """`classification`, `simple_extraction`, `general_development`."""
    model: str
    critical: bool | None
    output_tokens: float | None
    """The mean of a task."""
    monthly_pico: int
    alternative_pico: int | None
    evidence: Evidence
    """Tasks that the cheaper model did as well."""


class CacheUse(NamedTuple):
    target: str
    hit_percent: float | None
    repetition_percent: float | None
    repeats_per_day: float | None
    """Of the largest context that is not cached."""
    ttl_s: float | None
    stable: bool | None
    monthly_pico: int
    evidence: Evidence


class Tasks(NamedTuple):
    target: str
    per_day: float
    similar_per_hour: float | None
    overhead_percent: float | None
    tolerant: bool | None
    """They may wait."""
    monthly_pico: int
    evidence: Evidence


class Size(NamedTuple):
    """Of one job profile or machine. `…_percent`: mean use of what is requested, of each day, oldest first."""

    target: str
    cpu_percent: tuple[float, ...]
    memory_percent: tuple[float, ...]
    cpu_milli: int
    memory_mib: int
    cpu_peak_milli: int | None
    memory_peak_mib: int | None
    cpu_monthly_pico: int
    memory_monthly_pico: int


class Stored(NamedTuple):
    target: str
    tier: str
    unread_days: float | None
    reads_per_week: float | None
    monthly_pico: int
    alternative_pico: int | None
    """In the next colder tier."""
    evidence: Evidence
    """Objects that were as little read."""


class Timing(NamedTuple):
    target: str
    deferrable: bool | None
    at_peak: bool | None
    batch: bool | None
    flexible: bool | None
    monthly_pico: int
    evidence: Evidence


Fact = ModelUse | CacheUse | Tasks | Size | Stored | Timing
