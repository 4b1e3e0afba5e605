"""Views of recommendations and of what came of them. Part of `Reads`."""

from herder.analysis.optimisation.recommendations import Kind as Rule
from herder.analysis.optimisation.recommendations import Priority, Rules
from herder.control.access.access_check import OF_KIND, check
from herder.control.costs.recommendation_states import (
    IMPLEMENTED,
    PILOT,
    WITHDRAWN,
    by_saving,
    known,
    recommendation_of,
    sees,
    waiting_pico,
)
from herder.control.kernel.bounds.errors import Conflict, Invalid
from herder.control.kernel.core import Core
from herder.control.reads.costs.recommendation_results import results_of
from herder.model.permissions import Action, Kind, Principal
from herder.model.stored.recommendation_records import RecommendationRecord
from herder.model.values.money import usd_text
from herder.model.values.times import iso, iso_or_none
from herder.wire.api.recommendations import RecommendationList, RecommendationResults, RecommendationView

#: What may go wrong, by rule.
_RISKS = {
    Rule.MODEL: "Answers may be worse: compare them in the pilot.",
    Rule.CACHE: "Cached contexts may be out of date.",
    Rule.BATCH: "One failed task fails or repeats its batch; tasks wait for one another.",
    Rule.SIZE: "An attempt that needs more than any in the last 30 days is slower (CPU), or is ended and tried again (memory).",
    Rule.STORAGE: "Reads of a colder tier are slower and may cost extra.",
    Rule.SCHEDULE: "Results come later.",
}


class RecommendationReads:
    _core: Core

    def recommendations(self, who: Principal, priority: str | None) -> RecommendationList:
        """Those that wait or are carried out, the largest saving first. Raises Invalid."""
        check(who, Action.SEE, OF_KIND[Kind.COST])
        if priority is not None and priority not in tuple(Priority):
            raise Invalid(
                f"There is no priority {priority[:50]!r}.",
                field="priority",
                hint=f"Name one of {', '.join(Priority)}.",
            )
        seen = [each for each in self._core.ledger.recommendations.values() if sees(who, each)]
        implemented = sum(each.state == IMPLEMENTED for each in seen)
        shown = [
            _view(self._core.settings.recommendations, each)
            for each in by_saving(seen)
            if each.state != WITHDRAWN
        ]
        return RecommendationList(
            items=[each for each in shown if priority is None or each.priority == priority],
            looked_at=iso_or_none(self._core.ledger.looked_ms),
            saving_usd=usd_text(waiting_pico(seen)),
            recommended=len(seen),
            implemented=implemented,
            implementation_percent=round(100 * implemented / len(seen), 1) if seen else None,
        )

    def recommendation(self, who: Principal, name: str) -> RecommendationView:
        """Raises NotKnown."""
        check(who, Action.SEE, OF_KIND[Kind.COST])
        return _view(self._core.settings.recommendations, known(self._core, who, name))

    async def recommendation_results(self, who: Principal, name: str) -> RecommendationResults:
        """Projected against realised. Raises NotKnown."""
        check(who, Action.SEE, OF_KIND[Kind.COST])
        return await results_of(self._core, known(self._core, who, name), self._core.clock.now_ms())

    async def check_pilot(self, who: Principal, name: str) -> None:
        """Before a pilot is ended as a success. Raises Conflict when it was none; whether it has run long enough, the change itself says."""
        if known(self._core, who, name).state != PILOT:
            return
        found = await self.recommendation_results(who, name)
        if found.verdict in ("failure", "unknown"):
            raise Conflict(
                f"The pilot of recommendation {name} was not a success. {found.text}",
                hint=f"`herder cost results {name}` shows its figures.",
            )


def _view(rules: Rules, record: RecommendationRecord) -> RecommendationView:
    each = recommendation_of(record)
    return RecommendationView(
        id=record.id, rule=record.kind, target=record.target, action=record.action, priority=rules.priority(each).value,
        state=record.state, facts=record.why, monthly_usd=usd_text(each.monthly_pico), saving_usd=usd_text(each.saving_pico),
        confidence=round(each.evidence.confidence, 3), observed=record.observed, supporting=record.supporting,
        risk=_RISKS[each.kind] if each.saving_pico >= 0 else "It costs more.", needs_approval=rules.needs_approval(each), needs_pilot=rules.needs_pilot(each),
        command=record.how, found_at=iso(record.found_ms), approved_by=record.approved_by,
        approved_usd=usd_text(int(record.approved_pico)) if record.approved_pico else None,
        approved_at=iso_or_none(record.approved_ms), begun_by=record.begun_by, begun_at=iso_or_none(record.begun_ms),
    )  # fmt: skip
