"""The loop of recommendations: looks at the facts every hour and stores what is recommended. It carries nothing out: a person does."""

import asyncio
from functools import partial

from herder.control.kernel.core import Core
from herder.control.reads.costs.recommending import Recommender, changed
from herder.ledger.quantities import DAY_MS
from herder.model.stored.changes import Changes
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
    """One look, in one commit."""
    found = await recommender.look(now_ms)
    known, changes = core.ledger.recommendations, Changes()
    with core.change(changes):
        for record in list(changed(known, found, now_ms)):
            known[record.id] = record
            changes.put(record)
    if not changes.empty:
        await core.commit(changes)
    core.ledger.looked_ms = now_ms
    before_ms = now_ms - KEPT_DAYS * DAY_MS
    old = [each.id for each in known.values() if (each.closed_ms or each.begun_ms or now_ms) < before_ms]
    if old:
        await core.store.call(partial(forget, ids=old))
        for each in old:
            del known[each]
