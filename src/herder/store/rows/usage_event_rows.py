"""Stored reports of use as the ledger's events: those of some ids, around some times, and all of them in the order in which use by day is computed anew."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import Connection, Row, func, or_, select, tuple_

from herder.ledger.lines import Line
from herder.ledger.metering import UsageEvent
from herder.ledger.quantities import MeteredDay
from herder.ledger.tokens import PREFIX
from herder.model.stored.metering_records import MeteredDayRecord, UsageEventRecord
from herder.store.rows.metering_tables import metered_days, usage_events

_e = usage_events.c
_COLUMNS = [_e[name] for name in UsageEvent._fields]
_KEY = [metered_days.c[name] for name in MeteredDayRecord._fields[:-1]]
#: Names in one question: PostgreSQL and SQLite take some ten thousand parameters.
_IDS, _KEYS, _FETCH = 1_000, 200, 20_000
_STREAMED = {"stream_results": True, "yield_per": _FETCH}

DayKey = tuple[int, str, str, str, str, str, str, str]


def _event(row: Row[tuple[object, ...]] | Sequence[object]) -> UsageEvent:
    values = list(row)
    values[10], values[12] = int(values[10]), bool(values[12])  # type: ignore[call-overload]
    return UsageEvent(*values)  # type: ignore[arg-type]


def record_of(event: UsageEvent, reported_by: str) -> UsageEventRecord:
    return UsageEventRecord(
        *event[:10], str(event.amount), event.claim, reported_by, int(event.leased), event.corrects
    )


def _pieces(names: Iterable[object], size: int) -> Iterator[list[object]]:
    left = iter(names)
    while piece := list(islice(left, size)):
        yield piece


def events_of(connection: Connection, source: str, ids: Collection[str]) -> Iterator[UsageEvent]:
    for piece in _pieces(ids, _IDS):
        query = select(*_COLUMNS).where(_e.source == source, _e.id.in_(piece))
        yield from map(_event, connection.execute(query))


def corrections_of(connection: Connection, event: UsageEvent) -> list[UsageEvent]:
    """Of all its resources."""
    query = select(*_COLUMNS).where(_e.source == event.source, _e.corrects == event.id, _e.corrects != "")
    return sorted(map(_event, connection.execute(query)))


def reports_of(connection: Connection, line: Line) -> Iterator[UsageEvent]:
    """Of the payer, resource and product of a line, whenever they were."""
    mine = (
        _e.source == line.place.provider,
        _e.resource == line.resource,
        _e.product == line.product,
        _e.project == line.payer.project,
        _e.user == line.payer.user,
    )
    yield from map(_event, connection.execute(select(*_COLUMNS).where(*mine), execution_options=_STREAMED))


def claimed(connection: Connection, claims: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """(claim, source, id)."""
    for piece in _pieces(claims, _IDS):
        query = select(_e.claim, _e.source, _e.id).where(_e.claim.in_(piece), _e.claim != "").distinct()
        yield from (tuple(row) for row in connection.execute(query))


def around(
    connection: Connection, source: str, counter: str, resource: str, low_ms: int, high_ms: int
) -> list[UsageEvent]:
    """Reports of a counter between two times, and those next before and after them. Empty: it has none at all."""
    mine = (_e.source == source, _e.counter == counter, _e.counter != "", _e.resource == resource)
    before = select(func.max(_e.at_ms)).where(*mine, _e.at_ms < low_ms).scalar_subquery()
    after = select(func.min(_e.at_ms)).where(*mine, _e.at_ms > high_ms).scalar_subquery()
    query = select(*_COLUMNS).where(
        *mine,
        _e.at_ms >= func.coalesce(before, low_ms),
        _e.at_ms <= func.coalesce(after, high_ms),
    )
    return sorted(map(_event, connection.execute(query)), key=lambda event: event.point)


def quantities_of(connection: Connection, keys: Collection[DayKey]) -> dict[DayKey, int]:
    found = {}
    for piece in _pieces(keys, _KEYS):
        query = select(*_KEY, metered_days.c.quantity).where(tuple_(*_KEY).in_(piece))
        found.update({tuple(row[:-1]): int(row[-1]) for row in connection.execute(query)})
    return found


def all_events(connection: Connection) -> Iterator[UsageEvent]:
    """Those of one counter and resource one after the other, without sorting: plain use first, then counters by their index. For `metering.metered_days`."""
    plain = select(*_COLUMNS).where(_e.counter == "")
    counted = select(*_COLUMNS).where(_e.counter != "").order_by(_e.source, _e.counter, _e.resource)
    for query in (plain, counted):
        yield from map(_event, connection.execute(query, execution_options=_STREAMED))


def charged_events(
    connection: Connection, resources: Collection[str], products: Collection[str], from_ms: int
) -> Iterator[UsageEvent]:
    """Reports since `from_ms` for which no lease has paid, of these resources and of all tokens where one of them is of tokens; of counters all, those of one
    counter together. `products`: empty: of any. A correction arrived with what it corrects."""
    first = usage_events.alias()
    tokens = any(each.startswith(PREFIX) for each in resources)
    kinds = [_e.resource.startswith(PREFIX, autoescape=True)] if tokens else []
    mine = [_e.leased == 0, or_(_e.resource.in_(resources), *kinds)]
    if 0 < len(products) <= _IDS:
        mine.append(_e.product.in_(products))
    arrived = func.coalesce(first.c.arrived_ms, _e.arrived_ms).label("arrived_ms")
    columns = [arrived if each.name == "arrived_ms" else each for each in _COLUMNS]
    corrected = (
        (first.c.source == _e.source) & (first.c.id == _e.corrects) & (first.c.resource == _e.resource)
    )
    query = select(*columns).select_from(usage_events.outerjoin(first, corrected)).where(*mine)
    plain = query.where(_e.counter == "", _e.at_ms >= from_ms)
    counted = query.where(_e.counter != "").order_by(_e.source, _e.counter, _e.resource)
    for each in (plain, counted):
        yield from map(_event, connection.execute(each, execution_options=_STREAMED))


def read_metered_days(
    connection: Connection, from_ms: int | None = None, to_ms: int | None = None
) -> Iterator[MeteredDay]:
    """As they are kept, by day, of `[from_ms, to_ms)`; days whose use was taken back are left out. The order within a day is that of the database: sort them to compare."""
    query = select(metered_days).where(metered_days.c.quantity != "0").order_by(*_KEY)
    if from_ms is not None:
        query = query.where(metered_days.c.day_ms >= from_ms)
    if to_ms is not None:
        query = query.where(metered_days.c.day_ms < to_ms)
    for row in connection.execute(query, execution_options=_STREAMED):
        yield MeteredDay._make((*row[:8], int(row[8])))
