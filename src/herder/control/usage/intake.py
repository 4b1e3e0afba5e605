"""Takes reports of use in: each event once, all of a report or nothing. Called by `UsageCommands`.

What is stored is looked up under `core.booking`, so that two reports cannot both be the first. The rows of events and the days that they change are of one commit.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

from sqlalchemy import Connection

from herder.control.access.access_check import OF_KIND, check
from herder.control.kernel.bounds.errors import Conflict, TooLarge
from herder.control.kernel.core import Core
from herder.control.usage.charging import Charge, Used, charge, charged_text, charges_of
from herder.control.usage.reports import NOT_YET, Reported, expanded
from herder.engine.memory.events import record_event
from herder.ledger.built_in_cards import INTERNAL
from herder.ledger.metering import (
    Closed,
    Metered,
    Point,
    UsageEvent,
    added,
    booked_in,
    growth_by_day,
    quantity_text,
)
from herder.ledger.months import after_closes, month_of
from herder.ledger.quantities import DAY_MS
from herder.ledger.rates import RateList, Subject
from herder.model.permissions import Action, Kind, Principal
from herder.model.stored.changes import Changes
from herder.model.stored.metering_records import MeteredDayRecord
from herder.model.values.phrases import agree, counted
from herder.model.values.times import iso
from herder.store.rows.rate_rows import read_rates
from herder.store.rows.usage_event_rows import (
    DayKey,
    around,
    claimed,
    events_of,
    quantities_of,
    record_of,
)
from herder.wire.api.resources import Result
from herder.wire.api.usage import TokensReport, UsageReport

#: Days and payers that one report may change.
DAYS_EACH = 50_000
UNPRICED_TOLD = 3


@dataclass(slots=True)
class Outcome:
    """What a report adds."""

    source: str = ""
    new: list[UsageEvent] = field(default_factory=list)
    known: int = 0
    """Reports that had been booked."""
    days: dict[DayKey, int] = field(default_factory=dict)
    """What is kept of these days from now on."""
    unpriced: list[str] = field(default_factory=list)
    """What of it has no rate on the internal card."""
    for_caller: dict[str, UsageEvent] = field(default_factory=dict)
    """By id, new events that name no payer."""
    charges: list[Charge] = field(default_factory=list)
    """What budgets pay of it."""

    def put(self, changes: Changes, reported_by: str) -> None:
        for event in self.new:
            changes.put(record_of(event, reported_by))
        for key, quantity in self.days.items():
            changes.put(MeteredDayRecord(*key, str(quantity)))


@asynccontextmanager
async def looked_up(
    core: Core, who: Principal, body: UsageReport | TokensReport
) -> AsyncIterator[Outcome]:  # fmt: skip
    check(who, Action.CREATE, OF_KIND[Kind.USAGE])
    reported = expanded(core, who, body, core.clock.now_ms())
    async with core.booking:
        await core.settle()
        closed = dict(core.ledger.closed)
        arrived_ms = after_closes(core.clock.now_ms(), closed)
        read = partial(outcome_of, reported=reported, arrived_ms=arrived_ms, closed=closed)
        yield await core.read(read)


def put(
    core: Core, who: Principal, outcome: Outcome, changes: Changes, now_ms: int, *, dry_run: bool
) -> Result:  # fmt: skip
    text = _text(outcome)
    name = f"usage/{outcome.source}"
    text += charged_text(core, outcome.charges, now_ms, dry_run=dry_run)
    if not dry_run and outcome.new:
        charge(core, changes, outcome.charges, now_ms)
        outcome.put(changes, who.user)
        record_event(
            core.state, changes, now_ms, "usage.reported", name, text, actor=who.actor, owner=who.user
        )
    return Result(object=name, text=text, dry_run=dry_run)


def _text(outcome: Outcome) -> str:
    new = len({event.id for event in outcome.new})
    text = f"Source {outcome.source} reported {counted(new, 'new event')} and {counted(outcome.known, 'known event')}."
    if outcome.for_caller:
        number, first = len(outcome.for_caller), next(iter(outcome.for_caller.values()))
        text += f" {counted(number, 'new event')} {agree(number, 'names', 'name')} no payer: user {first.user} in project {first.project} pays."
    if outcome.unpriced:
        some = ", ".join(outcome.unpriced[:UNPRICED_TOLD])
        more = len(outcome.unpriced) - UNPRICED_TOLD
        text += f" No rate for {some}{f' and {more:,} more' if more > 0 else ''}: this use is unpriced."
    late: dict[str, set[str]] = {}
    for day_ms, booking, *_ in outcome.days:
        if booking != month_of(day_ms):
            late.setdefault(booking, set()).add(month_of(day_ms))
    for booking, months in sorted(late.items()):
        text += f" {' and '.join(sorted(months))} {agree(len(months), 'is', 'are')} closed: that use is booked in {booking}."
    return text


def outcome_of(
    connection: Connection,
    *,
    reported: Sequence[Reported],
    arrived_ms: int,
    closed: Closed,
) -> Outcome:
    """`closed`: the months that are closed, and when each was. Raises Refused."""
    outcome = Outcome(reported[0].event.source if reported else "")
    fresh = [
        each._replace(event=each.event._replace(arrived_ms=arrived_ms))
        for each in _fresh(connection, reported, outcome)
    ]
    _check_claims(connection, fresh)
    metered = Metered(closed)
    used: list[Used] = []
    counters: dict[tuple[str, str], list[Reported]] = {}
    for each in fresh:
        outcome.new.append(each.event)
        if not each.names_payer:
            outcome.for_caller[each.event.id] = each.event
        if each.event.counter:
            counters.setdefault((each.event.counter, each.event.resource), []).append(each)
        else:
            metered.add(each.event)
            used += _charged(each.event, each.event.at_ms, each.event.amount)
    for mine in counters.values():
        used += _grow(connection, mine, metered, closed)
    if len(metered.quantities) > DAYS_EACH:
        raise TooLarge(
            f"The report changes {len(metered.quantities):,} days and payers; the maximum is {DAYS_EACH:,}.",
            hint="Send it in several requests, and report counters once a day or more often.",
        )
    _add_up(connection, outcome, metered, used)
    return outcome


def booked(connection: Connection, events: Sequence[UsageEvent], closed: Closed) -> Outcome:
    """What events of one source add, which have arrived and are no counter's."""
    outcome, metered = Outcome(events[0].source, list(events)), Metered(closed)
    used: list[Used] = []
    for event in events:
        metered.add(event)
        used += _charged(event, event.at_ms, event.amount)
    _add_up(connection, outcome, metered, used)
    return outcome


