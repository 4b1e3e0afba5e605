"""What a stored recommendation says, and what it needs. Used by its reads and commands."""

from collections.abc import Iterable

from herder.analysis.optimisation.recommendations import Evidence, Kind, Recommendation
from herder.control.kernel.bounds.errors import NotKnown
from herder.control.kernel.core import Core
from herder.ledger.quantities import DAY_MS
from herder.model.permissions import Kind as Object
from herder.model.permissions import Principal, scope_of
from herder.model.stored.recommendation_records import RecommendationRecord

OPEN, APPROVED, PILOT, IMPLEMENTED, WITHDRAWN = "open", "approved", "pilot", "implemented", "withdrawn"
FAILED, ROLLED_BACK = "failed", "rolled_back"
#: States of what was begun and has been given up.
UNDONE = (FAILED, ROLLED_BACK)
#: An approval is of the command and of the amount. Estimates move a little every day: up to so much more is still what was approved.
GROWTH_MOST_PERCENT = 10
#: States in which figures follow the facts, and what is no longer found is withdrawn.
WAITING = (OPEN, APPROVED)


def recommendation_of(record: RecommendationRecord) -> Recommendation:
    return Recommendation(
        kind=Kind(record.kind), target=record.target, action=record.action, why=record.why,
        monthly_pico=int(record.monthly_pico), saving_pico=int(record.saving_pico),
        evidence=Evidence(observed=record.observed, supporting=record.supporting),
    )  # fmt: skip


def sees(who: Principal, record: RecommendationRecord) -> bool:
    """As lines of the ledger: their own, and those of their projects."""
    scope = scope_of(who, Object.COST)
    return scope is None or scope.covers(record.user, record.project)


def known(core: Core, who: Principal, name: str) -> RecommendationRecord:
    """Raises NotKnown, also for what `who` may not see."""
    found = core.ledger.recommendations.get(name)
    if found is None or not sees(who, found):
        raise NotKnown(
            f"There is no recommendation {name[:100]!r}.", hint="`herder cost recommend` lists them."
        )
    return found


def still_approved(old: RecommendationRecord, new: RecommendationRecord) -> bool:
    """Whether the approval of `old` is one of `new`, too. A smaller change of the same kind is."""
    approved, saving = int(old.approved_pico or 0), int(new.saving_pico)
    within = abs(saving) * 100 <= abs(approved) * (100 + GROWTH_MOST_PERCENT)
    return old.how == new.how and within and approved * saving >= 0


def pilot_left_ms(record: RecommendationRecord, pilot_days: int, now_ms: int) -> int:
    """Until its whole days after the one on which it began have passed, as its results count them; 0 or less: it is over."""
    begun_ms = record.begun_ms or 0
    return begun_ms - begun_ms % DAY_MS + (pilot_days + 1) * DAY_MS - now_ms


def by_saving(records: Iterable[RecommendationRecord]) -> list[RecommendationRecord]:
    """The largest saving first."""
    return sorted(records, key=lambda each: (-int(each.saving_pico), each.kind, each.target, each.action))


def waiting_pico(records: Iterable[RecommendationRecord]) -> int:
    """What all those of them would save a month that wait."""
    return sum(max(0, int(each.saving_pico)) for each in records if each.state in WAITING)
