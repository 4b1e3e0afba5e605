"""The six rules of optimisation: from measured facts to recommendations. Pure. Thresholds and expected shares are those of Cortex' `cost-tracking.json`.

A saving is the difference of two known costs where both are known, else the documented share of what the target costs.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from herder.analysis.optimisation.facts import CacheUse, Fact, ModelUse, Size, Stored, Tasks, Timing
from herder.analysis.optimisation.recommendations import Evidence, Kind, Recommendation

#: Days for which a size must have been too large, and too small.
LARGE_DAYS, SMALL_DAYS = 14, 7
CPU_LOW_PERCENT, MEMORY_LOW_PERCENT, CPU_HIGH_PERCENT = 40.0, 50.0, 85.0
#: What is taken away at most, and what stays above the highest measured use.
CPU_LESS_PERCENT, CPU_MARGIN_PERCENT = 50, 20
MEMORY_LESS_PERCENT, MEMORY_MARGIN_PERCENT = 40, 25
CPU_MORE_PERCENT = 30
#: Sizes that are written: whole steps.
MILLI_STEP, MIB_STEP = 50, 64


def recommendations(facts: Iterable[Fact]) -> Iterator[Recommendation]:
    """All that the rules say, whatever its confidence and saving; `recommendations.ranked` chooses."""
    for fact in facts:
        yield from _RULES[type(fact)](fact)


def _part(pico: int, percent: int) -> int:
    return pico * percent // 100


def _saved(pico: int, alternative: int | None, percent: int) -> int:
    return _part(pico, percent) if alternative is None else pico - alternative


def _model(fact: ModelUse) -> Iterator[Recommendation]:
    found: tuple[str, int, str] | None = None
    haiku, opus = "haiku" in fact.model, "opus" in fact.model
    if fact.task == "classification" and fact.critical is False and not haiku:
        found = "haiku", 70, "The tasks classify, and none is critical."
    elif (
        fact.task == "simple_extraction"
        and fact.output_tokens is not None
        and fact.output_tokens < 100
        and not haiku
    ):
        found = "haiku", 75, f"The tasks extract, with {fact.output_tokens:.0f} output tokens in the mean."
    elif fact.task == "general_development" and opus:
        found = "sonnet", 80, f"General development runs on {fact.model}."
    if found is not None:
        action, percent, why = found
        saving = _saved(fact.monthly_pico, fact.alternative_pico, percent)
        yield Recommendation(
            kind=Kind.MODEL, target=fact.target, action=action, why=why,
            monthly_pico=fact.monthly_pico, saving_pico=saving, evidence=fact.evidence,
        )  # fmt: skip


def _cache(fact: CacheUse) -> Iterator[Recommendation]:
    hit, repeated = fact.hit_percent, fact.repetition_percent
    told: list[tuple[str, int, str]] = []
    if hit is not None and repeated is not None and hit < 40 and repeated > 50:
        told.append(
            (
                "longer_ttl",
                40,
                f"{hit:.0f} % of the input is read from the cache, and {repeated:.0f} % repeats.",
            )
        )
    if fact.repeats_per_day is not None and fact.repeats_per_day > 10:
        told.append(("enable_caching", 60, f"A context is sent {fact.repeats_per_day:.0f} times a day."))
    if fact.ttl_s is not None and fact.ttl_s < 600 and fact.stable:
        told.append(("ttl_30m", 35, f"The context is stable, and is cached for {fact.ttl_s / 60:.0f} min."))
    for action, percent, why in told:
        yield Recommendation(
            kind=Kind.CACHE, target=fact.target, action=action, why=why, monthly_pico=fact.monthly_pico,
            saving_pico=_part(fact.monthly_pico, percent), evidence=fact.evidence,
        )  # fmt: skip


def _batch(fact: Tasks) -> Iterator[Recommendation]:
    if not fact.tolerant:
        return
    told: list[tuple[str, int, str]] = []
    if fact.per_day > 100 and fact.overhead_percent is not None and fact.overhead_percent > 30:
        told.append(
            ("batches_of_10", 50, f"{fact.per_day:.0f} tasks a day, {fact.overhead_percent:.0f} % overhead.")
        )
    if fact.similar_per_hour is not None and fact.similar_per_hour > 20:
        told.append(("hourly", 40, f"{fact.similar_per_hour:.0f} similar tasks an hour, which may wait."))
    for action, percent, why in told:
        yield Recommendation(
            kind=Kind.BATCH, target=fact.target, action=action, why=why, monthly_pico=fact.monthly_pico,
            saving_pico=_part(fact.monthly_pico, percent), evidence=fact.evidence,
        )  # fmt: skip


def _size(fact: Size) -> Iterator[Recommendation]:
    cpu, memory = fact.cpu_percent[-LARGE_DAYS:], fact.memory_percent[-LARGE_DAYS:]
    if _all(cpu, LARGE_DAYS, lambda each: each < CPU_LOW_PERCENT) and fact.cpu_peak_milli is not None:
        size = smaller(fact.cpu_milli, fact.cpu_peak_milli, CPU_LESS_PERCENT, CPU_MARGIN_PERCENT, MILLI_STEP)
        why = f"CPU use was below {CPU_LOW_PERCENT:.0f} % for {LARGE_DAYS} days, with a peak of {fact.cpu_peak_milli}m of {fact.cpu_milli}m."
        yield from _resized(fact.target, f"cpu {size}m", why, fact.cpu_monthly_pico, fact.cpu_milli, size)
    if _all(memory, LARGE_DAYS, lambda each: each < MEMORY_LOW_PERCENT) and fact.memory_peak_mib is not None:
        size = smaller(
            fact.memory_mib, fact.memory_peak_mib, MEMORY_LESS_PERCENT, MEMORY_MARGIN_PERCENT, MIB_STEP
        )
        why = f"Memory use was below {MEMORY_LOW_PERCENT:.0f} % for {LARGE_DAYS} days, with a peak of {fact.memory_peak_mib} of {fact.memory_mib} MiB."
        yield from _resized(
            fact.target, f"memory {size}Mi", why, fact.memory_monthly_pico, fact.memory_mib, size
        )
    yield from _larger(fact)


def _larger(fact: Size) -> Iterator[Recommendation]:
    days = list(itertools.takewhile(lambda each: each > CPU_HIGH_PERCENT, reversed(fact.cpu_percent)))
    if len(days) >= SMALL_DAYS:
        size = -(-fact.cpu_milli * (100 + CPU_MORE_PERCENT) // (100 * MILLI_STEP)) * MILLI_STEP
        yield Recommendation(
            kind=Kind.SIZE,
            target=fact.target,
            action=f"cpu {size}m",
            why=f"CPU use was above {CPU_HIGH_PERCENT:.0f} % for {len(days)} days.",
            monthly_pico=fact.cpu_monthly_pico,
            saving_pico=fact.cpu_monthly_pico - fact.cpu_monthly_pico * size // fact.cpu_milli,
            evidence=Evidence(observed=len(days), supporting=len(days)),
        )


def smaller(size: int, peak: int, less_percent: int, margin_percent: int, step: int) -> int:
    """At most `less_percent` less, and never below the peak and its margin; in whole steps, rounded up. Not more than now."""
    least = max(size * (100 - less_percent), peak * (100 + margin_percent))
    return min(size, -(-least // (100 * step)) * step)


def _all(days: Sequence[float], count: int, holds: Callable[[float], bool]) -> bool:
    return len(days) >= count and all(holds(each) for each in days)


def _resized(target: str, action: str, why: str, pico: int, old: int, new: int) -> Iterator[Recommendation]:
    if new < old:
        yield Recommendation(
            kind=Kind.SIZE, target=target, action=action, why=why, monthly_pico=pico,
            saving_pico=pico - pico * new // old,
            evidence=Evidence(observed=LARGE_DAYS, supporting=LARGE_DAYS),
        )  # fmt: skip


def _storage(fact: Stored) -> Iterator[Recommendation]:
    colder = {"hot": ("warm", 48), "warm": ("cold", 67)}.get(fact.tier)
    if colder is None:
        return
    tier, percent = colder
    unread, limit = fact.unread_days, 30 if fact.tier == "hot" else 90
    why = None
    if unread is not None and unread > limit:
        why = f"It was not read for {unread:.0f} days."
    elif fact.tier == "hot" and fact.reads_per_week is not None and fact.reads_per_week < 1:
        why = "It is read less than once a week."
    if why is not None:
        yield Recommendation(
            kind=Kind.STORAGE, target=fact.target, action=tier, why=why, monthly_pico=fact.monthly_pico,
            saving_pico=_saved(fact.monthly_pico, fact.alternative_pico, percent), evidence=fact.evidence,
        )  # fmt: skip


def _schedule(fact: Timing) -> Iterator[Recommendation]:
    if fact.deferrable and fact.at_peak:
        action, why = "off_peak", "The tasks may wait, and run at the peak."
    elif fact.batch and fact.flexible:
        action, why = "low_use_hours", "The batches may run at any time."
    else:
        return
    yield Recommendation(
        kind=Kind.SCHEDULE, target=fact.target, action=action, why=why,
        monthly_pico=fact.monthly_pico, saving_pico=0, evidence=fact.evidence,
    )  # fmt: skip


_RULES: dict[type, Callable[[Any], Iterator[Recommendation]]] = {
    ModelUse: _model,
    CacheUse: _cache,
    Tasks: _batch,
    Size: _size,
    Stored: _storage,
    Timing: _schedule,
}
