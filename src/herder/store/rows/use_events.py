"""The events that a line of the ledger is made of, from the log of use."""

import json
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select

from herder.ledger.lines import GPU_PARTS, Kind, Line
from herder.ledger.metering import Point, growth_by_day
from herder.ledger.months import booked_in
from herder.ledger.quantities import DAY_MS
from herder.ledger.use_log import Ask, Entry, LoggedMachine, days_between
from herder.store.rows import ledger_tables as t
from herder.store.rows.usage_event_rows import reports_of
from herder.store.rows.use_rows import ENTRIES, closed_months

_decode = msgspec.json.Decoder().decode


class UseEvent(NamedTuple):
    """`quantity`: base units of the line's resource, on the line's day."""

    object: str
    attempt: int | None
    from_ms: int
    to_ms: int
    quantity: int


def events_of(connection: Connection, line: Line) -> Iterator[UseEvent]:
    """In the order in which they came. Of a correction: those that came after the close, in the month in which it is booked."""
    if line.kind is Kind.METERED:
        yield from _reports(connection, line)
        return
    closed = closed_months(connection)
    word = line.place.worker or line.payer.user
    query = select(t.use_log.c.number, t.use_log.c.body).order_by(t.use_log.c.number)
    if word:
        query = query.where(t.use_log.c.body.contains(json.dumps(word), autoescape=True))
    for row in connection.execute(query, execution_options={"yield_per": ENTRIES}):
        if booked_in(line.day_ms, row.number, closed) == line.period:
            entry: Entry = _decode(row.body)
            machines = [LoggedMachine(*each) for each in entry["machines"]]
            if line.kind is Kind.WORKLOAD:
                yield from _attempts(entry, machines, line)
            else:
                yield from _machines(entry, machines, line)


def _reports(connection: Connection, line: Line) -> Iterator[UseEvent]:
    """What was reported, and how much counters grew on the day between two reports."""
    known = {row.month: row.known_ms for row in connection.execute(select(t.months))}
    before: dict[str, Point] = {}
    for event in sorted(reports_of(connection, line), key=lambda event: (event.counter, event.point)):
        if booked_in(line.day_ms, event.arrived_ms, known) != line.period:
            continue
        if event.counter:
            since = before.get(event.counter)
            before[event.counter] = event.point
            quantity = growth_by_day(since, [event.point]).get(line.day_ms, 0)
            from_ms = event.at_ms if since is None else since.at_ms
        else:
            quantity = event.amount if event.at_ms - event.at_ms % DAY_MS == line.day_ms else 0
            from_ms = event.at_ms
        if quantity:
            yield UseEvent(f"report/{event.source}/{event.id}", None, from_ms, event.at_ms, quantity)


def _attempts(entry: Entry, machines: list[LoggedMachine], line: Line) -> Iterator[UseEvent]:
    asks = [Ask(*each) for each in entry["asks"]]
    for place, number, _, job, attempt, from_ms, to_ms in (
        *entry.get("ended", ()),
        *entry.get("sampled", ()),
    ):
        machine, ask = machines[place], asks[number]
        if (ask.user, ask.project, machine.pool) != (line.payer.user, line.payer.project, line.place.pool):
            continue
        if line.place.worker not in ("", machine.worker) or line.place.market != machine.market:
            continue
        for begin, end, sign in _on_day(line.day_ms, from_ms, to_ms):
            units = _per_ms(line.resource, ask, machine)
            yield UseEvent(f"job/{job}", attempt, begin, end, sign * (end - begin) * units)


def _machines(entry: Entry, machines: list[LoggedMachine], line: Line) -> Iterator[UseEvent]:
    for place, from_ms, to_ms, _ in entry["workers"]:
        if machines[place].worker == line.place.worker:
            for begin, end, sign in _on_day(line.day_ms, from_ms, to_ms):
                yield UseEvent(f"worker/{line.place.worker}", None, begin, end, sign * (end - begin))


def _on_day(day_ms: int, from_ms: int, to_ms: int) -> Iterator[tuple[int, int, int]]:
    if min(from_ms, to_ms) < day_ms + DAY_MS and max(from_ms, to_ms) > day_ms:
        for day, begin, end, sign in days_between(from_ms, to_ms):
            if day == day_ms:
                yield begin, end, sign


def _per_ms(resource: str, ask: Ask, machine: LoggedMachine) -> int:
    """Of a machine's cost: its time."""
    return {
        "cpu": ask.cpu_milli,
        "memory": ask.memory_mib,
        "gpu": ask.gpu * GPU_PARTS // machine.gpu_parts,
    }.get(resource, 1)
