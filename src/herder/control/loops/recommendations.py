"""The loop of recommendations: looks at the facts every hour, stores what is recommended, and ends pilots that were no success. It carries nothing out: a person does."""

import asyncio
from functools import partial

from herder.analysis.optimisation.outcomes import MONTH_DAYS
from herder.control.costs.recommendation_states import APPROVED, FAILED, OPEN, PILOT, pilot_left_ms
from herder.control.kernel.core import Core
from herder.control.reads.costs.recommendation_results import results_of
from herder.control.reads.costs.recommending import Recommender, changed
from herder.engine.memory.events import record_event
from herder.ledger.quantities import DAY_MS
from herder.model.stored.changes import Changes
from herder.model.stored.recommendation_records import RecommendationRecord
from herder.model.values.money import dollars
from herder.store.rows.recommendation_rows import forget

PERIOD_S = 3_600.0
#: After the start, which it does not slow down.
FIRST_LOOK_S = 30.0
#: How long what was withdrawn or carried out is kept: thirteen months.
KEPT_DAYS = 400


async def run(core: Core) -> None:
    recommender = Recommender(core)
    await asyncio.sleep(FIRST_LOOK_S)
    while True:
        if core.leadership.holds():
            await look(core, recommender, core.clock.now_ms())
        await asyncio.sleep(PERIOD_S)


async def look(core: Core, recommender: Recommender, now_ms: int) -> None:
    """One look, in one commit; pilots that have ended are judged after it."""
    found = await recommender.look(now_ms)
    known, changes = core.ledger.recommendations, Changes()
    with core.change(changes):
        for record in list(changed(known, found, now_ms)):
            before = known.get(record.id)
            if before is not None and before.state == APPROVED and record.state == OPEN:
                _approval_ended(core, changes, record, now_ms)
            known[record.id] = record
            changes.put(record)
    if not changes.empty:
        await core.commit(changes)
    core.ledger.looked_ms = now_ms
    await _end_pilots(core, now_ms)
    before_ms = now_ms - KEPT_DAYS * DAY_MS
    old = [each.id for each in known.values() if (each.closed_ms or each.begun_ms or now_ms) < before_ms]
    if old:
        await core.store.call(partial(forget, ids=old))
        for each in old:
            del known[each]


async def _end_pilots(core: Core, now_ms: int) -> None:
    """Those that were no success. One of which nothing is known goes on for a month: its work may still come. A success is ended by a person."""
    known, days = core.ledger.recommendations, core.settings.recommendations.pilot_days
    over = [each for each in known.values() if each.state == PILOT and pilot_left_ms(each, days, now_ms) <= 0]
    for record in over:
        found = await results_of(core, record, now_ms)
        failed = found.verdict == "failure" or (found.verdict == "unknown" and found.days >= MONTH_DAYS)
        if not failed or known.get(record.id) != record:  # meanwhile a person has ended it
            continue
        with core.change(Changes()) as changes:
            known[record.id] = record._replace(state=FAILED, closed_ms=now_ms)
            changes.put(known[record.id])
            text = f"The pilot of recommendation {record.id} was no success, and has ended. {found.text} Use the requests of before again."
            _event(core, changes, "recommendation.failed", record, text, now_ms)
        await core.commit(changes)


def _approval_ended(core: Core, changes: Changes, record: RecommendationRecord, now_ms: int) -> None:
    approved = dollars(int(record.approved_pico or 0))
    text = f"Recommendation {record.id} has changed since {record.approved_by} approved {approved} a month: it is {dollars(int(record.saving_pico))} a month now, and needs an approval again. Run: {record.how}"
    _event(core, changes, "recommendation.approval_ended", record, text, now_ms)


def _event(
    core: Core, changes: Changes, kind: str, record: RecommendationRecord, text: str, now_ms: int
) -> None:
    record_event(
        core.state, changes, now_ms, kind, f"recommendation/{record.id}", text, owner=record.user, project=record.project
    )  # fmt: skip
