"""What a stored recommendation says, and what it needs. Used by its reads and commands."""

from herder.analysis.optimisation.recommendations import Evidence, Kind, Recommendation
from herder.control.kernel.bounds.errors import NotKnown
from herder.control.kernel.core import Core
from herder.model.permissions import Kind as Object
from herder.model.permissions import Principal, scope_of
from herder.model.stored.recommendation_records import RecommendationRecord

OPEN, APPROVED, PILOT, IMPLEMENTED, WITHDRAWN = "open", "approved", "pilot", "implemented", "withdrawn"
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


def waiting_pico(core: Core) -> int:
    """What all those would save a month that wait."""
    records = core.ledger.recommendations.values()
    return sum(max(0, int(each.saving_pico)) for each in records if each.state in WAITING)