def _add_up(connection: Connection, outcome: Outcome, metered: Metered, used: Iterable[Used]) -> None:
    kept = quantities_of(connection, metered.quantities)
    outcome.days = {
        key: kept.get(key, 0) + quantity for key, quantity in metered.quantities.items() if quantity
    }
    rates = (
        read_rates(connection, cards=[INTERNAL], products={event.product for event in outcome.new})
        if outcome.new
        else RateList()
    )
    outcome.unpriced = _unpriced(rates, outcome.new)
    outcome.charges = charges_of(used, rates)


def _charged(event: UsageEvent, at_ms: int, quantity: int) -> Iterator[Used]:
    """None where leases have paid for it."""
    if not event.leased:
        yield Used(at_ms, event.resource, event.product, event.division, event.project, event.user, quantity)


def _fresh(connection: Connection, reported: Iterable[Reported], outcome: Outcome) -> list[Reported]:
    """Those that are not stored yet, each once. Raises Conflict for another content under a name that is known."""
    by_id: dict[str, dict[str, Reported]] = {}
    places: dict[str, str] = {}
    for each in reported:
        place = places.setdefault(each.event.id, each.field)
        mine = by_id.setdefault(each.event.id, {})
        first = mine.setdefault(each.event.resource, each)
        if first.event != each.event or (place != each.field and first is each):
            raise _conflict(each, first.event if first is not each else None)
    stored: dict[str, dict[str, UsageEvent]] = {}
    for event in events_of(connection, outcome.source, by_id):
        stored.setdefault(event.id, {})[event.resource] = event
    fresh: list[Reported] = []
    for name, mine in by_id.items():
        known = stored.get(name)
        if known is None:
            fresh += mine.values()
            continue
        for resource, each in mine.items():
            before = known.get(resource)
            if before is None or before._replace(arrived_ms=NOT_YET) != each.event:
                raise _conflict(each, before)
        if len(known) > len(mine):
            raise _conflict(next(iter(mine.values())), None)
        outcome.known += 1
    return fresh


_COMPARED = ("at_ms", "product", "division", "project", "user", "counter", "amount", "claim", "leased")
_NAMES = {"at_ms": "time", "amount": "quantity"}


