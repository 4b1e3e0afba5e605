"""The log of use and the rows by day that are made of it: reads of the ledger, for the loop that goes on with them and for a rebuild from the beginning."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from herder.ledger.months import booked_in, month_of
from herder.ledger.quantities import MachineDay, MeteredDay, WorkDay
from herder.ledger.use_log import Days, Entry
from herder.model.stored.ledger_records import MachineDayRecord, WorkDayRecord
from herder.store.rows import ledger_tables as t
from herder.store.rows.metering_tables import metered_days
from herder.store.rows.tables import totals
from herder.store.rows.usage_event_rows import read_metered_days

#: Row of `totals`: the last entry that is in the rows by day.
FOLDED = "use/folded"
#: Entries that are read at a time; one has about a thousand attempts at most.
ENTRIES = 200
#: Names in one query.
NAMES = 500
_decode = msgspec.json.Decoder().decode


def closed_months(connection: Connection) -> dict[str, int]:
    """By month, the last entry of the log that it counts."""
    return {row.month: row.number for row in connection.execute(select(t.months.c.month, t.months.c.number))}


def folded(connection: Connection) -> int:
    """The last entry of the log that the rows by day count."""
    found = connection.execute(select(totals.c.value).where(totals.c.name == FOLDED)).scalar()
    return int(found or 0)


def entries(connection: Connection, after: int, upto: int | None = None) -> Iterator[tuple[int, Entry]]:
    """In the order of their numbers; at most ENTRIES of them when `upto` is not given."""
    number = t.use_log.c.number
    query = select(number, t.use_log.c.body).where(number > after).order_by(number)
    query = query.limit(ENTRIES) if upto is None else query.where(number <= upto)
    for row in connection.execute(query, execution_options={"yield_per": ENTRIES}):
        yield row.number, _decode(row.body)


def days_of(found: Iterable[tuple[int, Entry]], closed: Mapping[str, int]) -> tuple[Days, int]:
    """Added up, and the number of the last entry."""
    days, last = Days(), 0
    for number, entry in found:
        days.add(entry, lambda day_ms, number=number: booked_in(day_ms, number, closed))  # type: ignore[misc]
        last = max(last, number)
    return days, last


def next_rows(connection: Connection, after: int) -> tuple[list[MachineDayRecord | WorkDayRecord], int]:
    """The rows as they are once the next entries count, and the number of the last of these; 0: there are none."""
    new, last = days_of(entries(connection, after), closed_months(connection))
    workers: dict[tuple[int, str], set[str]] = {}
    for day_ms, booked, worker in (*new.machines, *(key[:3] for key in new.work)):
        workers.setdefault((day_ms, booked), set()).add(worker)
    known = Days()
    for (day_ms, booked), names in workers.items():
        for machine in _known(connection, t.machine_days, day_ms, booked, sorted(names)):
            known.machines[machine[:3]] = machine_day(machine)
        for work in _known(connection, t.work_days, day_ms, booked, sorted(names)):
            known.work[work[:5]] = work_day(work)
    for key, row in new.machines.items():
        if key in known.machines:
            known.add_machine(row)
            new.machines[key] = known.machines[key]
    for name, each in new.work.items():
        if name in known.work:
            known.add_work(each)
            new.work[name] = known.work[name]
    return records_of(new), last


def _known(connection: Connection, table: Any, day_ms: int, booked: str, names: list[str]) -> Iterator[Any]:
    for start in range(0, len(names), NAMES):
        wanted = table.c.worker.in_(names[start : start + NAMES])
        yield from connection.execute(
            select(table).where(table.c.day_ms == day_ms, table.c.booked == booked, wanted)
        )


def records_of(days: Days) -> list[MachineDayRecord | WorkDayRecord]:
    machines = [MachineDayRecord(*row[:-1], str(row.capacity)) for row in days.machines.values()]
    return [*machines, *(WorkDayRecord(*row[:7], *map(str, row[7:])) for row in days.work.values())]


def machine_day(row: Any) -> MachineDay:
    return MachineDay._make((*row[:-1], int(row.capacity)))


def work_day(row: Any) -> WorkDay:
    return WorkDay._make((*row[:7], *map(int, row[7:])))


def days_between(
    connection: Connection, from_ms: int, to_ms: int, worker: str = ""
) -> Iterator[MachineDay | WorkDay | MeteredDay]:
    """Rows of days in `[from_ms, to_ms)`, whenever they were booked; of one worker, or of all and of what was reported."""
    for table, made in ((t.machine_days, machine_day), (t.work_days, work_day)):
        query = select(table).where(table.c.day_ms >= from_ms, table.c.day_ms < to_ms)
        if worker:
            query = query.where(table.c.worker == worker)
        for row in connection.execute(query):
            yield made(row)
    if not worker:
        yield from read_metered_days(connection, from_ms, to_ms)


def late_months(connection: Connection, booked: str) -> list[str]:
    """The months of days that are booked in a later one, `booked`, in order."""
    found: set[str] = set()
    for table in (t.machine_days, t.work_days, metered_days):
        query = select(table.c.day_ms).where(table.c.booked == booked).distinct()
        found.update(month_of(row.day_ms) for row in connection.execute(query))
    return sorted(found - {booked})
