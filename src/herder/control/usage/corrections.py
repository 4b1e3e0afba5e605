"""Corrects a mistake in reported use: what was reported stays, and an event of its own adds what it was off. Called by `UsageCommands`.

The event has the time and the payer of the one that it corrects, so it is priced at the same rate and changes the same budgets; where the month is closed, it is booked in the
first one that is open, as late use is. What a counter had grown is taken back on the days on which it was booked, with an event for each: on one day it could be more than was
used on it, and less than nothing has no price.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection

from herder.control.access.access_check import OF_KIND, check
from herder.control.kernel.bounds.errors import Conflict, Forbidden, Invalid, NotKnown
from herder.control.kernel.bounds.limits import check_message
from herder.control.kernel.core import Core
from herder.control.usage.charging import charge, charged_text
from herder.control.usage.intake import Outcome, booked
from herder.control.usage.reports import base_units
from herder.engine.memory.events import record_event
from herder.ledger.metering import (
    Closed,
    Point,
    UsageEvent,
    added,
    default_unit,
    growth_by_day,
    quantity_text,
)
from herder.ledger.months import after_closes, month_of
from herder.ledger.quantities import DAY_MS
from herder.model.permissions import OTHERS_USAGE, Action, Kind, Principal
from herder.model.stored.changes import Changes
from herder.model.values.times import iso
from herder.store.rows.usage_event_rows import around, corrections_of, events_of
from herder.wire.api.resources import Result
from herder.wire.api.usage import UsageCorrection


@dataclass(slots=True)
class Correction:
    event: UsageEvent
    """The one that is corrected."""
    before: int
    """What it counts as until now, in base units."""
    after: int
    outcome: Outcome = field(default_factory=Outcome)
    """Empty where it is right already."""


@asynccontextmanager
async def looked_up(core: Core, who: Principal, body: UsageCorrection) -> AsyncIterator[Correction]:
    check(who, Action.CREATE, OF_KIND[Kind.USAGE])
    if who.role < OTHERS_USAGE:
        raise Forbidden(
            "Only operators correct reported use.",
            hint="Send an operator the source and the id of the event, and what it should have been.",
        )
    check_message(body.reason, "reason")
    if not body.reason.strip():
        raise Invalid(
            "A correction needs a reason.", field="reason", hint="It is recorded with the correction."
        )
    async with core.booking:
        await core.settle()
        closed = dict(core.ledger.closed)
        arrived_ms = after_closes(core.clock.now_ms(), closed)
        yield await core.read(partial(correction_of, asked=body, arrived_ms=arrived_ms, closed=closed))


def put(
    core: Core,
    who: Principal,
    found: Correction,
    reason: str,
    changes: Changes,
    now_ms: int,
    *,
    dry_run: bool,
) -> Result:
    event, name = found.event, f"usage/{found.event.source}"
    old, new = (quantity_text(event.resource, each) for each in (found.before, found.after))
    what = f"Event {event.id!r} of source {event.source} ({event.resource}, {iso(event.at_ms)})"
    if not found.outcome.new:
        return Result(object=name, text=f"{what} counts as {new} already.", dry_run=dry_run)
    text = f"{what} {'would count' if dry_run else 'counts'} as {new} in place of {old}."
    text += _booked_late(found)
    text += charged_text(core, found.outcome.charges, now_ms, dry_run=dry_run)
    if not dry_run:
        charge(core, changes, found.outcome.charges, now_ms)
        found.outcome.put(changes, who.user)
        told = f"{text} Reason: {reason}"
        record_event(
            core.state, changes, now_ms, "usage.corrected", name, told, actor=who.actor,
            owner=event.user or who.user, project=event.project,
        )  # fmt: skip
    return Result(object=name, text=text, dry_run=dry_run)


def _booked_late(found: Correction) -> str:
    """A sentence; empty: the months of its days are open."""
    days = found.outcome.days
    late = {booking for day_ms, booking, *_ in days if booking != month_of(day_ms)}
    if not late:
        return ""
    closed = "Its month is closed: the difference" if len(days) == 1 else "What is of closed months"
    return f" {closed} is booked in {max(late)}."


def correction_of(
    connection: Connection, *, asked: UsageCorrection, arrived_ms: int, closed: Closed
) -> Correction:
    """Raises Refused."""
    event = _event(connection, asked)
    earlier = corrections_of(connection, event)
    before = event.amount + sum(each.amount for each in earlier if each.resource == event.resource)
    unit = asked.unit or default_unit(event.resource)
    after = base_units(asked.quantity, unit, event.resource, "quantity", "unit")
    found = Correction(event, before, after)
    low = _check_counter(connection, found) if event.counter else None
    if after != before:
        growths = (growth_by_day(low, [Point(event.at_ms, total)]) for total in (before, after))
        more = [
            event._replace(
                id=f"{event.id}~{number}", at_ms=min(day_ms + DAY_MS - 1, event.at_ms), amount=amount,
                arrived_ms=arrived_ms, counter="", claim="", corrects=event.id,
            )
            for number, (day_ms, amount) in enumerate(sorted(added(*growths).items()), len(earlier) + 1)
        ]  # fmt: skip
        _check_free(connection, more)
        found.outcome = booked(connection, more, closed)
        # What was created since was never charged for the event.
        found.outcome.charges = [each._replace(known_ms=event.arrived_ms) for each in found.outcome.charges]
    return found


def _event(connection: Connection, asked: UsageCorrection) -> UsageEvent:
    mine = sorted(events_of(connection, asked.source, [asked.id]))
    if not mine:
        raise NotKnown(
            f"Source {asked.source} has reported no event {asked.id!r}.",
            hint="Ids are as they were reported; `herder usage list` shows sources.",
        )
    resources = [each.resource for each in mine]
    chosen = [each for each in mine if asked.resource in ("", each.resource)]
    if len(chosen) != 1:
        what = f"no {asked.resource[:60]}" if asked.resource else "several resources"
        raise Invalid(
            f"Event {asked.id!r} of source {asked.source} has {what}.",
            field="resource",
            hint=f"Name one of {', '.join(resources)}.",
        )
    if chosen[0].corrects:
        raise Conflict(
            f"Event {asked.id!r} is a correction itself.",
            field="id",
            hint=f"Correct event {chosen[0].corrects!r} again.",
        )
    if chosen[0].leased:
        raise Conflict(
            f"Event {asked.id!r} is use that leases have paid for, and is what they were settled with.",
            field="id",
            hint="Report what is missing as another event.",
        )
    return chosen[0]


def _check_counter(connection: Connection, found: Correction) -> Point | None:
    """Only what the report has added to its counter can be taken back, and given again. The report before it, if there is one."""
    event = found.event
    known = around(connection, event.source, event.counter, event.resource, event.at_ms, event.at_ms)
    low = max((each.point for each in known if each.point < event.point), default=None)
    least = 0 if low is None else low.total
    if least <= found.after <= event.amount:
        return low
    raise Invalid(
        f"The total of counter {event.counter!r} can be corrected to {quantity_text(event.resource, least)} at least, as reported "
        f"before, and to {quantity_text(event.resource, event.amount)} at most.",
        field="quantity",
        hint="Report a higher total as another event. Correct an earlier report by its own id.",
    )


def _check_free(connection: Connection, more: Sequence[UsageEvent]) -> None:
    for taken in events_of(connection, more[0].source, [each.id for each in more]):
        raise Conflict(
            f"Source {taken.source} has reported an event {taken.id!r}, which is to be the id of the correction.",
            field="id",
            hint="Report the difference as another event, if it is more.",
        )
