"""What a recommendation was projected to save, and what it has saved: from the ledger and the attempts, before and after it began. Used by its reads and by the loop, which ends
pilots.
"""

from typing import NamedTuple

from sqlalchemy import Connection

from herder.analysis.optimisation.outcomes import MONTH_DAYS, Period, monthly, saved
from herder.analysis.optimisation.recommendations import Pilot, Rules, verdict
from herder.control.costs.recommendation_states import FAILED, PILOT, ROLLED_BACK, UNDONE
from herder.control.kernel.core import Core
from herder.control.reads.costs.lines import lines_between
from herder.control.reads.costs.measured_facts import paid
from herder.ledger.lines import COST
from herder.ledger.quantities import DAY_MS
from herder.model.stored.recommendation_records import RecommendationRecord
from herder.model.values.money import usd_text
from herder.model.values.phrases import counted
from herder.store.rows.measured_use import Quality, attempts_of, quality
from herder.wire.api.recommendations import RecommendationResults


class Work(NamedTuple):
    """Of the user and project of a recommendation in its pool, on some whole days."""

    period: Period
    quality: float | None
    """The part of the attempts that succeeded. None: none ended."""


async def results_of(core: Core, record: RecommendationRecord, now_ms: int) -> RecommendationResults:
    """Of what has been undone: until then."""
    if record.begun_ms is None:
        return _results(record, 0, "none", "It has not been carried out.")
    begun_ms = record.begun_ms
    end_ms = now_ms if record.closed_ms is None or record.state not in UNDONE else record.closed_ms
    day_ms, today_ms = begun_ms - begun_ms % DAY_MS, end_ms - end_ms % DAY_MS
    after_ms = day_ms + DAY_MS
    days = min(MONTH_DAYS, max(0, today_ms - after_ms) // DAY_MS)
    if not days:
        text = "It is compared by whole days after the one on which it began; none has ended."
        return _results(record, 0, "running" if record.state == PILOT else "none", text)
    before = await _work(core, record, day_ms - MONTH_DAYS * DAY_MS, day_ms)
    after = await _work(core, record, after_ms, after_ms + days * DAY_MS)
    realised = saved(before.period, after.period)
    rules = core.settings.recommendations
    judged, text = _judged(rules, record, days, realised, before.quality, after.quality)
    return _results(record, days, judged, text, realised, before.quality, after.quality)


async def _work(core: Core, record: RecommendationRecord, from_ms: int, to_ms: int) -> Work:
    account = (record.project, record.user, record.pool)
    lines = await lines_between(core, from_ms, to_ms, (COST,))

    def counts(connection: Connection) -> tuple[int, Quality]:
        asked = (*account, from_ms, to_ms)
        return attempts_of(connection, *asked), quality(connection, *asked)

    units, found = await core.read(counts)
    share = found.succeeded / found.attempts if found.attempts else None
    return Work(Period((to_ms - from_ms) // DAY_MS, paid(lines).get(account, 0), units), share)


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
        return ("unknown" if record.state in (PILOT, FAILED) and days >= rules.pilot_days else "none"), why
    said = f"Compared by attempt over {counted(days, 'day')}."
    if record.state == ROLLED_BACK or (record.state != PILOT and record.closed_ms is None):
        return "none", said
    if days < rules.pilot_days:
        return "running", f"{said} The pilot lasts {counted(rules.pilot_days, 'day')}."
    if before is None or after is None or before <= 0 or projected <= 0:
        return "unknown", f"{said} Its quality, or a projected saving, is unknown."
    found = verdict(projected, Pilot(days, before, after, realised), rules)
    assert found is not None
    return ("success" if found.success else "failure"), found.why


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
