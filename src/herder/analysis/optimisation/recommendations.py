"""A recommendation, what it needs before it may be carried out, and whether its pilot has succeeded. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

from herder.model.values.money import PICO_PER_USD


class Kind(StrEnum):
    MODEL = "model_selection"
    CACHE = "cache_improvements"
    BATCH = "batch_processing"
    SIZE = "resource_rightsizing"
    STORAGE = "storage_tier_optimization"
    SCHEDULE = "schedule_optimization"


#: What the evidence must come to, by kind.
CONFIDENCE = {
    Kind.MODEL: 0.85,
    Kind.CACHE: 0.80,
    Kind.BATCH: 0.75,
    Kind.SIZE: 0.90,
    Kind.STORAGE: 0.95,
    Kind.SCHEDULE: 0.70,
}
#: Kinds that cost the same, and are worth their effect.
NEUTRAL = frozenset({Kind.SCHEDULE})


class Priority(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Of so many observed days, tasks or objects, so many support the recommendation."""

    observed: int
    supporting: int

    @property
    def confidence(self) -> float:
        """The rule of succession: what the next one does, when nothing else is known. Without any evidence 0.5."""
        return (self.supporting + 1) / (self.observed + 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    kind: Kind
    target: str
    """What it is about: a job profile, an agent, a tier, a division."""
    action: str
    """`haiku`, `enable_caching`, `cpu 500m`."""
    why: str
    """The facts, as a sentence."""
    monthly_pico: int
    """What the target costs in 30 days."""
    saving_pico: int
    """Of it, what would be saved; negative: it costs more, and is worth it."""
    evidence: Evidence

    @property
    def id(self) -> str:
        key = "\0".join((self.kind, self.target, self.action))
        return f"opt-{blake2b(key.encode(), digest_size=5).hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is shown, and what it needs."""

    confidence_least: float = 0.75
    saving_least_pico: int = PICO_PER_USD
    approval_above_pico: int = 10 * PICO_PER_USD
    pilot_above_pico: int = 25 * PICO_PER_USD
    pilot_days: int = 7
    quality_loss_most_percent: float = 5.0
    realised_least_percent: int = 70

    def shows(self, found: Recommendation) -> bool:
        """A schedule that costs the same needs its own confidence only; all others also the general one and a saving."""
        confidence = found.evidence.confidence
        if confidence < CONFIDENCE[found.kind]:
            return False
        if found.kind in NEUTRAL or found.saving_pico < 0:
            return True
        return confidence >= self.confidence_least and found.saving_pico >= self.saving_least_pico

    def needs_approval(self, found: Recommendation) -> bool:
        return abs(found.saving_pico) > self.approval_above_pico

    def needs_pilot(self, found: Recommendation) -> bool:
        return found.kind is Kind.MODEL or found.saving_pico > self.pilot_above_pico

    def priority(self, found: Recommendation) -> Priority:
        if found.saving_pico >= self.pilot_above_pico:
            return Priority.HIGH
        return Priority.MEDIUM if found.saving_pico >= self.approval_above_pico else Priority.LOW


def ranked(found: Iterable[Recommendation], rules: Rules) -> list[Recommendation]:
    """Those that are shown, the largest saving first. Of one target and kind the best one only: two of them cannot both be carried out."""
    best: dict[tuple[Kind, str, str], Recommendation] = {}
    for each in filter(rules.shows, found):
        part = each.action.split()[0] if each.kind is Kind.SIZE else ""
        key = (each.kind, each.target, part)
        if key not in best or each.saving_pico > best[key].saving_pico:
            best[key] = each
    return sorted(best.values(), key=lambda each: (-each.saving_pico, each.kind, each.target, each.action))


class Pilot(NamedTuple):
    """What a pilot has measured. Quality: any measure of which more is better, as a share of successes."""

    days: float
    quality_before: float
    quality_after: float
    saved_pico: int
    """In the time of the pilot."""


class Verdict(NamedTuple):
    success: bool
    why: str
    realised_percent: int
    """Of the projected saving of the same time, rounded down."""
    quality_loss_percent: float


def verdict(projected_monthly_pico: int, pilot: Pilot, rules: Rules) -> Verdict | None:
    """None: it has not run long enough. Raises ValueError without a quality before, or a projected saving."""
    if pilot.quality_before <= 0 or projected_monthly_pico <= 0:
        raise ValueError("a pilot is compared with a quality and a projected saving above 0")
    if pilot.days < rules.pilot_days:
        return None
    loss = max(0.0, 100 * (1 - pilot.quality_after / pilot.quality_before))
    realised = int(100 * pilot.saved_pico * 30 // (projected_monthly_pico * pilot.days))
    if loss > rules.quality_loss_most_percent:
        return Verdict(
            False,
            f"Quality fell by {loss:.1f} %, and at most {rules.quality_loss_most_percent:g} % is allowed.",
            realised,
            loss,
        )
    if realised < rules.realised_least_percent:
        return Verdict(
            False,
            f"It saved {realised} % of what was projected, and at least {rules.realised_least_percent} % is required.",
            realised,
            loss,
        )
    return Verdict(
        True,
        f"It saved {realised} % of what was projected, and quality fell by {loss:.1f} %.",
        realised,
        loss,
    )
