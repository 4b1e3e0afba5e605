"""Closing a month: its lines are stored and never change again; what becomes known later is corrected in the months that follow.

A person asks for it, and the metering loop does it: a server that dies in between leaves the month open, and the next one closes it.
"""

from collections.abc import Collection
from functools import partial

from sqlalchemy import Connection

from herder.control.access.access_check import OF_KIND, check
from herder.control.costs.use_by_day import fold, sample
from herder.control.kernel.bounds.errors import Conflict, Invalid
from herder.control.kernel.core import Core
from herder.control.kernel.jobs.usage_ledger import CLOSING
from herder.engine.memory.events import record_event
from herder.ledger.months import date_text, end_of, following
from herder.ledger.pricing import Payers, Project
from herder.model.permissions import Action, Kind, Principal
from herder.model.stored.changes import Changes
from herder.model.stored.ledger_records import MonthLinesRecord, MonthRecord
from herder.model.stored.records import TotalRecord
from herder.model.values.phrases import counted
from herder.store.rows.known_rates import rates_at
from herder.store.rows.month_rows import (
    closed,
    closing_records,
    computed_lines,
    last_known_ms,
    months_with_use,
)
from herder.wire.api.resources import Result


def payers_of(core: Core) -> Payers:
    """As herder.yaml has them now."""
    projects = core.sharing.sharing.projects
    return Payers({each.name: Project(each.division, each.rate_card) for each in projects})


def close(core: Core, who: Principal, month: str, changes: Changes, now_ms: int) -> Result:
    """Raises Invalid for what is no month or has not ended, Conflict for one that is closed."""
    check_close(core, who, month, now_ms)
    core.ledger.closing[month] = who.actor
    changes.put(TotalRecord(f"{CLOSING}/{month}", who.actor))
    return Result(
        object=f"month/{month}",
        text=f"{month} is being closed. `herder cost months` shows it when it is done.",
    )


def check_close(core: Core, who: Principal, month: str, now_ms: int) -> None:
    """Raises what `close` raises."""
    check(who, Action.CHANGE, OF_KIND[Kind.COST], "Closing a month")
    try:
        end_ms = end_of(month)
    except ValueError as error:
        raise Invalid(f"{str(error).capitalize()}.", field="month") from None
    if end_ms > now_ms:
        raise Invalid(
            f"{month} has not ended; it ends on {date_text(end_ms)} at 00:00 UTC.",
            field="month",
            hint="Close it then.",
        )
    if month in core.ledger.closed:
        raise Conflict(
            f"{month} is closed.",
            hint="What became known later is in the corrections of the months that follow.",
        )
    if core.ledger.closed and month < (last := max(core.ledger.closed)):
        raise Conflict(
            f"{last} is closed, and months are closed in order.",
            hint="Use of an earlier month is booked in the first open one.",
        )


async def close_asked(core: Core) -> None:
    """Those that somebody has asked for, and the ones before them: corrections are of what is closed. Whoever has `core.booking` calls this."""
    while core.ledger.closing:
        await _close_one(core)


async def _close_one(core: Core) -> None:
    """What was reported by then is in the store, and what comes afterwards has a later time."""
    asked = max(core.ledger.closing)
    await sample(core)
    number = await fold(core)
    known_ms = core.clock.now_ms()
    payers, closed_by = payers_of(core), core.ledger.closing[asked]
    records: list[MonthRecord | MonthLinesRecord] = await core.read(
        partial(_next_close, upto=asked, number=number, known_ms=known_ms, payers=payers, closed_by=closed_by)
    )
    with core.change(Changes()) as changes:
        _take(core, changes, records)
    await core.commit(changes)


def _take(core: Core, changes: Changes, records: list[MonthRecord | MonthLinesRecord]) -> None:
    now_ms = core.clock.now_ms()
    for each in records:
        changes.put(each)
        if isinstance(each, MonthRecord):
            core.ledger.closed[each.month] = each.known_ms
            if core.ledger.closing.pop(each.month, None) is not None:
                changes.put(TotalRecord(f"{CLOSING}/{each.month}", ""))
            text = f"{each.month} was closed with {counted(each.lines, 'line')}."
            record_event(
                core.state, changes, now_ms, "month.closed", f"month/{each.month}", text, actor=each.closed_by
            )


def next_open(connection: Connection, closes: Collection[str], upto: str) -> str:
    """The month that is closed next."""
    return following(max(closes)) if closes else min([upto, *months_with_use(connection)])


def _next_close(
    connection: Connection, upto: str, number: int, known_ms: int, payers: Payers, closed_by: str
) -> list[MonthRecord | MonthLinesRecord]:
    """Of the month after the last closed one; the first time, of the first one with use. All up to the one that was asked for are closed in order."""
    closes = closed(connection)
    month = next_open(connection, closes, upto)
    known_ms = max(known_ms, last_known_ms(connection))
    lines = computed_lines(connection, month, closes, rates_at(connection), payers)
    return closing_records(month, lines, number, known_ms, closed_by, payers)