def _conflict(each: Reported, before: UsageEvent | None) -> Conflict:
    event = each.event
    what = "with other resources"
    if before is not None:
        name = next(name for name in _COMPARED if getattr(before, name) != getattr(event, name))
        old, new = (getattr(one, name) for one in (before, event))
        if name == "at_ms":
            old, new = iso(old), iso(new)
        elif name == "amount":
            old, new = (quantity_text(event.resource, each) for each in (old, new))
        elif name == "leased":
            old, new = str(old).lower(), str(new).lower()
        what = f"with the {_NAMES.get(name, name)} {old or 'of nothing'}, not {new or 'of nothing'}"
    return Conflict(
        f"Event {event.id!r} of source {event.source} was reported before {what}.",
        field=f"{each.field}.id",
        hint="An event is never changed. Give another event another id.",
    )


def _check_claims(connection: Connection, fresh: Sequence[Reported]) -> None:
    by_claim: dict[str, Reported] = {}
    for each in fresh:
        claim = each.event.claim
        first = by_claim.setdefault(claim, each) if claim else each
        if first.event.id != each.event.id:
            raise _claimed(each, each.event.source, first.event.id)
    for claim, source, name in claimed(connection, by_claim):
        raise _claimed(by_claim[claim], source, name)


def _claimed(each: Reported, source: str, name: str) -> Conflict:
    return Conflict(
        f"The use {each.event.claim!r} was reported before, as event {name!r} of source {source}.",
        field=f"{each.field}.claim",
        hint="Report each use from one source only, and leave this event out.",
    )


def _grow(
    connection: Connection, mine: Sequence[Reported], metered: Metered, closed: Closed
) -> Iterator[Used]:
    """What new reports of one counter and resource change, by day."""
    event = mine[0].event
    times = [each.event.at_ms for each in mine]
    known = around(connection, event.source, event.counter, event.resource, min(times), max(times))
    _check_payer(mine, known[0] if known else event)
    _check_rising(mine, known)
    earlier = [each.point for each in known if each.at_ms < min(times)]
    before: Point | None = earlier[-1] if earlier else None
    old = [each.point for each in known[len(earlier) :]]
    new = sorted([*old, *(each.event.point for each in mine)])
    changed = added(growth_by_day(before, old), growth_by_day(before, new))
    for day_ms, quantity in changed.items():
        metered.put(event, (day_ms, booked_in(day_ms, event.arrived_ms, closed)), quantity)
        yield from _charged(event, min(day_ms + DAY_MS - 1, max(times)), quantity)


def _check_payer(mine: Sequence[Reported], first: UsageEvent) -> None:
    for each in mine:
        for name in ("product", "division", "project", "user"):
            old, new = getattr(first, name), getattr(each.event, name)
            if old != new:
                raise Conflict(
                    f"Counter {first.counter!r} of source {first.source} counts for {name} {old or 'nobody'}, not {new or 'nobody'}.",
                    field=f"{each.field}.{name}",
                    hint="A counter has one payer and one product. Use another counter.",
                )
        if first.leased != each.event.leased:
            by = "leases" if first.leased else "budgets"
            raise Conflict(
                f"Use of counter {first.counter!r} of source {first.source} is paid by {by}, so all its reports have leased {str(first.leased).lower()}.",
                field=f"{each.field}.counter",
                hint="Use another counter for what is paid otherwise.",
            )


def _check_rising(mine: Sequence[Reported], known: Sequence[UsageEvent]) -> None:
    all_of = sorted([(each.point, "") for each in known] + [(each.event.point, each.field) for each in mine])
    for (low, low_field), (high, high_field) in pairwise(all_of):
        if high.total < low.total:
            wrong, other = (high, low) if high_field else (low, high)
            place = high_field or low_field
            when = "before" if other is low else "after"
            of = partial(quantity_text, mine[0].event.resource)
            raise Conflict(
                f"The total of {of(wrong.total)} does not fit {of(other.total)}, which the counter had {when} it, at {iso(other.at_ms)}.",
                field=f"{place}.total",
                hint="A counter never falls. Begin a new counter after a reset.",
            )


def _unpriced(rates: RateList, new: Sequence[UsageEvent]) -> list[str]:
    found = {(event.resource, event.product): event.at_ms for event in new}
    return [
        f"{resource} of {product}" if product else resource
        for (resource, product), at_ms in sorted(found.items())
        if rates.at(Subject(INTERNAL, resource, product), at_ms) is None
    ]
