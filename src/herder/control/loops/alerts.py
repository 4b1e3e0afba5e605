"""The loop of alerts: judges what is used, records what was raised and resolved, and tells people until one of them acknowledges.

What was raised is in the store before anybody is told; who was told is written after. A server that dies in between tells again.
"""

import asyncio
import json
from collections.abc import Iterable
from functools import partial

from herder.control.alerts.actions import Actions
from herder.control.alerts.policies import policies_of
from herder.control.alerts.telling import META_KEY, Teller
from herder.control.alerts.texts import end_text, raised_text
from herder.control.kernel.core import Core
from herder.control.reads.alert_readings import BUDGET_SUBJECT, Sources
from herder.engine.memory.events import record_event
from herder.ledger.alerts.policies import Level
from herder.ledger.alerts.raising import Alert, Alerts, Key, Notice
from herder.ledger.alerts.readings import Reading
from herder.ledger.quantities import DAY_MS
from herder.model.stored.changes import Changes
from herder.model.stored.records import MetaRecord
from herder.store.rows.alert_rows import forget, kept, named, record_of
from herder.store.rows.meta import meta_text

PERIOD_S = 15.0
#: How long resolved alerts are kept: thirteen months, so that a year can be compared with the one before.
KEPT_DAYS = 400
#: Row of `meta`: the alerts of whose end nobody is told yet.
ENDS_KEY = "alerts/ends"


async def run(core: Core) -> None:
    since_ms = core.clock.now_ms() - DAY_MS
    known = await core.read(partial(kept, since_ms=since_ms))
    rules = core.settings.alerts
    routes = [(each.subject, each.recipients) for each in rules.routes]
    alerts = core.ledger.alerts = Alerts.restored(policies_of(rules), known, routes)
    alerts.ends_from = None if rules.tell_resolved == "never" else Level.of(rules.tell_resolved)
    ends = json.loads(await core.read(partial(meta_text, key=ENDS_KEY)) or "[]")
    alerts.ended = {each.id: each for each in await core.read(partial(named, ids=ends))}
    teller = Teller(core, await core.read(partial(meta_text, key=META_KEY)))
    tasks = [asyncio.create_task(_judging(core)), asyncio.create_task(_telling(core, teller))]
    try:
        await asyncio.gather(
            *tasks
        )  # the error of the first as it is: a store that is away is no fault of the loop
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await teller.close()


async def _judging(core: Core) -> None:
    sources, actions, forgotten_ms = Sources(core), Actions(core), 0
    while True:
        now_ms = core.clock.now_ms()
        if core.leadership.holds():
            await judge(core, sources, actions, now_ms)
            if now_ms - forgotten_ms >= DAY_MS:
                forgotten_ms = now_ms
                await core.store.call(partial(forget, before_ms=now_ms - KEPT_DAYS * DAY_MS))
        await asyncio.sleep(PERIOD_S)


async def _telling(core: Core, teller: Teller) -> None:
    """Apart from judging: a receiver may hang."""
    while True:
        if core.leadership.holds():
            await tell(core, teller)
        await asyncio.sleep(PERIOD_S)


async def judge(core: Core, sources: Sources, actions: Actions, now_ms: int) -> None:
    """One look at everything, in one commit; what is to stop follows in parts."""
    await actions.restore()
    state, changes = core.ledger.alerts, Changes()
    ends = list(state.ended)
    found = await sources.readings(changes, now_ms)
    with core.change(changes):
        for reading in found:
            if reading.policy not in state.policies:
                continue
            for alert in state.judge(reading):
                changes.put(record_of(alert))
                _record(core, changes, alert, now_ms)
        for alert in state.remove(_removed(state, found), now_ms):
            changes.put(record_of(alert))
            _record(core, changes, alert, now_ms)
        _put_ends(state, changes, ends)
        actions.carry_out(changes, now_ms)
        state.forget(now_ms - DAY_MS)
    if not changes.empty or core.state.fresh_demand:
        await core.commit(changes)
    for restriction, jobs in actions.to_stop():
        with core.change(Changes()) as stopped:
            actions.stop(stopped, restriction, jobs, now_ms)
        await core.commit(stopped)


def _removed(state: Alerts, found: Iterable[Reading]) -> list[Key]:
    """Budgets that were deleted, or that another policy judges: each look has a reading of every budget."""
    read = {(each.policy, each.subject) for each in found}
    return [key for key in state.watches if key[1].startswith(BUDGET_SUBJECT) and key not in read]


async def tell(core: Core, teller: Teller) -> None:
    """One look at who is to be told, and one commit of what became of it."""
    state = core.ledger.alerts
    now_ms, before = core.clock.now_ms(), teller.text()
    told = await teller.tell(state.notices(now_ms), now_ms)
    now_ms, after, ends = core.clock.now_ms(), teller.text(), list(state.ended)
    with core.change(Changes()) as changes:
        if after != before:
            changes.put(MetaRecord(META_KEY, after))
        for notice, problems in told:
            if notice.resolved:
                state.ended.pop(notice.alert.id, None)
            else:
                changes.put(record_of(state.told(notice, now_ms)))
            _record_told(core, changes, notice, problems, now_ms)
        _put_ends(state, changes, ends)
    if not changes.empty:
        await core.commit(changes)


def _put_ends(state: Alerts, changes: Changes, before: list[str]) -> None:
    if list(state.ended) != before:
        changes.put(MetaRecord(ENDS_KEY, json.dumps(list(state.ended))))


def _record(core: Core, changes: Changes, alert: Alert, now_ms: int) -> None:
    text = raised_text(core.ledger.alerts.policies[alert.policy], alert)
    if alert.raised_ms == now_ms:
        record_event(core.state, changes, now_ms, "alert.raised", f"alert/{alert.id}", text)
    if alert.why_resolved is not None:
        text = end_text(core.ledger.alerts.policies[alert.policy], alert)
        record_event(core.state, changes, now_ms, "alert.resolved", f"alert/{alert.id}", text)


def _record_told(
    core: Core, changes: Changes, notice: Notice, problems: list[tuple[str, str]], now_ms: int
) -> None:
    alert, names = notice.alert, ", ".join(notice.recipients)
    text = raised_text(core.ledger.alerts.policies[alert.policy], alert)
    if notice.escalated:
        record_event(
            core.state, changes, now_ms, "alert.escalated", f"alert/{alert.id}",
            f"It was not acknowledged, and {names} was notified. {text}",
        )  # fmt: skip
    what = "The end of the alert" if notice.resolved else "The alert"
    for name, problem in problems:
        record_event(
            core.state, changes, now_ms, "alert.undelivered", f"alert/{alert.id}",
            f"{what} could not be delivered to {name}. {problem}",
        )  # fmt: skip
