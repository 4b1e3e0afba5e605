"""Views of recommendations and of what came of them. Part of `Reads`."""

from functools import partial

from herder.analysis.optimisation.outcomes import MONTH_DAYS, Period, monthly, saved
from herder.analysis.optimisation.recommendations import Kind as Rule
from herder.analysis.optimisation.recommendations import Pilot, Priority, Result, Rules, success, verdict
from herder.control.access.access_check import OF_KIND, check
from herder.control.costs.recommendation_states import (
    IMPLEMENTED,
    PILOT,
    WAITING,
    WITHDRAWN,
    known,
    recommendation_of,
    sees,
)
from herder.control.kernel.bounds.errors import Conflict, Invalid
from herder.control.kernel.core import Core
from herder.control.reads.costs.lines import lines_between
from herder.control.reads.costs.measured_facts import paid
from herder.ledger.lines import COST
from herder.ledger.quantities import DAY_MS
from herder.model.permissions import Action, Kind, Principal
from herder.model.stored.recommendation_records import RecommendationRecord
from herder.model.values.money import usd_text
from herder.model.values.phrases import counted
from herder.model.values.times import iso, iso_or_none
from herder.store.rows.measured_use import Quality, attempts_of, quality
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
        result = success(Result(each.state == IMPLEMENTED, int(each.saving_pico), None) for each in seen)
        shown = [
            _view(self._core.settings.recommendations, each)
            for each in _sorted(seen)
            if each.state != WITHDRAWN
        ]
        rate = result.rate_percent
        return RecommendationList(
            items=[each for each in shown if priority is None or each.priority == priority],
            looked_at=iso_or_none(self._core.ledger.looked_ms),
            saving_usd=usd_text(sum(max(0, int(each.saving_pico)) for each in seen if each.state in WAITING)),
            recommended=result.recommended,
            implemented=result.carried_out,
            implementation_percent=None if rate is None else round(rate, 1),
        )

    def recommendation(self, who: Principal, name: str) -> RecommendationView:
        """Raises NotKnown."""
        check(who, Action.SEE, OF_KIND[Kind.COST])
        return _view(self._core.settings.recommendations, known(self._core, who, name))

    async def recommendation_results(self, who: Principal, name: str) -> RecommendationResults:
        """Projected against realised. Raises NotKnown."""
        check(who, Action.SEE, OF_KIND[Kind.COST])
        record = known(self._core, who, name)
        if record.begun_ms is None:
            return _results(record, 0, "none", "It has not been carried out.")
        begun_ms, now_ms = record.begun_ms, self._core.clock.now_ms()
        day_ms, today_ms = begun_ms - begun_ms % DAY_MS, now_ms - now_ms % DAY_MS
        after_ms = day_ms + DAY_MS
        days = min(MONTH_DAYS, max(0, today_ms - after_ms) // DAY_MS)
        if not days:
            text = "It is compared by whole days after the one on which it began; none has ended."
            return _results(record, 0, "running" if record.state == PILOT else "none", text)
        after = await _period(self._core, record, after_ms, after_ms + days * DAY_MS)
        before = await _period(self._core, record, day_ms - MONTH_DAYS * DAY_MS, day_ms)
        qualities = [
            await _quality(self._core, record, day_ms - MONTH_DAYS * DAY_MS, day_ms),
            await _quality(self._core, record, after_ms, after_ms + days * DAY_MS),
        ]
        realised = saved(before, after)
        judged, text = _judged(self._core.settings.recommendations, record, days, realised, *qualities)
        return _results(record, days, judged, text, realised, *qualities)

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


def _judged(
    rules: Rules,
    record: RecommendationRecord,
    days: int,
    realised: int | None,
    before: float | None,
    after: float | None,
) -> tuple[str, str]:
    projected = int(record.saving_pico)
    if realised is None:
        why = "No attempt ended before it began, or none since: what it saved is unknown."
        return ("unknown" if record.state == PILOT and days >= rules.pilot_days else "none"), why
    said = f"Compared by attempt over {counted(days, 'day')}."
    if record.state != PILOT and record.closed_ms is None:
        return "none", said
    if days < rules.pilot_days:
        return "running", f"{said} The pilot lasts {counted(rules.pilot_days, 'day')}."
    if before is None or after is None or before <= 0 or projected <= 0:
        return "unknown", f"{said} Its quality, or a projected saving, is unknown."
    found = verdict(projected, Pilot(days, before, after, realised), rules)
    assert found is not None
    return ("success" if found.success else "failure"), found.why


async def _period(core: Core, record: RecommendationRecord, from_ms: int, to_ms: int) -> Period:
    account = (record.project, record.user, record.pool)
    lines = await lines_between(core, from_ms, to_ms, (COST,))
    units: int = await core.read(
        partial(
            attempts_of, project=record.project, user=record.user, pool=record.pool, from_ms=from_ms, to_ms=to_ms
        )
    )  # fmt: skip
    return Period((to_ms - from_ms) // DAY_MS, paid(lines).get(account, 0), units)


async def _quality(core: Core, record: RecommendationRecord, from_ms: int, to_ms: int) -> float | None:
    found: Quality = await core.read(
        partial(
            quality, project=record.project, user=record.user, pool=record.pool, from_ms=from_ms, to_ms=to_ms
        )
    )  # fmt: skip
    return found.succeeded / found.attempts if found.attempts else None


def _view(rules: Rules, record: RecommendationRecord) -> RecommendationView:
    each = recommendation_of(record)
    return RecommendationView(
        id=record.id, rule=record.kind, target=record.target, action=record.action, priority=rules.priority(each).value,
        state=record.state, facts=record.why, monthly_usd=usd_text(each.monthly_pico), saving_usd=usd_text(each.saving_pico),
        confidence=round(each.evidence.confidence, 3), observed=record.observed, supporting=record.supporting,
        risk=_RISKS[each.kind] if each.saving_pico >= 0 else "It costs more.", needs_approval=rules.needs_approval(each), needs_pilot=rules.needs_pilot(each),
        command=record.how, found_at=iso(record.found_ms), approved_by=record.approved_by,
        approved_at=iso_or_none(record.approved_ms), begun_by=record.begun_by, begun_at=iso_or_none(record.begun_ms),
    )  # fmt: skip


def _sorted(records: list[RecommendationRecord]) -> list[RecommendationRecord]:
    return sorted(records, key=lambda each: (-int(each.saving_pico), each.kind, each.target, each.action))


def _results(
    record: RecommendationRecord,
    days: int,
    judged: str,
    text: str,
    realised: int | None = None,
    before: float | None = None,
    after: float | None = None,
) -> RecommendationResults:
    projected = int(record.saving_pico)
    month = None if realised is None else monthly(realised, days)
    return RecommendationResults(
        id=record.id, state=record.state, projected_usd=usd_text(projected),
        realised_usd=None if month is None else usd_text(month),
        realised_percent=None if month is None or projected <= 0 else 100 * month // projected,
        days=days, quality_before_percent=_percent(before), quality_after_percent=_percent(after), verdict=judged, text=text,
    )  # fmt: skip


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)
